"""Safe access to HDF5 files: groups and links.

No link out of the file is followed, HDF5 is kept from loading plugin libraries, and names must be text.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import h5py

from ...errors import ModelFileError, XceptionError
from ...locks import OwnedLock
from ..limits import MAX_CHUNKS, MAX_LINKS, MAX_LOCATION_CHARACTERS, MAX_PATH_DEPTH, MAX_TEXTS_READ_BYTES
from . import headers
from .exiting import using_file
from .headers import HeaderError
from .source import Source
from .tables import check_object

File: TypeAlias = "h5py.File"
Group: TypeAlias = "h5py.Group"

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PAGE_BYTES = 1 << 12  #: headers lie close together: several are read at once
MIN_READ_BYTES = 64  #: that reading a few bytes counts for


# --- files ----------------------------------------------------------------------------------


@contextlib.contextmanager
def open_file(source: Source, first: File | None = None) -> Iterator[File]:
    """Open an HDF5 file for reading.

    Args:
        source: Where its bytes are.
        first: Another open file, with which this one shares its limits.

    Yields:
        The file.

    Raises:
        ModelFileError: The file is not HDF5, or is damaged. Errors that h5py raises later, inside the
            `with` block, become a ModelFileError too.
    """
    with using_file(), _without_plugins(), source.open() as stream:
        try:
            start = stream.read(headers.SUPERBLOCK_BYTES) or b""
            if not start.startswith(SIGNATURE):
                raise ModelFileError(f"{source.name}: is not an HDF5 file but {_describe_content(start)}")
            usage = _Usage(stream, first.usage.counts if first else _Counts())
            root = headers.check_superblock(start)
            usage.filters[root] = check_object(usage.read, root)  # before HDF5 opens it
            with h5py.File(source.path if source.is_whole_file else stream, "r") as file:
                file.usage = usage
                yield file
        except (XceptionError, Warning):
            raise
        except Exception as error:  # h5py raises whatever its parts raise, AssertionError among them
            reason = str(error) or type(error).__name__
            if isinstance(error, HeaderError) and reason.endswith("refused"):
                raise ModelFileError(f"{source.name}: {reason}") from None
            raise ModelFileError(
                f"{source.name}: a damaged or incomplete HDF5 file; fetch or copy it again ({reason})"
            ) from error


@contextlib.contextmanager
def create_file(content: io.BytesIO) -> Iterator[File]:
    """Create an HDF5 file in memory, which is there when the `with` block ends.

    HDF5 crashes where it cannot write, as on a full disk. So it writes to memory, and the caller to the disk.
    """
    with using_file(), h5py.File(content, "w") as file:
        yield file


_plugins_lock = OwnedLock("opening an HDF5 file")
_plugin_folders: list[bytes] = []  #: removed from HDF5's search path while files are open
_open_files = 0


@contextlib.contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep HDF5 from loading filters.

    To find an unknown filter, of an array or of a group's tables, HDF5 would load every library in its
    plugin folders.
    """
    global _open_files
    with _plugins_lock.hold():
        if not _open_files:
            _plugin_folders[:] = [h5py.h5pl.get(i) for i in range(h5py.h5pl.size())]
            for _ in _plugin_folders:
                h5py.h5pl.remove(0)
        _open_files += 1
    try:
        yield
    finally:
        with _plugins_lock.hold():
            _open_files -= 1
            if not _open_files:
                for folder in _plugin_folders:
                    h5py.h5pl.append(folder)


@dataclass
class _Counts:
    """The cost of reading one file, or the shards of one, so far."""

    bytes_read: int = 0  #: of texts, and of the headers and heaps that hold them
    links: int = 0
    chunks: int = 0


@dataclass
class _Usage:
    """What was read of one file so far, shared by all groups of the file."""

    stream: Any  #: of the file's bytes
    counts: _Counts
    pages: dict[int, bytes] = field(default_factory=dict)
    heaps: headers.Heaps = field(default_factory=dict)
    #: of each array, by the address of its header; () for a group. All objects here have been checked.
    filters: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes at `address`; raise HeaderError beyond MAX_TEXTS_READ_BYTES."""
        number, start = divmod(address, PAGE_BYTES)
        if start + size > PAGE_BYTES:
            return self._read(address, size)
        page = self.pages.get(number)
        if page is None:
            page = self.pages[number] = self._read(number * PAGE_BYTES, PAGE_BYTES)
        self._count(MIN_READ_BYTES)
        return page[start : start + size]

    def _read(self, address: int, size: int) -> bytes:
        self._count(size)
        self.stream.seek(address)
        content: bytes = self.stream.read(size)
        return content

    def _count(self, size: int) -> None:
        self.counts.bytes_read += size
        if self.counts.bytes_read > MAX_TEXTS_READ_BYTES:
            raise HeaderError("leads to too much text; refused")


def usage_of(holder: Group) -> _Usage | None:
    """Return the usage of the file of `holder`; None if the file is open for writing."""
    return getattr(holder, "usage", None)


# --- groups ---------------------------------------------------------------------------------


def open_group(parent: Group, name: str) -> Group:
    """Return the group at `name` below `parent`.

    Raises:
        ModelFileError: There is no such group, a link leads out of the file, or a limit is exceeded.
    """
    if not isinstance(parent, h5py.Group):  # a group of several files
        return parent.open_group(name)
    identifier = open_object(parent, name)
    if not isinstance(identifier, h5py.h5g.GroupID):
        raise ModelFileError(f"{location(parent, name)}: expected a group")
    return wrap_group(parent, identifier)


def wrap_group(parent: Group, identifier: Any) -> Group:
    """Return the group that `open_object` has opened from `parent`.

    Raises:
        ModelFileError: A limit is exceeded.
    """
    group = h5py.Group(identifier)
    group.usage = usage_of(parent)
    count_links(group, identifier.get_num_objs())
    return group


def open_object(parent: Group, name: str) -> Any:
    """Return h5py's low-level object at `name` below `parent`.

    Every link on the way is checked: only hard links stay in the file.

    Raises:
        ModelFileError: There is no such object, a link leads out of the file, or a limit is exceeded.
    """
    parts = name.split("/")
    if len(parts) > MAX_PATH_DEPTH:
        raise ModelFileError(f"{location(parent, name)}: is more than {MAX_PATH_DEPTH} groups deep")
    count_links(parent, len(parts))
    for path in accumulate(parts, "{}/{}".format):
        try:
            if not path or "\0" in path:  # HDF5 would take the path up to the NUL
                raise KeyError(path)
            link = parent.id.links.get_info(encode_name(path))
        except (KeyError, RuntimeError, ValueError):
            raise ModelFileError(f"{location(parent, name)}: is listed, but missing") from None
        if link.type != h5py.h5l.TYPE_HARD:
            raise ModelFileError(f"{location(parent, name)}: is a soft or external link; refused")
        _check_object(parent, path, link.u)
    return h5py.h5o.open(parent.id, encode_name(name))


def list_entries(holder: Group | None) -> list[str]:
    """Return the names in a group; none for None."""
    # h5py gives names that are not UTF-8 as bytes.
    return [x.decode("utf-8", "surrogateescape") if isinstance(x, bytes) else x for x in holder or ()]


def count_links(holder: Group, links: int) -> None:
    """Add to the number of links followed in the file; raise ModelFileError beyond MAX_LINKS."""
    usage = usage_of(holder)
    if usage is not None:
        usage.counts.links += links
        if usage.counts.links > MAX_LINKS:
            raise ModelFileError(f"{location(holder)}: leads to more than {MAX_LINKS:,} links; refused")


def location(holder: Group, name: str = "") -> str:
    """Return the file's name and the path of `name` below `holder`, for messages."""
    path = "/".join(part for part in (holder.name.strip("/"), name) if part)
    if len(path) > MAX_LOCATION_CHARACTERS:
        path = f"{path[: MAX_LOCATION_CHARACTERS // 2]}…{path[-MAX_LOCATION_CHARACTERS // 2 :]}"
    file_name = Path(holder.file.filename).name
    return f"{file_name}, {path!r}" if path else file_name


def _check_object(parent: Group, name: str, address: int) -> None:
    """Raise ModelFileError if HDF5 cannot open the group or array at `address` safely."""
    usage = usage_of(parent)
    if usage is None or address in usage.filters:
        return
    try:
        usage.filters[address] = check_object(usage.read, address)
    except HeaderError as error:
        raise ModelFileError(f"{location(parent, name)}: {error}") from None


def read_filters(parent: Group, name: str, dataset: Any, count: int) -> tuple[int, tuple[int, ...]]:
    """Return the address of an array's header, and the numbers of its filters as they were applied.

    h5py is not asked for the filters: it trusts the file.

    Args:
        parent: The group that `name` starts from.
        name: Path of the array, for messages.
        dataset: h5py's low-level DatasetID, from `open_object`.
        count: The number of filters that HDF5 finds.

    Raises:
        ModelFileError: HDF5 finds other filters than the array's header has.
    """
    address, usage = h5py.h5o.get_info(dataset).addr, usage_of(parent)
    filters = usage.filters.get(address, ()) if usage else ()
    if count != len(filters):
        raise ModelFileError(f"{location(parent, name)}: has filters that are not in its header; refused")
    return address, filters


def count_chunks(holder: Group, chunks: int) -> None:
    """Add to the number of chunks of the file's arrays; raise ModelFileError beyond MAX_CHUNKS."""
    usage = usage_of(holder)
    if usage is not None:
        usage.counts.chunks += chunks
        if usage.counts.chunks > MAX_CHUNKS:
            raise ModelFileError(f"{location(holder)}: has more than {MAX_CHUNKS:,} chunks; refused")


def encode_name(name: str) -> bytes:
    """Return the bytes of a name or text that h5py has decoded."""
    return name.encode("utf-8", "surrogateescape")  # as h5py decodes names


def _describe_content(start: bytes) -> str:
    """Say what a file that is not HDF5 seems to be, by its first bytes."""
    text = start.lstrip().lower()
    if not start:
        return "an empty one"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, probably the answer to a download that failed"
    if start.startswith(b"PK"):
        return "a zip archive"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    return f"something else; it begins with {start[:8]!r}, expected a file of Keras: .keras or .h5"
