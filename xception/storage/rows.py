"""Stores of rows: on disk, where an interruption loses little, or in memory.

A store on disk is a folder with `rows.f32`, the numbers, and `photos.jsonl`, one line per row. Rows are
written first. After an interruption at any moment, the rows and lines that are complete in both files
are valid, and the rest is cut off. Each line has a digest of its row, which is compared when the row is
used: a row that was damaged is computed again.

Rows are handed to the system at once, so a process that is killed loses none. They are not forced onto the
disk: that would take longer than computing small photographs. A power failure loses what the system had not
written yet, on Linux the last half minute.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np

from ..data.photographs import Photograph
from ..data.private_folders import PrivateFolder, lock
from ..kernels import Array
from .identity import Identify, Record, identify_by_content, identify_by_date, row_digest

SETTINGS, ROWS, PHOTOGRAPHS, LOCK = "settings.json", "rows.f32", "photos.jsonl", "lock"
UNFINISHED_SETTINGS = f"{SETTINGS}.part"
FORMAT = 2  #: of the folder; before it, rows had no digests


class RowStore(Protocol):
    """Rows of features, by number."""

    @property
    def recovered(self) -> int:
        """How many rows an earlier run left; they have the first numbers."""

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none."""

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers."""

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""


class MemoryStore:
    """Rows in memory.

    Args:
        columns: Features per row.
    """

    recovered = 0

    def __init__(self, columns: int) -> None:
        self._rows: list[Array] = []
        self._columns = columns

    def find(self, photograph: Photograph) -> None:
        """Return None: every photograph is computed."""

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers."""
        start = len(self._rows)
        self._rows.extend(rows)
        return range(start, len(self._rows))

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        values = np.empty((len(numbers), self._columns), np.float32)
        for position, number in enumerate(numbers):
            values[position] = self._rows[number]
        return values


class DiskStore:
    """Rows in a folder on disk. Use it as a context manager.

    Photographs that are files are found again, also by a later process, unless they changed. Images in
    memory get a row, too, but are not found again.

    Args:
        folder: The folder, which is made if needed. One process at a time can use it.
        made_by: The `fingerprint` of what computes the rows. Rows with another one are deleted.
        verify: Whether `find` compares the content of a photograph, and not only its path, size and date.
        read_content: Returns a digest of the content of a photograph whose row is not there.

    Attributes:
        folder: The folder.
        made_by: See the argument.
        columns: Features per row; 0 before the first row.
        recovered: How many rows an earlier run left.
    """

    def __init__(
        self,
        folder: Path,
        made_by: str,
        verify: bool = False,
        read_content: Identify = identify_by_content,
    ) -> None:
        self.folder, self.made_by = folder, made_by
        # A file is identified before it is read, and only once.
        self._identify = functools.cache(identify_by_date)
        self._verify, self._read_content = verify, read_content
        self._records: list[Record] = []  # by row number
        self._numbers: dict[str, int] = {}  # {identity: row number}
        self._contents: dict[str, str | None] = {}  # {path: digest} of photographs that are computed now
        self._has_warned = False
        self.columns = self.recovered = 0

    def __enter__(self) -> DiskStore:
        with ExitStack() as streams:
            private = self._private = streams.enter_context(PrivateFolder(self.folder))
            self._lock = streams.enter_context(private.open_file(LOCK, "ab"))
            try:
                lock(self._lock)
            except BlockingIOError:
                message = f"{self.folder}: another process or call is writing to this folder"
                raise BlockingIOError(message) from None
            if not self._read_settings():
                private.delete(ROWS, PHOTOGRAPHS, SETTINGS)
            self._rows_file = streams.enter_context(private.open_file(ROWS, "ab"))
            self._lines_file = streams.enter_context(private.open_file(PHOTOGRAPHS, "ab"))
            self._reader = streams.enter_context(private.open_file(ROWS, "rb"))
            self._recover()
            self.recovered = len(self)
            streams.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._rows_file, self._lines_file, self._reader, self._lock):
            stream.close()
        self._private.close()

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._records)

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row.

        None if there is none, the file has changed, or the row is damaged.
        """
        identity = self._identity(photograph)
        if identity is None:
            return None
        number = self._numbers.get(identity)
        if number is not None and not self._is_intact(number):
            self._warn_of_damage(f"such as those of {photograph.path}")
            number = None
        if number is not None and self._verify:
            content = identify_by_content(photograph.source)
            number = number if content == self._records[number].content else None
        if number is None:  # before the photograph is read
            self._contents[photograph.source] = self._read_content(photograph.source)
        return number

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Write the rows (n, columns) of n photographs; return their numbers."""
        if not photographs:
            return ()
        if not self.columns:
            self._write_settings(rows.shape[1])
        rows = np.ascontiguousarray(rows, "<f4")
        self._rows_file.write(rows.data)
        self._rows_file.flush()
        start = len(self)
        for photograph, row in zip(photographs, rows, strict=True):
            identity = self._identity(photograph)
            content = None if identity is None else self._contents.get(photograph.source)
            record = Record(identity, content, row_digest(self.made_by, identity, content, row))
            self._append(record)
            self._lines_file.write(record.to_line())
        self._lines_file.flush()
        for photograph in photographs:
            if isinstance(photograph.source, str):
                self._contents.pop(photograph.source, None)
        return range(start, len(self))

    def rows(self) -> Array:
        """Return all rows (len(self), columns), float32, mapped from the disk."""
        if not len(self):
            return np.empty((0, self.columns), np.float32)
        return np.memmap(self._reader, "<f4", "r", shape=(len(self), self.columns))

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        return np.asarray(self.rows()[list(numbers)])

    def remove(self) -> None:
        """Delete the folder."""
        for stream in (self._rows_file, self._lines_file, self._reader):
            stream.close()
        if os.name == "nt":  # which does not delete open files
            self._lock.close()
        others = [name for name in self._private.names() if name != LOCK]
        self._private.remove(*others, LOCK)
        self._lock.close()

    def _identity(self, photograph: Photograph) -> str | None:
        return self._identify(photograph.source) if isinstance(photograph.source, str) else None

    def _append(self, record: Record) -> None:
        if record.identity is not None:
            self._numbers[record.identity] = len(self)
        self._records.append(record)

    def _is_intact(self, number: int) -> bool:
        record, row_bytes = self._records[number], 4 * self.columns
        self._reader.seek(number * row_bytes)
        row = self._reader.read(row_bytes)
        if len(row) < row_bytes:
            return False
        values = np.frombuffer(row, "<f4")
        return row_digest(self.made_by, record.identity, record.content, values) == record.digest

    def _warn_of_damage(self, example: str) -> None:
        if not self._has_warned:
            message = f"{self.folder}: holds damaged rows, {example}; they are computed again"
            warnings.warn(message, stacklevel=3)
        self._has_warned = True

    def _read_settings(self) -> bool:
        """Return True if the folder holds rows that `made_by` computed."""
        try:
            with self._private.open_file(SETTINGS, "rb") as stream:
                settings = json.loads(stream.read())
            is_ours = settings["format"] == FORMAT and settings["made_by"] == self.made_by
            self.columns = int(settings["columns"]) if is_ours else 0
        except PermissionError:
            raise
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            self.columns = 0
        return self.columns > 0

    def _write_settings(self, columns: int) -> None:
        text = json.dumps({"format": FORMAT, "made_by": self.made_by, "columns": columns})
        self._private.delete(UNFINISHED_SETTINGS)
        with self._private.open_file(UNFINISHED_SETTINGS, "xb") as stream:
            stream.write(text.encode())
        self._private.rename(UNFINISHED_SETTINGS, SETTINGS)
        self.columns = columns

    def _recover(self) -> None:
        """Read which rows are complete, and cut off the rest."""
        row_bytes = 4 * self.columns
        complete_rows = os.fstat(self._rows_file.fileno()).st_size // row_bytes if row_bytes else 0
        with self._private.open_file(PHOTOGRAPHS, "rb") as stream:
            lines = stream.read().split(b"\n")[:-1][:complete_rows]
        for line in lines:
            try:
                self._append(Record.from_line(line))
            except (ValueError, RecursionError):
                self._append(Record(None, None, ""))
                self._warn_of_damage("whose photographs are not known")
        self._rows_file.truncate(len(self) * row_bytes)
        self._lines_file.truncate(sum(map(len, lines)) + len(lines))
