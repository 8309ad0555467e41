"""Atomic writing of files: a file is written whole or not at all.

A file is written in a hidden folder beside its place, `.NAME.xxxxxxxx.part`, and moved when it is complete.
The folder is closed to others, and it holds a locked file while its process lives. A process that was
killed leaves its folder behind; the next one that writes the same file removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .private_folders import PrivateFolder, is_own, lock, open_regular

LOCK = "lock"
#: Or the user's share of the disk, or the largest file that there may be.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: What a temporary name adds to a file's own: ".NAME.xxxxxxxx.part".
TEMPORARY_NAME_BYTES = 15

MAX_ATTEMPTS = 100  #: at a temporary folder, each of which another process may remove


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Provide a temporary path, the file at which replaces `path` when the block succeeds.

    If the block raises or is interrupted, whatever was at `path` before is unchanged. If `path` is a link,
    the link is replaced, not the file that it points to. Other files beside the temporary one, which the
    block makes, are removed.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        The temporary path to write to, where no file is yet.

    Raises:
        OSError: No file can be written at `path`; see `check_writable`.
    """
    with _temporary_file(path) as temporary:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise type(error)(f"{path}: cannot be written ({error.strerror})") from None


def create_file(path: Path, data: bytes) -> bool:
    """Write a file whole or not at all, unless there is one.

    Args:
        path: The file to write. Its folder must exist.
        data: What it is to hold.

    Returns:
        True if of several writers only one succeeds; False if the file system has no hard links, and two
        writers at the same moment may both have succeeded.

    Raises:
        FileExistsError: There is a file.
        OSError: No file can be written at `path`; see `check_writable`.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path}: exists already")
    with _temporary_file(path) as temporary:
        temporary.write_bytes(data)
        try:
            os.link(temporary, path)  # unlike a move, never replaces a file
        except FileExistsError:
            raise FileExistsError(f"{path}: exists already") from None
        except (AttributeError, OSError):
            if os.path.lexists(path):
                raise FileExistsError(f"{path}: exists already") from None
            os.replace(temporary, path)
            return False
    return True


@contextmanager
def _temporary_file(path: Path) -> Iterator[Path]:
    """Provide a path in a temporary folder beside `path`; the folder is removed afterwards."""
    check_writable(path)
    remove_abandoned(path.parent, re.escape(path.name))
    folder, stream = _create_temporary(path)
    try:
        yield folder.inside / path.name
    except OSError as error:
        if error.errno in DISK_FULL and error.filename is None:  # writing to an open file does not name it
            error.filename = str(path)
        raise
    finally:
        _remove(folder, stream)


def check_writable(path: Path) -> None:
    """Raise OSError, with a clear message, if no file can be written at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: there is no such folder to write {path.name} in")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent}: no permission to write in this folder")
    longest = _longest_name(path.parent)
    if len(os.fsencode(path.name)) > longest:
        raise OSError(f"{path.name}: the name is too long to write a file; expected at most {longest} bytes")


def _longest_name(folder: Path) -> int:
    """Return how many bytes the name of a file that is to be written in a folder may have."""
    try:
        longest = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows, or a file system that does not say
        longest = 255
    return longest - TEMPORARY_NAME_BYTES


def _create_temporary(path: Path) -> tuple[PrivateFolder, IO[bytes]]:
    """Make a temporary folder for a file; return it with its lock, which is closed last."""
    for _ in range(MAX_ATTEMPTS):
        # Another process may take the folder for a stale one before it is locked, and remove it.
        with contextlib.suppress(BlockingIOError, FileNotFoundError, FileExistsError):
            folder = PrivateFolder(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part"))
            try:
                stream = folder.open_file(LOCK, "xb")
            except BaseException:
                folder.close()
                raise
            try:
                lock(stream)
                if LOCK in folder.names():
                    return folder, stream
            except BaseException:
                _remove(folder, stream)
                raise
            stream.close()
            folder.close()
    raise FileExistsError(f"{path.parent}: no temporary folder can be made here for {path.name}")


def _remove(folder: PrivateFolder, stream: IO[bytes]) -> None:
    """Remove a temporary folder, its lock last."""
    for name in folder.names():
        if name != LOCK:
            with contextlib.suppress(OSError):
                folder.delete(name)
    if os.name == "nt":  # which does not delete open files
        stream.close()
    folder.remove(LOCK)
    stream.close()


def remove_abandoned(folder: Path, names: str) -> None:
    """Remove what processes that were killed have left of files that they were writing.

    Args:
        folder: The folder of the files.
        names: A regular expression, which the names of the files match.
    """
    # Earlier versions wrote files of these names, and did not lock them.
    temporary = re.compile(rf"\.(?:{names})\.[0-9a-f]{{8}}\.part(\.h5)?")
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if temporary.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(folder / name)


def _remove_unless_locked(temporary: Path) -> None:
    status = temporary.lstat()
    if not is_own(status, temporary.parent):
        return
    if not stat.S_ISDIR(status.st_mode):
        with open_regular(str(temporary), "r+b", status.st_uid, temporary) as stream:
            if lock(stream):
                temporary.unlink()
        return
    with PrivateFolder(temporary) as folder:
        try:
            stream = folder.open_file(LOCK, "r+b")
        except FileNotFoundError:  # it was killed before it made one
            folder.remove()
            return
        with stream:
            if lock(stream):
                _remove(folder, stream)
