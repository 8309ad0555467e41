"""Manifests: files that list photographs, with their labels, so that no folder has to be searched."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import IO, Any

from ..errors import printable, requires
from .locations import is_remote, local_path, open_file
from .photographs import Photograph
from .url_schemes import scheme_of

#: Longer than any path or URL that a system takes. A file without line ends would otherwise be read whole.
MAX_LINE_BYTES = 1 << 16
#: Rows of a Parquet file that are in memory together.
BATCH_ROWS = 10_000

PATH, LABEL = "path", "label"  #: names of the columns


def read_manifest(location: str | os.PathLike[str]) -> Iterator[Photograph]:
    """Read a list of photographs, one at a time and in bounded memory.

    The suffix decides what the file is:

    - `.parquet`: a table with a column `path` and, optionally, `label`, both of texts;
    - `.csv`: the same, with a header;
    - anything else: a text with a path or URL in each line, optionally followed by a tab and a label.

    Texts are UTF-8, with or without a byte order mark, and lines end in LF or CRLF. Blank lines, and lines of
    the text that begin with "#", are passed over; write `./#1.jpg` for such a name. Further columns of tables
    are ignored. As for `tar -T` and `xargs`, relative paths are relative to the working directory. Each entry
    is one photograph: neither folders nor patterns are expanded, and what is listed twice is taken twice.

    A manifest behind a URL may come from a stranger: it names photographs behind URLs only, no local files.

    Args:
        location: The manifest: a local path or a URL.

    Yields:
        The photographs, with their labels ("" for none).

    Raises:
        FileNotFoundError: There is no such file.
        MissingPackageError: A Parquet file needs pyarrow, which is not installed.
        ValueError: The file is no manifest, or lists nothing; the message names the line or row.
    """
    name = os.fspath(location)
    suffix = os.path.splitext(name.lower())[1]
    readers = {".parquet": (_read_parquet, "row"), ".csv": (_read_csv, "line")}
    read, unit = readers.get(suffix, (_read_text, "line"))
    index = -1
    with open_file(location) as stream:
        try:
            for index, (number, path, label) in enumerate(read(stream)):
                source = check_entry(path, is_remote(location), number)
                yield Photograph(index, source, source, label)
        except ManifestError as error:
            where = f", {unit} {error.number}" if error.number else ""
            raise ValueError(printable(f"{name}{where}: {error}")) from None
    if index < 0:
        raise ValueError(f"{name}: lists no photographs")


class ManifestError(ValueError):
    """An entry of a manifest is wrong; `number` is its line or row, 0 for the whole file."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


def check_entry(path: str, is_manifest_remote: bool, number: int) -> str:
    """Return the path or URL of an entry, checked without opening it."""
    if not path:
        raise ManifestError("names no photograph; expected a path or URL", number)
    if is_remote(path):
        try:
            scheme_of(path)
        except ValueError as error:
            raise ManifestError(str(error), number) from None
        return path
    if is_manifest_remote:
        message = f"{path}: is a local file; a manifest behind a URL may name photographs behind URLs only"
        raise ManifestError(message, number)
    return local_path(path)


def _read_text(stream: IO[bytes]) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(read_lines(stream), 1):
        entry = line.rstrip("\r\n")
        if entry.strip() and not entry.startswith("#"):
            path, _, label = entry.partition("\t")
            if "\t" in label:
                raise ManifestError(
                    "has several tabs; expected a path, or a path, a tab, and a label", number
                )
            yield number, path, label


def _read_csv(stream: IO[bytes]) -> Iterator[tuple[int, str, str]]:
    rows = csv.reader(read_lines(stream), strict=True)
    try:
        header = next(rows, [])
        _check_columns(header)
        path_column = header.index(PATH)
        label_column = header.index(LABEL) if LABEL in header else None
        for row in rows:
            if row:
                if len(row) != len(header):
                    message = f"has {len(row)} columns, and the header {len(header)}"
                    raise ManifestError(message, rows.line_num)
                yield rows.line_num, row[path_column], "" if label_column is None else row[label_column]
    except csv.Error as error:
        raise ManifestError(f"is not CSV ({error})", rows.line_num) from None


def _read_parquet(stream: IO[bytes]) -> Iterator[tuple[int, str, str]]:
    with requires("reading .parquet", "pyarrow", "'xception[parquet]'"):
        import pyarrow
        from pyarrow import parquet
    try:
        # No pre_buffer: its threads read the Python stream, and may abort the process while Python ends.
        file = parquet.ParquetFile(stream, pre_buffer=False)
        _check_columns(file.schema_arrow.names)
        columns = [column for column in (PATH, LABEL) if column in file.schema_arrow.names]
        number = 0
        for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
            paths = batch.column(PATH).to_pylist()
            labels = batch.column(LABEL).to_pylist() if LABEL in columns else [None] * len(paths)
            for path, label in zip(paths, labels, strict=True):
                number += 1
                yield number, _text(path, PATH, number), _text("" if label is None else label, LABEL, number)
    except pyarrow.ArrowException as error:
        raise ManifestError(f"is no Parquet file, or damaged ({error})") from None


def _text(value: Any, column: str, number: int) -> str:
    if not isinstance(value, str):
        raise ManifestError(f"expected a text in the column {column!r}, got {value!r:.80}", number)
    return value


def _check_columns(names: list[str]) -> None:
    if names.count(PATH) != 1 or names.count(LABEL) > 1:
        listed = ", ".join(map(repr, names[:10])) or "none"
        raise ManifestError(f"expected the columns {PATH!r} and, optionally, {LABEL!r}; got {listed}")


def read_lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a text, with their ends."""
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES + 1), b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise ManifestError(
                f"is longer than {MAX_LINE_BYTES:,} bytes; is this a list of photographs?", number
            )
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ManifestError("is not UTF-8 text", number) from None
