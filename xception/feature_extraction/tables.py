"""Files of features that other programs read: .npz, .npy, .csv, .parquet, .arff.

A file is written a chunk of rows at a time, and gets its name when it is complete. Names are text that
UTF-8 can hold: of other names, the bytes are escaped (`\\xff`). In text files control characters are, too.
"""

from __future__ import annotations

import csv
import io
import os
import re
import struct
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..console.csv_text import as_utf8, path_cell, text_cell, writable
from ..data.atomic import check_writable, replace_file
from ..data.photographs import Photograph
from ..errors import requires
from ..kernels import Array

CHUNK_ROWS = 256  #: rows in memory at a time: 2 MB of 2048 features

#: Of all paths or labels as an array, whose items all take as much as the longest, in a `.npz` file.
MAX_TEXT_ARRAY_BYTES = 256 << 20
#: How many times larger than its texts such an array may be: with ordinary names it is about 2.
MAX_PADDING = 8

ARFF_ESCAPES = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r", "\t": r"\t"})

#: Offset of the lengths of name and extra field in a zip member's local header, which has 30 bytes.
ZIP_LENGTHS_OFFSET = 26


@dataclass(frozen=True)
class Table:
    """Rows of features: `rows[order[i]]` belongs to `paths[i]`.

    Attributes:
        paths: (n,) the path of each photograph; "" for images that did not come from a file.
        labels: (n,) the label of each; "" for none.
        names: (d,) the name of each feature.
        rows: (any number, d) float32, perhaps on disk.
        order: (n,) the row of each photograph.
    """

    paths: Sequence[str]
    labels: Sequence[str]
    names: Sequence[str]
    rows: Array
    order: Sequence[int]

    @property
    def is_labeled(self) -> bool:
        """Whether any photograph has a label."""
        return any(self.labels)

    def chunks(self) -> Iterator[tuple[Sequence[str], Sequence[str], Array]]:
        """Yield the paths, labels and features (m, d) of m ≤ CHUNK_ROWS photographs at a time."""
        for start in range(0, len(self.paths), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            yield self.paths[part], self.labels[part], np.asarray(self.rows[list(self.order[part])])


def write_table(path: Path, table: Table) -> None:
    """Write a table, whole or not at all, in the format that the suffix names.

    A `.npy` file holds only numbers: paths and labels are written to a `.paths.csv` file beside it.

    Args:
        path: The file to write.
        table: The features.

    Raises:
        ValueError: The suffix names no format.
        MissingPackageError: pyarrow is needed but not installed.
        OSError: The file cannot be written.
    """
    check_format(path)
    with ExitStack() as files:  # all are complete before one gets its name
        FORMATS[path.suffix].write(files.enter_context(replace_file(path)), table)
        if path.suffix == ".npy":
            _write_paths(files.enter_context(replace_file(_paths_file(path))), table)


def read_values(path: Path, columns: int, is_labeled: bool) -> Array:
    """Return the features in a file that `write_table` wrote.

    Args:
        path: The file.
        columns: Features per row.
        is_labeled: Whether the table has labels.

    Returns:
        (n, columns) float32; of `.npz` and `.npy` mapped from the disk.
    """
    return np.asarray(FORMATS[path.suffix].read_values(path, columns, is_labeled))


def check_format(path: Path) -> None:
    """Raise ValueError for a suffix that names no format, or MissingPackageError."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name}: expected a name that ends in {', '.join(FORMATS)}")
    if path.suffix == ".parquet":
        _import_pyarrow()


def check_target(path: Path) -> None:
    """Raise an error, before any work, if no table can be written at a path."""
    check_writable(path)
    check_format(path)
    if path.suffix == ".npy":
        check_writable(_paths_file(path))


def checked_texts(path: Path, photographs: Iterable[Photograph]) -> Iterable[Photograph]:
    """Check whether the paths and labels of photographs fit into a table.

    Args:
        path: The file to write.
        photographs: The photographs. A sequence is checked now, others as they are taken.

    Returns:
        The same photographs.

    Raises:
        ValueError: In a `.npz` file, a few long names would make the array of all names huge.
    """
    if path.suffix != ".npz":
        return photographs
    if isinstance(photographs, Sequence):
        for _ in _checked(path, photographs):
            pass
        return photographs
    return _checked(path, photographs)


def _checked(path: Path, photographs: Iterable[Photograph]) -> Iterator[Photograph]:
    longest, totals = ["", ""], [0, 0]  # the longest text and the characters of all: of paths, of labels
    for count, photograph in enumerate(photographs, start=1):
        for i, text in enumerate((photograph.path or "", photograph.label)):
            totals[i] += len(text)
            if len(text) > len(longest[i]):
                longest[i] = text
            array_bytes = 4 * count * len(longest[i])
            if array_bytes > max(MAX_TEXT_ARRAY_BYTES, MAX_PADDING * 4 * totals[i]):
                raise ValueError(
                    f"{path.name}: the names of photographs would take {array_bytes >> 20:,} MiB in memory, "
                    f"as a .npz file gives each the length of the longest, {len(longest[i]):,} characters: "
                    f"{longest[i][:100]}…; write .csv, .npy or .parquet, or shorten that name"
                )
        yield photograph


def _paths_file(path: Path) -> Path:
    return path.with_suffix(".paths.csv")


# --- .npy and .npz --------------------------------------------------------------------------


def _write_npy(path: Path, table: Table) -> None:
    with path.open("wb") as stream:
        _write_array(stream, table)


def _write_paths(path: Path, table: Table) -> None:
    with _open_text(path) as stream:
        stream.write("path,label\n")
        for source, label in zip(table.paths, table.labels, strict=True):
            stream.write(f"{path_cell(source)},{text_cell(label)}\n")


def _read_npy(path: Path, _columns: int, _is_labelled: bool) -> Array:
    return np.load(path, mmap_mode="r")


def _write_npz(path: Path, table: Table) -> None:
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


def _write_texts(stream: Any, values: Sequence[str]) -> None:
    """Write an array of texts, a chunk of them at a time."""
    texts = list(map(as_utf8, values))
    dtype = np.dtype(f"<U{max([1, *map(len, texts)])}")
    header = {"descr": dtype.str, "fortran_order": False, "shape": (len(texts),)}
    np.lib.format.write_array_header_1_0(stream, header)
    for start in range(0, len(texts), CHUNK_ROWS):
        stream.write(np.array(texts[start : start + CHUNK_ROWS], dtype).tobytes())


def _read_npz(path: Path, _columns: int, _is_labelled: bool) -> Array:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("values.npy")
    with path.open("rb") as stream:
        stream.seek(member.header_offset + ZIP_LENGTHS_OFFSET)
        name_length, extra_length = struct.unpack("<HH", stream.read(4))
        stream.seek(name_length + extra_length, os.SEEK_CUR)
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        return np.memmap(stream, dtype, "r", stream.tell(), shape)


def _write_array(stream: Any, table: Table) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(table.paths), len(table.names))}
    np.lib.format.write_array_header_1_0(stream, header)
    for _, _, rows in table.chunks():
        stream.write(np.ascontiguousarray(rows, "<f4").tobytes())


# --- .csv -----------------------------------------------------------------------------------


def _write_csv(path: Path, table: Table) -> None:
    with _open_text(path) as stream:
        label_header = ["label"] if table.is_labeled else []
        stream.write(",".join(("path", *label_header, *map(text_cell, table.names))) + "\n")
        for paths, labels, rows in table.chunks():
            for source, label, row in zip(paths, labels, rows, strict=True):
                texts = (path_cell(source), *([text_cell(label)] if table.is_labeled else []))
                stream.write(",".join((*texts, *map(str, row))) + "\n")


def _read_csv(path: Path, columns: int, is_labeled: bool) -> Array:
    first = 1 + is_labeled
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        next(rows)
        return np.array([np.array(row[first : first + columns], np.float32) for row in rows])


# --- .arff ----------------------------------------------------------------------------------


def _write_arff(path: Path, table: Table) -> None:
    """Write what Weka reads. It expects the class as the last attribute, with its values in the header."""
    with _open_text(path) as stream:
        print("@relation features\n\n@attribute path string", file=stream)
        for name in table.names:
            print(f"@attribute {_quote(name)} numeric", file=stream)
        if table.is_labeled:
            print(f"@attribute class {{{','.join(map(_quote, sorted(set(table.labels))))}}}", file=stream)
        print("\n@data", file=stream)
        for paths, labels, rows in table.chunks():
            for source, label, row in zip(paths, labels, rows, strict=True):
                end = (_quote(label),) if table.is_labeled else ()
                print(",".join((_quote(source), *map(str, row), *end)), file=stream)


def _quote(text: str) -> str:
    text = writable(text)
    if re.fullmatch(r"\w[\w.-]*", text, re.ASCII):
        return text
    escaped = (
        text.replace("\\", "\\\\")
        .replace("'", "\\'")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
    )
    return f"'{escaped}'"


def _read_arff(path: Path, columns: int, _is_labelled: bool) -> Array:
    values = []
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            if line == "@data\n":
                break
        for line in stream:
            source = re.match(r"'(?:[^'\\]|\\.)*'|[^,]*", line)
            assert source is not None  # the pattern matches nothing, too
            numbers = line[source.end() + 1 :].split(",", columns)[:columns]
            values.append(np.array(numbers, np.float32))
    return np.array(values)


# --- .parquet -------------------------------------------------------------------------------


def _write_parquet(path: Path, table: Table) -> None:
    arrow, parquet = _import_pyarrow()
    text_columns = ["path", "label"] if table.is_labeled else ["path"]
    fields = [(name, arrow.string()) for name in text_columns]
    schema = arrow.schema([*fields, *((as_utf8(name), arrow.float32()) for name in table.names)])
    with parquet.ParquetWriter(path, schema) as writer:
        for paths, labels, rows in table.chunks():
            texts = [list(map(as_utf8, column)) for column in (paths, labels)][: len(text_columns)]
            writer.write_table(arrow.table([*texts, *rows.T], schema=schema))


def _read_parquet(path: Path, columns: int, is_labeled: bool) -> Array:
    _, parquet = _import_pyarrow()
    table = parquet.read_table(path)
    values = np.empty((table.num_rows, columns), np.float32)
    for column in range(columns):
        values[:, column] = table.column(1 + is_labeled + column).to_numpy()
    return values


def _import_pyarrow() -> tuple[Any, Any]:
    with requires("writing .parquet", "pyarrow", "'xception[parquet]'"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet


def _open_text(path: Path) -> io.TextIOWrapper:
    return path.open("w", newline="", encoding="utf-8")


class Format(NamedTuple):
    """How a format is written, and how its features are read again."""

    write: Callable[[Path, Table], None]
    read_values: Callable[[Path, int, bool], Array]


FORMATS: dict[str, Format] = {
    ".npz": Format(_write_npz, _read_npz),
    ".npy": Format(_write_npy, _read_npy),
    ".csv": Format(_write_csv, _read_csv),
    ".parquet": Format(_write_parquet, _read_parquet),
    ".arff": Format(_write_arff, _read_arff),
}
