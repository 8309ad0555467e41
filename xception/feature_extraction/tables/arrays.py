"""Features as NumPy's files: .npy and .npz."""

from __future__ import annotations

import os
import struct
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...console.csv_text import as_utf8
from ...kernels import Array
from .table import Table

TEXTS_AT_A_TIME = 256  #: each takes as much memory as the longest of all

#: Offset of the lengths of name and extra field in a zip member's local header, which has 30 bytes.
ZIP_LENGTHS_OFFSET = 26


def write_npy(path: Path, table: Table) -> None:
    """Write the features alone."""
    with path.open("wb") as stream:
        _write_array(stream, table)


def read_npy(path: Path, _columns: int, _is_labeled: bool) -> Array:
    """Return the features, mapped from the disk."""
    return np.load(path, mmap_mode="r")


def write_npz(path: Path, table: Table) -> None:
    """Write the arrays `paths`, `names`, `labels` if there are any, and `values`."""
    # Not compressed: features hardly shrink, and an uncompressed member can be mapped from the disk.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        texts = {"paths": table.paths, "names": table.names}
        if table.is_labeled:
            texts["labels"] = table.labels
        for name, values in texts.items():
            member = zipfile.ZipInfo(f"{name}.npy", time.localtime()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED  # as all are as long as the longest
            with archive.open(member, "w", force_zip64=True) as stream:
                _write_texts(stream, values)
        with archive.open("values.npy", "w", force_zip64=True) as stream:
            _write_array(stream, table)


def read_npz(path: Path, _columns: int, _is_labeled: bool) -> Array:
    """Return the features, mapped from the disk."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("values.npy")
    with path.open("rb") as stream:
        stream.seek(member.header_offset + ZIP_LENGTHS_OFFSET)
        name_length, extra_length = struct.unpack("<HH", stream.read(4))
        stream.seek(name_length + extra_length, os.SEEK_CUR)
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        return np.memmap(stream, dtype, "r", stream.tell(), shape)


def _write_texts(stream: Any, values: Sequence[str]) -> None:
    """Write an array of texts, some of them at a time."""
    texts = list(map(as_utf8, values))
    dtype = np.dtype(f"<U{max([1, *map(len, texts)])}")
    header = {"descr": dtype.str, "fortran_order": False, "shape": (len(texts),)}
    np.lib.format.write_array_header_1_0(stream, header)
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        stream.write(np.array(texts[start : start + TEXTS_AT_A_TIME], dtype).tobytes())


def _write_array(stream: Any, table: Table) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(table.paths), len(table.names))}
    np.lib.format.write_array_header_1_0(stream, header)
    for _, _, rows in table.chunks():
        stream.write(np.ascontiguousarray(rows, "<f4").tobytes())
