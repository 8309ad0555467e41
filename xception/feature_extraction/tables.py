"""Features as files that other programs read: .npz, .npy, .csv, .parquet, .arff.

Each is written a chunk of rows at a time, and takes its name when it is whole.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.atomic import replace_file
from ..data.photographs import Photograph
from ..kernels import Array

CHUNK = 256  #: rows in memory at a time


@dataclass(frozen=True)
class Table:
    """Rows of features: `rows[order[i]]` are those of `photos[i]`."""

    photos: Sequence[Photograph]
    rows: Array  #: (anything, columns) float32, on disk perhaps
    order: Sequence[int]
    names: Sequence[str]  #: of the columns

    @property
    def labelled(self) -> bool:
        return any(photo.label for photo in self.photos)

    def chunks(self) -> Iterator[tuple[Sequence[Photograph], Array]]:
        for start in range(0, len(self.photos), CHUNK):
            part = slice(start, start + CHUNK)
            yield self.photos[part], np.asarray(self.rows[list(self.order[part])])


def write(path: Path, table: Table) -> None:
    """Write a table in the format that the name's ending says."""
    check(path)
    with replace_file(path) as unfinished:
        FORMATS[path.suffix](unfinished, table)
    if path.suffix == ".npy":
        # The numbers alone: whose they are stands beside them.
        with replace_file(path.with_suffix(".photos.csv")) as unfinished, _text(unfinished) as stream:
            csv.writer(stream, lineterminator="\n").writerows([("photo", "label"), *table.photos])


def check(path: Path) -> None:
    """Raise ValueError for a name whose ending says no format, or one that cannot be written here."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name}: expected a name that ends in {', '.join(FORMATS)}")
    if path.suffix == ".parquet":
        _pyarrow()


def _npy(path: Path, table: Table) -> None:
    with path.open("wb") as stream:
        _write_array(stream, table)


def _npz(path: Path, table: Table) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        columns: dict[str, Any] = {"names": [photo.path for photo in table.photos]}
        if table.labelled:
            columns["labels"] = [photo.label for photo in table.photos]
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, np.array(values), allow_pickle=False)
        with archive.open("features.npy", "w", force_zip64=True) as stream:
            _write_array(stream, table)


def _write_array(stream: Any, table: Table) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(table.photos), len(table.names))}
    np.lib.format.write_array_header_1_0(stream, header)
    for _, rows in table.chunks():
        stream.write(np.ascontiguousarray(rows, "<f4").tobytes())


def _csv(path: Path, table: Table) -> None:
    before = ("photo", "label") if table.labelled else ("photo",)
    with _text(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((*before, *table.names))
        for photos, rows in table.chunks():
            for photo, row in zip(photos, rows, strict=True):
                writer.writerow((*photo[: len(before)], *map(str, row)))


def _arff(path: Path, table: Table) -> None:
    """What Weka reads. Classes are listed in its header, and stand last, where Weka looks for them."""
    with _text(path) as stream:
        print("@relation features\n\n@attribute photo string", file=stream)
        for name in table.names:
            print(f"@attribute {_quoted(name)} numeric", file=stream)
        if table.labelled:
            classes = ",".join(_quoted(label) for label in sorted({photo.label for photo in table.photos}))
            print(f"@attribute class {{{classes}}}", file=stream)
        print("\n@data", file=stream)
        for photos, rows in table.chunks():
            for photo, row in zip(photos, rows, strict=True):
                end = (_quoted(photo.label),) if table.labelled else ()
                print(",".join((_quoted(photo.path), *map(str, row), *end)), file=stream)


def _quoted(text: str) -> str:
    if re.fullmatch(r"\w[\w.-]*", text, re.ASCII):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _parquet(path: Path, table: Table) -> None:
    arrow, parquet = _pyarrow()
    fields = [("photo", arrow.string())]
    if table.labelled:
        fields.append(("label", arrow.string()))
    schema = arrow.schema([*fields, *((name, arrow.float32()) for name in table.names)])
    with parquet.ParquetWriter(path, schema) as writer:
        for photos, rows in table.chunks():
            texts = [list(column) for column in zip(*photos, strict=True)][: len(fields)]
            writer.write_table(arrow.table([*texts, *rows.T], schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("writing .parquet needs pyarrow: pip install 'xception[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _text(path: Path) -> io.TextIOWrapper:
    return path.open("w", newline="", encoding="utf-8", errors="backslashreplace")


FORMATS: dict[str, Callable[[Path, Table], None]] = {
    ".npz": _npz, ".npy": _npy, ".csv": _csv, ".parquet": _parquet, ".arff": _arff,
}  # fmt: skip
