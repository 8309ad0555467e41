"""Reader of `.npz` files with activations of another framework."""

from __future__ import annotations

import math
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np

from ..errors import ModelFileError
from ..formats.archives import converted_errors, open_zip
from ..kernels import Array
from ..limits import format_bytes, format_limit, get_limits


def read_reference(path: Path) -> dict[str, Array]:
    """Read the arrays of a `.npz` file.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: There is no such file.
        ModelFileError: It is damaged or hostile, or holds objects.
    """
    with open_zip(path) as zip_file, converted_errors(path):
        members = [info for info in zip_file.infolist() if info.filename.endswith(".npy")]
        needed, limit = sum(info.file_size for info in members), get_limits().max_memory_bytes
        if needed > limit:
            raise ModelFileError(
                f"{path.name}: holds {format_bytes(needed)}; the limit is {format_limit(limit)}"
            )
        if not members:
            raise ModelFileError(f"{path.name}: holds no arrays; expected a .npz file of numpy.savez")
        return {info.filename.removesuffix(".npy"): _read(zip_file, info, path) for info in members}


def _read(zip_file: ZipFile, info: ZipInfo, path: Path) -> Array:
    location = f"{path.name}: {info.filename}"
    with zip_file.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ModelFileError(f"{location}: is written in version {version}, which is not supported")
        shape, by_columns, dtype = read[version](stream)
        if dtype.hasobject or dtype.kind not in "fiu":
            raise ModelFileError(f"{location}: holds {dtype}, expected numbers")
        size = math.prod(shape) * dtype.itemsize
        if size > info.file_size:
            raise ModelFileError(f"{location}: is cut off")
        content = stream.read(size)
    if len(content) != size:
        raise ModelFileError(f"{location}: is cut off")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")
    return array.astype(np.float64 if dtype == np.float64 else np.float32)
