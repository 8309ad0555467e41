"""safetensors files: a JSON header, and numbers.

The layout: https://github.com/huggingface/safetensors#format. The header has its length before it, 8 bytes,
little-endian. It gives each tensor's type, shape and range of bytes. The ranges cover the rest of the file
without gaps, so nothing can be hidden in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...data.atomic import replace_file
from ...data.regular_files import open_regular_file
from ...errors import ModelFileError
from ...kernels import Array
from ..keras.json_reader import read_json_object
from ..limits import MAX_TEXT_BYTES
from .tensors import ELEMENT_BYTES, MAX_TENSORS, Tensor, TensorFile, check_shape

LENGTH_BYTES = 8  #: before the header
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@contextmanager
def open_safetensors(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file.

    Args:
        path: The file.

    Yields:
        Its tensors, which are read while the file is open.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    with open_regular_file(path) as stream:
        end = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        start = LENGTH_BYTES + length
        if length > MAX_TEXT_BYTES or start > end:
            raise ModelFileError(
                f"{path.name}: its header should have {length:,} bytes, which is not possible"
            )
        header = read_json_object(stream.read(length), f"{path.name}: its header", unique_keys=True)
        header.pop("__metadata__", None)
        if len(header) > MAX_TENSORS:
            raise ModelFileError(
                f"{path.name}: holds {len(header):,} tensors; at most {MAX_TENSORS:,} are read"
            )

        def locate(first: int, size: int) -> Any:
            def read_bytes() -> bytes:
                stream.seek(start + first)
                content = stream.read(size)
                if len(content) < size:
                    raise ModelFileError(f"{path.name}: ends too early")
                return content

            return read_bytes

        tensors, ranges = {}, []
        for name, entry in header.items():
            shape, dtype, (first, last) = _check_entry(name, entry, path.name)
            ranges.append((first, last))
            tensors[name] = Tensor(shape, dtype, locate(first, last - first))
        position = 0
        for first, last in sorted(ranges):
            if first != position:
                raise ModelFileError(
                    f"{path.name}: damaged: the ranges of its tensors overlap or leave gaps at byte {first:,}"
                )
            position = last
        if start + position != end:
            raise ModelFileError(
                f"{path.name}: damaged: it has {end:,} bytes, and its header describes {start + position:,}"
            )
        yield TensorFile("safetensors file", tensors)


def _check_entry(name: str, entry: Any, file_name: str) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    """Return the shape, type and byte range of a tensor as the header gives them."""
    if not isinstance(entry, dict):
        raise ModelFileError(f"{file_name}: {name:.200} should be an object, found {type(entry).__name__}")
    stored = entry.get("dtype")
    dtype = DTYPES.get(stored, stored) if isinstance(stored, str) else repr(stored)
    shape = check_shape(name, entry.get("shape"), dtype, file_name)
    first, last = _as_range(entry.get("data_offsets"))
    if last - first != math.prod(shape) * ELEMENT_BYTES[dtype]:
        raise ModelFileError(
            f"{file_name}: damaged: {name:.200} of shape {shape} and type {dtype} has another range of "
            f"bytes, {first} to {last}"
        )
    return shape, dtype, (first, last)


def _as_range(offsets: Any) -> tuple[int, int]:
    """Return a range of bytes; an impossible one for anything else."""
    if isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets):
        first, last = offsets
        if 0 <= first <= last:
            return first, last
    return 0, -1


def write_tensors(
    path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        path: The file. One that exists is replaced.
        tensors: Arrays of float or integer types by name.
        metadata: Texts by name, for programs that look for them.

    Raises:
        TypeError: An array is of a type that is not written.
        OSError: The file cannot be written.
    """
    codes = {dtype: code for code, dtype in DTYPES.items()}
    expected = ", ".join(codes)
    for name, array in tensors.items():
        if array.dtype.name not in codes:
            raise TypeError(f"{name}: arrays of {array.dtype.name} are not written, expected {expected}")
    # Wide types first, as safetensors itself writes them: every array is then aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in names:
        array = tensors[name]
        header[name] = {
            "dtype": codes[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    with replace_file(path) as temporary, open(temporary, "xb") as stream:
        stream.write(len(text).to_bytes(LENGTH_BYTES, "little"))
        stream.write(text)
        for name in names:
            array = tensors[name]
            stream.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
