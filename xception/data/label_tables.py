"""Label tables: CSV files with photographs, and the labels or targets of each."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import printable
from .class_names import as_class_names, check_printable
from .locations import is_remote, join, open_file
from .manifests import ManifestError, check_entry, read_lines

#: The tasks whose labels are tables; a class for each photograph is the name of its folder.
TableTask = Literal["labels", "regression"]

MAX_LISTED = 10  #: columns that an error message lists


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Photographs, and the labels or targets of each.

    Attributes:
        paths: (n,) the photographs' paths or URLs, each once.
        names: (c,) the names of the labels or targets.
        values: (n, c) float64: 0 or 1 for labels, any finite numbers for targets.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"<LabelTable: {len(self.paths)} photographs, {', '.join(self.names[:MAX_LISTED])}>"


def read_label_table(
    location: str | os.PathLike[str], task: TableTask, root: str | os.PathLike[str] | None = None
) -> LabelTable:
    """Read the labels or targets of photographs from a CSV file.

    The file is UTF-8, with commas and a header. The first column holds the photographs, whatever its name;
    every further column is a label, with 0 or 1 in each row, or a target, with a number. No cell may be
    empty, no photograph listed twice. As in a manifest, a file behind a URL names photographs behind URLs
    only, unless `root` says where they are.

    Args:
        location: The file: a local path or a URL.
        task: What the columns are.
        root: The folder or URL that relative paths begin at; the working directory by default.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no such table; the message names the line and column.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"
        >>> _ = path.write_text("photograph,beach,dog\\na.jpg,1,0\\nb.jpg,1,1\\n")
        >>> table = read_label_table(path, "labels", root="photos")
        >>> table.names, table.values.tolist()
        (('beach', 'dog'), [[1.0, 0.0], [1.0, 1.0]])
    """
    name = os.fspath(location)
    paths: dict[str, int] = {}  # and the line of each
    values: list[list[float]] = []
    with open_file(location) as stream:
        try:
            rows = _read_rows(read_lines(stream))
            _, header = next(rows)
            for number, row in rows:
                path = _locate(row[0], root, is_remote(location), number)
                if path in paths:
                    raise ManifestError(f"lists {row[0]} again; it was in line {paths[path]}", number)
                paths[path] = number
                cells = zip(header[1:], row[1:], strict=True)
                values.append([_parse(cell, column, task, number) for column, cell in cells])
        except ManifestError as error:
            where = f", line {error.number}" if error.number else ""
            raise ValueError(printable(f"{name}{where}: {error}")) from None
    if not values:
        raise ValueError(f"{name}: lists no photographs")
    return LabelTable(tuple(paths), tuple(header[1:]), np.array(values, np.float64))


def _read_rows(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the header and of each row that is not blank, of as many cells as the header."""
    rows = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(rows, [])]
        _check_header(header)
        yield 1, header
        for row in rows:
            if row:
                if len(row) != len(header):
                    message = f"has {len(row)} columns, and the header {len(header)}"
                    raise ManifestError(message, rows.line_num)
                yield rows.line_num, row
    except csv.Error as error:
        raise ManifestError(f"is not CSV ({error})", rows.line_num) from None


def _check_header(header: Sequence[str]) -> None:
    listed = ", ".join(map(repr, header[:MAX_LISTED])) or "nothing"
    if len(header) < 2:
        hint = "; columns are separated by commas" if any(mark in listed for mark in (";", "\\t")) else ""
        raise ManifestError(
            f"expected a header with a column of photographs, and one for each label or target; got {listed}"
            f"{hint}", 1,
        )  # fmt: skip
    names = header[1:]
    if any(_is_number(name) for name in names):
        raise ManifestError(f"expected a header with the names of the columns, got {listed}", 1)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not all(names) or doubled:
        fault = f"{doubled[0]!r} twice" if doubled else "a column without a name"
        raise ManifestError(f"expected a different name for each column, got {fault}", 1)
    try:
        check_printable(as_class_names(names))  # a model is saved with them
    except ValueError as error:
        raise ManifestError(str(error), 1) from None


def _locate(path: str, root: str | os.PathLike[str] | None, is_table_remote: bool, number: int) -> str:
    if root is None or not path or is_remote(path):
        return check_entry(path, is_table_remote, number)
    if is_table_remote and (os.path.isabs(path) or ".." in path.replace("\\", "/").split("/")):
        message = (
            f"{path}: leads out of {os.fspath(root)}; a table behind a URL may name its photographs only"
        )
        raise ManifestError(message, number)
    return path if os.path.isabs(path) else join(os.fspath(root), path)


def _parse(cell: str, column: str, task: TableTask, number: int) -> float:
    expected = "0 or 1" if task == "labels" else "a finite number"
    value = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(value) or (task == "labels" and value not in (0, 1)):
        got = repr(cell[:80]) if cell.strip() else "an empty cell"
        raise ManifestError(f"expected {expected} in the column {column!r}, got {got}", number)
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000 as a number
