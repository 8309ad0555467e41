"""Stores of feature rows: on disk, where an interruption loses little, or in memory.

A store on disk is a folder with `rows.f32`, the numbers, and `photos.jsonl`, one line per row. Rows are
written first. After an interruption at any moment, the rows and lines that are complete in both files
are valid, and the rest is cut off.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from ..data.atomic import replace_file
from ..data.photographs import Photograph
from ..kernels import Array
from ..models.model import Model
from ..models.pretrained import cache_dir

SETTINGS, ROWS, PHOTOGRAPHS, LOCK = "settings.json", "rows.f32", "photos.jsonl", "lock"

#: Returns a text that identifies the photograph at a path and its content; None if there is no such file.
Identify = Callable[[str], str | None]


def fingerprint(model: Model, *settings: object) -> str:
    """Return a digest of a model's layers, wiring and weights, and of settings."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([str(setting) for setting in settings]).encode())
    for node in model.graph.nodes.values():
        digest.update(f"{node.name} {node.layer} {node.inputs}".encode())
        for array in model.parameters.get(node.name, {}).values():
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def identify_by_date(path: str) -> str | None:
    """Identify a photograph by its path, size and date, without reading it."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def identify_by_content(path: str) -> str | None:
    """Identify a photograph by its bytes, wherever the file is."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


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


class FeatureStore:
    """Rows in a folder on disk. Use it as a context manager.

    Photographs that are files are found again, also by a later process, unless they changed. Images in
    memory get a row, too, but are not found again.

    Args:
        folder: The folder, which is made if needed. One process at a time can use it.
        made_by: The `fingerprint` of what computes the rows. Rows with another one are deleted.
        identify: Returns what identifies the photograph at a path.

    Attributes:
        columns: Features per row; 0 before the first row.
        recovered: How many rows an earlier run left.
    """

    def __init__(self, folder: Path, made_by: str, identify: Identify = identify_by_date) -> None:
        self.folder, self.made_by = folder, made_by
        self._identify = functools.cache(identify)  # a file is identified before it is read, and only once
        self._numbers: dict[str, int] = {}  # {identity: row number}
        self._count = 0
        self.columns = self.recovered = 0

    def __enter__(self) -> FeatureStore:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("w")
        _lock_exclusively(self._lock, self.folder)
        if not self._read_settings():
            for name in (ROWS, PHOTOGRAPHS, SETTINGS):
                (self.folder / name).unlink(missing_ok=True)
        self._recover()
        self.recovered = self._count
        self._rows_file = (self.folder / ROWS).open("ab")
        self._photographs_file = (self.folder / PHOTOGRAPHS).open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._rows_file, self._photographs_file, self._lock):
            stream.close()

    def __len__(self) -> int:
        """The number of rows."""
        return self._count

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none, or the file has changed."""
        identity = self._identity(photograph)
        return None if identity is None else self._numbers.get(identity)

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Write the rows (n, columns) of n photographs; return their numbers."""
        if not photographs:
            return ()
        if not self.columns:
            self.columns = rows.shape[1]
            text = json.dumps({"made_by": self.made_by, "columns": self.columns})
            with replace_file(self.folder / SETTINGS) as temporary:
                temporary.write_text(text, "utf-8")
        self._rows_file.write(np.ascontiguousarray(rows, "<f4").data)
        _flush_to_disk(self._rows_file)
        start = self._count
        for photograph in photographs:
            identity = self._identity(photograph)
            if identity is not None:
                self._numbers[identity] = self._count
            self._count += 1
            print(json.dumps(identity), file=self._photographs_file)
        _flush_to_disk(self._photographs_file)
        return range(start, self._count)

    def rows(self) -> Array:
        """Return all rows (len(self), columns), float32, mapped from the disk."""
        if not self._count:
            return np.empty((0, self.columns), np.float32)
        return np.memmap(self.folder / ROWS, "<f4", "r", shape=(self._count, self.columns))

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        return np.asarray(self.rows()[list(numbers)])

    def remove(self) -> None:
        """Delete the folder."""
        self.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _identity(self, photograph: Photograph) -> str | None:
        return self._identify(photograph.source) if isinstance(photograph.source, str) else None

    def _read_settings(self) -> bool:
        """Return True if the folder holds rows that `made_by` computed."""
        try:
            settings = json.loads((self.folder / SETTINGS).read_text("utf-8"))
            self.columns = int(settings["columns"])
            is_ours = bool(settings["made_by"] == self.made_by) and self.columns > 0
        except (OSError, ValueError, LookupError, TypeError):
            is_ours = False
        if not is_ours:
            self.columns = 0
        return is_ours

    def _recover(self) -> None:
        """Read which rows are complete, and cut off the rest."""
        if not self.columns:
            return
        rows_path, lines_path = self.folder / ROWS, self.folder / PHOTOGRAPHS
        row_bytes = 4 * self.columns
        complete_rows = rows_path.stat().st_size // row_bytes if rows_path.exists() else 0
        lines = lines_path.read_bytes().split(b"\n")[:-1] if lines_path.exists() else []
        lines_bytes = 0
        for line in lines[:complete_rows]:
            try:
                identity = json.loads(line)
            except ValueError:
                break
            if identity is not None:
                self._numbers[str(identity)] = self._count
            self._count += 1
            lines_bytes += len(line) + 1
        for path, size in ((rows_path, self._count * row_bytes), (lines_path, lines_bytes)):
            if path.exists():
                os.truncate(path, size)


class CacheStore:
    """Rows of files in the cache folder, by their content; rows of all other images in memory.

    Use it as a context manager. The folder is not touched before the first photograph that is a file.
    Where it cannot be written, or another call is writing to it, a warning says so, and all rows are in
    memory.

    Args:
        made_by: The `fingerprint` of what computes the rows.
        columns: Features per row.
    """

    def __init__(self, made_by: str, columns: int) -> None:
        self._made_by, self._columns = made_by, columns
        self._memory = MemoryStore(columns)
        self._disk: FeatureStore | None = None
        self._is_opened = False

    def __enter__(self) -> CacheStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._disk is not None:
            self._disk.__exit__()

    @property
    def recovered(self) -> int:
        """How many rows earlier runs left."""
        return 0 if self._disk is None else self._disk.recovered

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none."""
        disk = self._open() if isinstance(photograph.source, str) else None
        return None if disk is None else disk.find(photograph)

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers, negative for memory."""
        is_cached = [
            self._disk is not None and isinstance(photograph.source, str) for photograph in photographs
        ]
        cached = [i for i, on_disk in enumerate(is_cached) if on_disk]
        others = [i for i, on_disk in enumerate(is_cached) if not on_disk]
        numbers = [~number for number in self._memory.add([photographs[i] for i in others], rows[others])]
        by_position = dict(zip(others, numbers, strict=True))
        if self._disk is not None:
            stored = self._disk.add([photographs[i] for i in cached], rows[cached])
            by_position.update(zip(cached, stored, strict=True))
        return [by_position[i] for i in range(len(photographs))]

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        values = np.empty((len(numbers), self._columns), np.float32)
        on_disk = [i for i, number in enumerate(numbers) if number >= 0]
        in_memory = [i for i, number in enumerate(numbers) if number < 0]
        values[in_memory] = self._memory.take([~numbers[i] for i in in_memory])
        if self._disk is not None:
            rows = self._disk.rows()
            for i in on_disk:
                values[i] = rows[numbers[i]]
        return values

    def _open(self) -> FeatureStore | None:
        if not self._is_opened:
            self._is_opened = True
            try:
                folder = cache_dir() / "features" / self._made_by
                self._disk = FeatureStore(folder, self._made_by, identify_by_content).__enter__()
            except OSError as error:  # it cannot be written, or another process is writing to it
                warnings.warn(f"features are not cached: {error}", stacklevel=2)
        return self._disk


def _lock_exclusively(stream: IO[Any], folder: Path) -> None:
    """Keep other processes out while the stream is open; the lock ends with this process."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing stops a second process
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        raise BlockingIOError(f"{folder}: another process or call is writing to this folder") from None


def _flush_to_disk(stream: IO[Any]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
