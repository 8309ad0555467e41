"""Tables of values by key, in segments of files that processes share.

A table is a folder. Each of its segments is two files: `NAME.rows`, values of one size, and `NAME.index`, the
key and a digest of each value. A process appends to one segment until it is full. Other processes append to
other segments, so none of them waits. When the cache is full, whole segments are deleted: their size bounds
what is lost at once, and a table may be larger than the cache.

Locks tell which segments are in use. A process that has used a value holds a shared lock on `NAME.rows`; one
that deletes the segment needs an exclusive lock. A process that appends locks `NAME.index`. A value is
written before its index entry, and counts if both are complete. Its digest is compared at each use.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import os
import uuid
from collections.abc import Sequence
from typing import IO, Protocol

import numpy as np

from ..data.private_folders import PrivateFolder, lock
from .identity import ROW_DIGEST_BYTES

KEY_BYTES = 32
ENTRY_BYTES = KEY_BYTES + ROW_DIGEST_BYTES  #: of the index
ROWS_SUFFIX, INDEX_SUFFIX = ".rows", ".index"

#: Segments that fill the cache. With fewer, more is lost at once; each that is in use is an open file, and
#: macOS allows 256.
SEGMENTS_PER_CACHE = 64


class Space(Protocol):
    """Disk space that segments reserve before they grow; see `budget.Budget`."""

    max_bytes: int

    def reserve(self, size: int) -> None:
        """Reserve a number of bytes, or raise OSError."""


class Segment:
    """Values that were written one after the other.

    Args:
        folder: The folder of the table.
        name: The name of both files, without suffix.
        value_bytes: The size of a value.

    Attributes:
        name: See the argument.
        length: How many values it has.
    """

    def __init__(self, folder: PrivateFolder, name: str, value_bytes: int) -> None:
        self._folder, self.name, self._value_bytes = folder, name, value_bytes
        self._reader: IO[bytes] | None = None
        self._rows: IO[bytes] | None = None
        self._index: IO[bytes] | None = None
        self.length = 0

    def load(self) -> bytes:
        """Read the index: the entries that are complete."""
        with self._folder.open_file(self.name + INDEX_SUFFIX, "rb") as stream:
            entries = stream.read()
        rows_bytes = self._folder.status(self.name + ROWS_SUFFIX).st_size
        self.length = min(len(entries) // ENTRY_BYTES, rows_bytes // self._value_bytes)
        return entries[: self.length * ENTRY_BYTES]

    def use(self) -> bool:
        """Keep the segment from being deleted until it is closed; return False if it is gone already."""
        if self._reader is None:
            try:
                stream = self._folder.open_file(self.name + ROWS_SUFFIX, "rb")
            except FileNotFoundError:
                return False
            try:
                lock(stream, is_shared=True)
                is_there = _is_linked(stream)
            except BlockingIOError:  # it is being deleted
                is_there = False
            if not is_there:
                stream.close()
                return False
            self._reader = stream
            self._folder.touch(self.name + ROWS_SUFFIX)
        return True

    def read(self, row: int) -> bytes:
        """Return a value of a segment that is in use; less than that if it was cut off."""
        assert self._reader is not None
        self._reader.seek(row * self._value_bytes)
        return self._reader.read(self._value_bytes)

    def begin(self, mode: str) -> bool:
        """Open it for appending.

        Args:
            mode: "xb" for a new segment, "r+b" for one that exists.

        Returns:
            False if another process appends to it, or deletes it.
        """
        with contextlib.ExitStack() as streams:
            try:
                rows = streams.enter_context(self._folder.open_file(self.name + ROWS_SUFFIX, mode))
                index = streams.enter_context(self._folder.open_file(self.name + INDEX_SUFFIX, mode))
                lock(index)
            except (FileNotFoundError, BlockingIOError):
                return False
            if not (self.use() and _is_linked(index)):
                return False
            entries = os.fstat(index.fileno()).st_size // ENTRY_BYTES
            self.length = min(entries, os.fstat(rows.fileno()).st_size // self._value_bytes)
            self._rows, self._index = rows, index
            streams.pop_all()
        return True

    def append(self, entry: bytes, value: bytes) -> int:
        """Write a value and its entry after `begin`; return its row."""
        assert self._rows is not None
        assert self._index is not None
        row = self.length
        for stream, data in ((self._rows, value), (self._index, entry)):
            # What an interruption or a full disk has left after the last row is overwritten.
            stream.seek(row * len(data))
            stream.write(data)
            stream.flush()
        self.length += 1
        return row

    def end(self) -> None:
        """Let others append to it."""
        for stream in (self._rows, self._index):
            if stream is not None:
                with contextlib.suppress(OSError):  # what a full disk did not take
                    stream.close()
        self._rows = self._index = None

    def close(self) -> None:
        """Let others append to it and delete it."""
        self.end()
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class SegmentedTable:
    """Values by key. What other processes add after it was opened is not seen.

    Args:
        folder: Its folder, which is closed with it.
        salt: What made the values; it is part of their digests.
        value_bytes: The size of a value.
        space: Reserved before a value is written.

    Attributes:
        recovered: How many values there were before; they have the first numbers.
        is_damaged: Whether a damaged value was met.
    """

    def __init__(self, folder: PrivateFolder, salt: str, value_bytes: int, space: Space) -> None:
        self._folder, self._value_bytes, self._space = folder, value_bytes, space
        self._salted = hashlib.blake2b(salt.encode(), digest_size=ROW_DIGEST_BYTES)
        self._capacity = max(1, space.max_bytes // SEGMENTS_PER_CACHE // (value_bytes + ENTRY_BYTES))
        self.is_damaged = False
        folder.lock(is_shared=True)  # so that it is not removed while it is empty
        self._segments: list[Segment] = []
        self._writing: Segment | None = None
        self._load()
        self._added: list[tuple[Segment, int]] = []
        self._numbers: dict[bytes, int] = {}  # of the values that were added

    def _load(self) -> None:
        starts, entries = [0], []
        for name in sorted(self._folder.names()):
            if name.endswith(INDEX_SUFFIX):
                segment = Segment(self._folder, name.removesuffix(INDEX_SUFFIX), self._value_bytes)
                with contextlib.suppress(FileNotFoundError):  # it is being deleted
                    entries.append(segment.load())
                    self._segments.append(segment)
                    starts.append(starts[-1] + segment.length)
        self._starts, self.recovered = starts, starts[-1]
        self._entries = np.frombuffer(b"".join(entries), np.uint8).reshape(-1, ENTRY_BYTES)  # (n, 48)
        # The first eight bytes of keys, sorted, find candidates quickly and with little memory.
        heads = np.ascontiguousarray(self._entries[:, :8]).view("<u8").ravel()
        self._order = np.argsort(heads)
        self._heads = heads[self._order]

    def find(self, key: bytes) -> int | None:
        """Return the number of an intact value, which is then in use until the table is closed."""
        number = self._numbers.get(key)
        if number is not None:
            return number
        head = np.frombuffer(key, "<u8", 1)[0]
        is_damaged = False
        for position in range(int(np.searchsorted(self._heads, head)), len(self._heads)):
            if self._heads[position] != head:
                break
            number = int(self._order[position])
            entry = self._entries[number].tobytes()
            segment, row = self._locate(number)
            if entry[:KEY_BYTES] == key and segment.use():
                if self._digest(key, segment.read(row)) == entry[KEY_BYTES:]:
                    return number
                is_damaged = True
        self.is_damaged |= is_damaged
        return None

    def read(self, number: int) -> bytes:
        """Return the value of a number that `find` or `add` has returned."""
        segment, row = self._locate(number)
        return segment.read(row)

    def add(self, keys: Sequence[bytes], values: Sequence[bytes]) -> list[int]:
        """Write values, each after its key; return their numbers."""
        numbers = []
        for key, value in zip(keys, values, strict=True):
            self._space.reserve(len(value) + ENTRY_BYTES)
            segment = self._writable()
            row = segment.append(key + self._digest(key, value), value)
            self._numbers[key] = self.recovered + len(self._added)
            self._added.append((segment, row))
            numbers.append(self._numbers[key])
        return numbers

    def close(self) -> None:
        """Close all files. It may be closed twice."""
        for segment in self._segments:
            segment.close()
        self._folder.close()

    def _locate(self, number: int) -> tuple[Segment, int]:
        """Return the segment of a value, and its row there."""
        if number >= self.recovered:
            return self._added[number - self.recovered]
        position = bisect.bisect(self._starts, number) - 1
        return self._segments[position], number - self._starts[position]

    def _digest(self, key: bytes, value: bytes) -> bytes:
        digest = self._salted.copy()
        digest.update(key)
        digest.update(value)
        return digest.digest()

    def _writable(self) -> Segment:
        """Return a segment with free space: the current one, one that no process appends to, or a new one."""
        if self._writing is not None:
            if self._writing.length < self._capacity:
                return self._writing
            self._writing.end()
            self._writing = None
        for segment in self._segments:
            if segment.length < self._capacity and segment.begin("r+b"):
                if segment.length < self._capacity:
                    self._writing = segment
                    return segment
                segment.end()
        self._writing = Segment(self._folder, uuid.uuid4().hex[:16], self._value_bytes)
        if not self._writing.begin("xb"):
            self._writing = None
            raise OSError(f"{self._folder.path}: a new file was deleted by another process")
        self._segments.append(self._writing)
        return self._writing


def _is_linked(stream: IO[bytes]) -> bool:
    """Return False if the file was deleted after it was opened. Windows does not delete open files."""
    return os.fstat(stream.fileno()).st_nlink > 0
