"""Byte sources of HDF5 files: a file, a byte range of one, or memory."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.regular_files import open_descriptor


@dataclass(frozen=True)
class Source:
    """Where the bytes of an HDF5 file are.

    Attributes:
        name: The file's name, for messages.
        path: The file, or the archive that contains it.
        start: Offset of the first byte in `path`.
        size: Number of bytes; None for all up to the end.
        content: The bytes themselves if they are in memory; else None.
    """

    name: str
    path: Path
    start: int = 0
    size: int | None = None
    content: bytes | None = None

    @property
    def length(self) -> int:
        """Number of bytes."""
        if self.content is not None:
            return len(self.content)
        return self.path.stat().st_size - self.start if self.size is None else self.size

    @property
    def is_whole_file(self) -> bool:
        """Whether these are all bytes of the file at `path`."""
        return self.content is None and not self.start and self.size is None

    def open(self) -> io.RawIOBase | io.BytesIO:
        """Open a stream of these bytes, and of no others."""
        return _RangeStream(self) if self.content is None else _MemoryStream(self)


class _MemoryStream(io.BytesIO):
    def __init__(self, source: Source) -> None:
        super().__init__(source.content or b"")
        self._name = source.name

    def __repr__(self) -> str:
        return self._name  # h5py takes it for the file's name


class _RangeStream(io.RawIOBase):
    """A byte range of a file, as a stream that begins at 0."""

    def __init__(self, source: Source) -> None:
        self._file = io.FileIO(source.path, opener=open_descriptor)
        whole = os.fstat(self._file.fileno()).st_size
        self._start = source.start
        self._size = max(0, min(whole - self._start, whole if source.size is None else source.size))
        self._position = 0
        self._name = source.name

    def __repr__(self) -> str:
        return self._name  # h5py takes it for the file's name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(view)
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
