"""HDF5 files, read as what they are: data from a stranger.

Nothing here follows a link out of the file, reads data that is stored elsewhere, has HDF5 load a
library, or takes anything but text for a name.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from ...errors import ModelFileError
from .headers import ATTRIBUTE_TABLE, LINK_TABLE, Heaps, UnreadableError, has_packed_tables, texts

File: TypeAlias = "h5py.File"
Group: TypeAlias = "h5py.Group"

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_LINKS = 200_000  #: looked at while a file is read: with links in circles there is no end to them
MOST_READ = 64 << 20  #: bytes of texts in one file: many may be one and the same
MOST_TEXT = 16 << 20  #: bytes, in one attribute; the description of Xception has 120 kB
DEEPEST = 32  #: groups within groups, in one path
LONGEST_PLACE = 300  #: letters, in messages


@dataclass(frozen=True)
class Source:
    """Where an HDF5 file lies: a file of its own, a part of another, or in memory."""

    name: str  #: for messages
    path: Path
    start: int = 0
    size: int | None = None  #: of the part; None: to the end
    content: bytes | None = None

    @property
    def length(self) -> int:
        """In bytes."""
        if self.content is not None:
            return len(self.content)
        return self.path.stat().st_size - self.start if self.size is None else self.size

    def open(self) -> io.RawIOBase | io.BytesIO:
        """A stream of just these bytes."""
        if self.content is not None:
            return _InMemory(self)
        return _Part(self)


class _InMemory(io.BytesIO):
    """Bytes that bear a name, which h5py takes for the file's."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.content or b"")
        self._name = source.name

    def __repr__(self) -> str:
        return self._name


class _Part(io.RawIOBase):
    """A run of bytes in a file, as a stream of its own."""

    def __init__(self, source: Source) -> None:
        self._file = source.path.open("rb", buffering=0)
        whole = os.fstat(self._file.fileno()).st_size
        self._start = source.start
        self._size = max(0, min(whole - self._start, whole if source.size is None else source.size))
        self._position = 0
        self._name = source.name

    def __repr__(self) -> str:
        return self._name  # which h5py takes for the file's name

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


@contextlib.contextmanager
def open_source(source: Source) -> Iterator[File]:
    """An HDF5 file for reading; whatever is wrong with it comes as one clear error."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_without_plugins())
        stream = stack.enter_context(source.open())
        start = stream.read(64) or b""
        if not start.startswith(SIGNATURE):
            raise ModelFileError(f"{source.name}: is not an HDF5 file but {_describe(start)}")
        try:
            whole = source.content is None and not source.start and source.size is None
            file = stack.enter_context(h5py.File(source.path if whole else stream, "r"))
            file.reading = _Reading(stream)
            _check_tables(file)
            yield file
        except ModelFileError:
            raise
        except (
            OSError,
            RuntimeError,
            LookupError,
            ValueError,
            TypeError,
            MemoryError,
            OverflowError,
        ) as error:
            # All these are how h5py reports a broken file.
            raise ModelFileError(
                f"{source.name}: a damaged or incomplete HDF5 file; fetch or copy it again ({error})"
            ) from error


_plugins = threading.Lock()
_plugin_folders: list[bytes] = []  #: that HDF5 does not look into for now
_files_open = 0


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """HDF5 finds no filters on the disk. A file that names one it does not know, be it in the tables
    of a group, would have it load every library in its folders."""
    global _files_open
    with _plugins:
        if not _files_open:
            _plugin_folders[:] = [h5py.h5pl.get(i) for i in range(h5py.h5pl.size())]
            for _ in _plugin_folders:
                h5py.h5pl.remove(0)
        _files_open += 1
    try:
        yield
    finally:
        with _plugins:
            _files_open -= 1
            if not _files_open:
                for folder in _plugin_folders:
                    h5py.h5pl.append(folder)


def check_file(path: Path) -> None:
    """Raise OSError, in plain words, where there is no file to read."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a file (.keras or .h5)")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")


@contextlib.contextmanager
def create(path: Path) -> Iterator[File]:
    """An HDF5 file for writing."""
    with h5py.File(path, "w") as file:
        yield file


def group(parent: Group, name: str) -> Group:
    """The group at `name` below `parent`."""
    found = follow(parent, name)
    if not isinstance(found, h5py.h5g.GroupID):
        raise ModelFileError(f"{place(parent, name)}: expected a group")
    inner = h5py.Group(found)
    inner.reading = getattr(parent, "reading", None)
    _check_tables(inner)
    look(inner, found.get_num_objs())
    return inner


def entries(holder: Group | None) -> list[str]:
    """The names of what is in a group."""
    # h5py gives those that are not UTF-8 as bytes.
    return [x.decode("utf-8", "surrogateescape") if isinstance(x, bytes) else x for x in holder or ()]


def _check_tables(holder: Group) -> None:
    """Raise ModelFileError for tables of links or attributes of which HDF5 may unpack any amount."""
    info, reading = h5py.h5o.get_info(holder.id), getattr(holder, "reading", None)
    if reading is None or not info.hdr.mesg.present & (1 << LINK_TABLE | 1 << ATTRIBUTE_TABLE):
        return
    try:
        packed = has_packed_tables(reading.read, info.addr)
    except UnreadableError as error:
        raise ModelFileError(f"{place(holder)}: {error}") from None
    if packed:
        raise ModelFileError(f"{place(holder)}: its entries are compressed; refused")


def names(holder: Group, attribute: str) -> list[str]:
    """A list of names kept as an attribute; Keras splits long ones: name0, name1, …"""
    if attribute in holder.attrs:
        return _texts(holder, attribute)
    found: list[str] = []
    part = 0
    while f"{attribute}{part}" in holder.attrs:
        found += _texts(holder, f"{attribute}{part}")
        part += 1
    if not part:
        raise ModelFileError(f"{place(holder)}: the attribute {attribute!r} is missing")
    return found


def has_names(holder: Group, attribute: str) -> bool:
    return attribute in holder.attrs or f"{attribute}0" in holder.attrs


def follow(parent: Group, name: str) -> Any:
    """What is at `name` below `parent`, as h5py's low-level object. No link leads elsewhere."""
    parts = name.split("/")
    if len(parts) > DEEPEST:
        raise ModelFileError(f"{place(parent, name)}: is more than {DEEPEST} groups deep")
    look(parent, len(parts))
    for path in accumulate(parts, "{}/{}".format):  # every link on the way
        try:
            if not path or "\0" in path:  # which would end it
                raise KeyError(path)
            link = parent.id.links.get_info(_encoded(path))
        except (KeyError, RuntimeError, ValueError):
            raise ModelFileError(f"{place(parent, name)}: is announced, but missing") from None
        if link.type != h5py.h5l.TYPE_HARD:
            raise ModelFileError(f"{place(parent, name)}: is a link to elsewhere; refused")
    return h5py.h5o.open(parent.id, _encoded(name))


@dataclass
class _Reading:
    """What goes with a file, while it is read, to all groups in it."""

    stream: Any  #: of its bytes
    bytes_read: int = 0  #: of texts, and on the way to them
    links: int = 0  #: that were looked at
    heaps: Heaps = field(default_factory=dict)  #: of texts

    def read(self, place: int, size: int) -> bytes:
        self.bytes_read += size
        if self.bytes_read > MOST_READ:
            raise UnreadableError("leads to too much text; refused")
        self.stream.seek(place)
        return self.stream.read(size)


def look(holder: Group, links: int) -> None:
    """Count the links that are looked at, and refuse to look at them for ever."""
    reading = getattr(holder, "reading", None)
    if reading is not None:
        reading.links += links
        if reading.links > MOST_LINKS:
            raise ModelFileError(f"{place(holder)}: leads to more than {MOST_LINKS:,} links; refused")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # as h5py decodes names


def text(holder: Group, attribute: str) -> str:
    """An attribute that holds one text."""
    return "".join(_texts(holder, attribute))


def _texts(holder: Group, attribute: str) -> list[str]:
    found = holder.attrs.get_id(attribute)
    kind, shape, reading = found.get_type(), found.shape, getattr(holder, "reading", None)
    is_text = isinstance(kind, h5py.h5t.TypeStringID)
    if shape is None or len(shape) > 1 or not (is_text or shape == (0,)):
        raise ModelFileError(f"{place(holder)}: the attribute {attribute!r} should hold text")
    try:
        if shape == (0,):
            values = []
        elif is_text and kind.is_variable_str() and reading is not None:
            address = h5py.h5o.get_info(holder.id).addr
            values = texts(reading.read, reading.heaps, address, attribute, math.prod(shape), MOST_TEXT)
        else:
            values = np.atleast_1d(holder.attrs[attribute]).tolist()
        return [(value if isinstance(value, bytes) else _encoded(value)).decode() for value in values]
    except UnreadableError as error:
        raise ModelFileError(f"{place(holder)}: the attribute {attribute!r} {error}") from None
    except UnicodeDecodeError:
        raise ModelFileError(f"{place(holder)}: the attribute {attribute!r} is not UTF-8") from None


def place(holder: Group, name: str = "") -> str:
    """Where something is, for messages: the file, and the path inside."""
    inside = "/".join(part for part in (holder.name.strip("/"), name) if part)
    if len(inside) > LONGEST_PLACE:
        inside = f"{inside[: LONGEST_PLACE // 2]}…{inside[-LONGEST_PLACE // 2 :]}"
    file = Path(holder.file.filename).name
    return f"{file}, {inside!r}" if inside else file


def _describe(start: bytes) -> str:
    """What a file that is not HDF5 seems to be, by its first bytes."""
    text = start.lstrip().lower()
    if not start:
        return "an empty one"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, probably the answer to a download that failed"
    if start.startswith(b"PK"):
        return "a zip archive"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    return f"something else; it begins with {start[:8]!r}"
