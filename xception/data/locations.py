"""Locations of files: local paths."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .atomic import replace_file
from .regular_files import open_regular_file


def is_remote(location: str | os.PathLike[str]) -> bool:
    """Return True if a location is a URL, other than of a local file."""
    return False


def join(folder: str | os.PathLike[str], *names: str) -> str:
    """Return the location of what is in a folder."""
    return os.path.join(os.fspath(folder), *names)


def exists(location: str | os.PathLike[str]) -> bool:
    """Return whether there is a file or folder."""
    return os.path.exists(location)


def is_folder(location: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder; a URL that ends in "/" is always taken for one."""
    return os.path.isdir(location)


def list_names(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of the files and folders in a folder, sorted; none if there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder, and those that it is in, unless they exist."""
    os.makedirs(folder, exist_ok=True)


def open_file(location: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading."""
    return open_regular_file(location)


def read_bytes(location: str | os.PathLike[str], start: int = 0, end: int | None = None) -> bytes:
    """Read a file, or a part of it; of a URL by one request."""
    with open_regular_file(location) as stream:
        stream.seek(start)
        return stream.read(-1 if end is None else max(end - start, 0))


@contextmanager
def replace(location: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary local path, the file at which is written to `location` when the block succeeds."""
    with replace_file(Path(location)) as temporary:
        yield temporary


def write_bytes(location: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all, in place of what is there."""
    with replace(location) as temporary:
        temporary.write_bytes(data)


def create_file(location: str | os.PathLike[str], data: bytes) -> bool:
    """Write a file that does not exist yet, whole or not at all; raise FileExistsError if it does."""
    path = Path(location)
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    scratch.write_bytes(data)
    try:
        os.link(scratch, path)
    finally:
        scratch.unlink()
    return True


def remove_file(location: str | os.PathLike[str]) -> None:
    """Remove a file; nothing happens if there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(location)
