"""PyTorch checkpoints since version 1.6: a zip archive of a pickle and the numbers of each storage."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ..archives import converted_errors, open_zip, unpack
from ..limits import MAX_NAME_CHARACTERS
from .pickles import DICT, MAX_PICKLE_BYTES, Call, Global, Persistent, read_pickle
from .tensors import ELEMENT_BYTES, MAX_TENSORS, Tensor, TensorFile, check_shape

PICKLE = "data.pkl"
MAX_KEY = 1 << 63  #: the text of a longer integer takes quadratic time, and Python refuses it
MAX_DICT_DEPTH = 6  #: dicts within dicts that are searched for tensors
#: Elements of a storage, over those of a tensor in it. It is read anew for each of its tensors.
MAX_STORAGE_SHARE = 64
MAX_SMALL_STORAGE = 1 << 20  #: elements of a storage that may have tensors of any size

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip
ORDERED_DICT = Global("collections", "OrderedDict")
TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
PARAMETER = Global("torch._utils", "_rebuild_parameter")
PARAMETER_WITH_STATE = Global("torch._utils", "_rebuild_parameter_with_state")
#: What stands beside weights in files of trainings, and is nothing to tell. None of it is called either.
HARMLESS = {
    str(ORDERED_DICT), str(TENSOR), str(PARAMETER), str(PARAMETER_WITH_STATE), "torch.Size", "torch.device",
    "torch.dtype",
    *(f"torch.{name}" for name in STORAGES), "_codecs.encode",
    "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "builtins.set",
    "collections.defaultdict", "builtins.dict",
}  # fmt: skip


@contextmanager
def open_checkpoint(path: Path, strict: bool = False) -> Iterator[TensorFile]:
    """Open a checkpoint. Nothing in it is executed.

    Args:
        path: The file.
        strict: Refuse a file that names a class or function which has nothing to do with weights.

    Yields:
        Its tensors, which are read while the file is open.

    Raises:
        ModelFileError: The file is damaged or hostile, holds a whole module instead of its state, or
            names other things although `strict`.
    """
    with open_zip(path) as zip_file:
        names = zip_file.namelist()
        pickles = [name for name in names if name.rpartition("/")[2] == PICKLE]
        if len(pickles) != 1:
            raise ModelFileError(f"{path.name}: should hold one {PICKLE}, found {len(pickles)}")
        top = pickles[0].removesuffix(PICKLE)
        with converted_errors(path):
            content = unpack(
                zip_file, zip_file.getinfo(pickles[0]), MAX_PICKLE_BYTES, f"{path.name}:{PICKLE}"
            )
            if f"{top}byteorder" in names:
                order = unpack(zip_file, zip_file.getinfo(f"{top}byteorder"), 64, f"{path.name}:byteorder")
                if order.strip() != b"little":
                    raise ModelFileError(
                        f"{path.name}: its numbers are {order!r:.40}-endian, expected little"
                    )
        value, named = read_pickle(content, f"{path.name}:{PICKLE}")
        passed_over = tuple(str(name) for name in named if str(name) not in HARMLESS)
        if strict and passed_over:
            raise ModelFileError(
                f"{path.name}: besides weights, its pickle names {', '.join(passed_over[:5])}; refused"
            )
        if not _is_dict(value):
            function = value.function if isinstance(value, Call) else None  # perhaps calls within calls
            found = function if isinstance(function, Global) else type(value).__name__
            raise ModelFileError(
                f"{path.name}: holds an object of {found!s:.200}, not the state of a model. "
                "Only the program that wrote it can read it. There, save the state: "
                "torch.save(model.state_dict(), 'model.pth')"
            )
        yield TensorFile("PyTorch checkpoint", _Tensors(zip_file, top, path).collect(value), passed_over)


def _is_dict(value: Any) -> bool:
    return isinstance(value, Call) and value.function in (DICT, ORDERED_DICT)


class _Tensors:
    """Collects the tensors of a pickle, which lie in the storages of an archive."""

    def __init__(self, zip_file: zipfile.ZipFile, top: str, path: Path) -> None:
        self._zip_file, self._top, self._path = zip_file, top, path
        self._members = {info.filename: info for info in zip_file.infolist()}
        self._found: dict[str, Tensor] = {}
        self._steps = 0

    def collect(self, value: Call) -> dict[str, Tensor]:
        self._search(value, "", 0)
        return self._found

    def _search(self, value: Call, prefix: str, depth: int) -> None:
        for key, item in value.items:
            self._steps += 1
            if self._steps > MAX_TENSORS:
                raise ModelFileError(f"{self._path.name}: holds more than {MAX_TENSORS:,} entries")
            if not isinstance(key, str) and (type(key) is not int or abs(key) >= MAX_KEY):
                continue
            name = f"{prefix}{key}"
            if len(name) > MAX_NAME_CHARACTERS:
                raise ModelFileError(f"{self._path.name}: holds a name of {len(name):,} characters")
            if _is_dict(item) and depth < MAX_DICT_DEPTH:
                self._search(item, f"{name}.", depth + 1)
            elif (tensor := self._tensor(item, name)) is not None:
                self._found[name] = tensor

    def _tensor(self, value: Any, name: str) -> Tensor | None:
        if not isinstance(value, Call) or not isinstance(value.arguments, tuple) or not value.arguments:
            return None
        if value.function in (PARAMETER, PARAMETER_WITH_STATE):
            value = value.arguments[0]
            if not isinstance(value, Call) or not isinstance(value.arguments, tuple):
                return None
        if value.function != TENSOR or len(value.arguments) < 4:
            return None
        storage, offset, size, strides = value.arguments[:4]
        dtype, key, count = self._storage(storage, name)
        shape = check_shape(name, size, dtype, self._path.name)
        steps = check_shape(name, strides, dtype, self._path.name)
        last = sum((n - 1) * step for n, step in zip(shape, steps, strict=False)) if 0 not in shape else -1
        elements = math.prod(shape)
        if len(steps) != len(shape) or type(offset) is not int or offset < 0 or offset + last >= count:
            raise ModelFileError(f"{self._path.name}: damaged: {name} reaches beyond its storage")
        if count > max(MAX_SMALL_STORAGE, MAX_STORAGE_SHARE * elements):
            raise ModelFileError(
                f"{self._path.name}: {name} is a small part of a storage of {count:,} numbers; refused"
            )
        if elements > last + 1:  # the same numbers again and again, so that a small file gives large arrays
            raise ModelFileError(f"{self._path.name}: {name} repeats its numbers; refused")

        def read_bytes() -> bytes:
            content = self._read_storage(key, count * ELEMENT_BYTES[dtype])
            width = ELEMENT_BYTES[dtype]
            values = np.frombuffer(content, f"V{width}")[offset : offset + last + 1]
            byte_steps = tuple(step * width for step in steps)
            return np.lib.stride_tricks.as_strided(values, shape, byte_steps).tobytes() if elements else b""

        return Tensor(shape, dtype, read_bytes)

    def _storage(self, storage: Any, name: str) -> tuple[str, str, int]:
        """Return the type, the key and the number of elements of a storage."""
        key = storage.key if isinstance(storage, Persistent) else None
        if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage":
            raise ModelFileError(f"{self._path.name}: damaged: {name} has no storage")
        _, kind, member, _, count = key[:5]
        if not isinstance(kind, Global) or not isinstance(member, str) or type(count) is not int:
            raise ModelFileError(f"{self._path.name}: damaged: {name} has no valid storage")
        dtype = STORAGES.get(kind.name, str(kind)) if kind.module == "torch" else str(kind)
        info = self._members.get(f"{self._top}data/{member}")
        if info is None or count < 0 or info.file_size != count * ELEMENT_BYTES.get(dtype, 1):
            raise ModelFileError(f"{self._path.name}: damaged: the numbers of {name} are not in it")
        if info.compress_type != zipfile.ZIP_STORED:  # PyTorch writes none, and one could unpack to terabytes
            raise ModelFileError(f"{self._path.name}: its numbers are compressed; save it again with PyTorch")
        return dtype, member, count

    def _read_storage(self, key: str, size: int) -> bytes:
        location = f"{self._path.name}:data/{key}"
        with converted_errors(self._path):
            return unpack(self._zip_file, self._members[f"{self._top}data/{key}"], size, location)
