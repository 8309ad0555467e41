"""Opening of regular files: named pipes, devices and sockets are refused before they are opened.

Opening a named pipe waits for a writer, reading a device may never end, and opening some devices starts
them. A path to any of these can come from a stranger, in a folder or an archive that was unpacked.
"""

from __future__ import annotations

import io
import os
import stat

KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def check_regular_file(path: str | os.PathLike[str]) -> None:
    """Raise OSError unless `path` is a regular file, or a link to one. Nothing is opened.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be examined.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{os.fspath(path)}: there is no such file") from None
    except ValueError as error:  # a NUL in the path
        raise FileNotFoundError(f"{os.fspath(path)!r}: there is no such file ({error})") from None
    _check_mode(path, status)


def open_regular_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading.

    Args:
        path: The file.

    Returns:
        The stream; its `name` is the path. Files of size 0 are empty streams: those of the Linux kernel, as
        `/proc/kmsg`, have this size, and reading them may wait forever.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    check_regular_file(path)
    return open(path, "rb", opener=open_descriptor)


def open_descriptor(path: str, flags: int) -> int:
    """Open a regular file, as `open` and `io.FileIO` need it for their `opener`; see `open_regular_file`."""
    # Does not wait if a named pipe has taken the file's place since the check.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        _check_mode(path, status)
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(descriptor, True)
    except OSError:
        os.close(descriptor)
        raise
    if not status.st_size:
        os.close(descriptor)
        return os.open(os.devnull, flags)
    return descriptor


def _check_mode(path: str | os.PathLike[str], status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{os.fspath(path)}: is a folder, expected a file")
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in KINDS if is_kind(mode)), "of another kind")
        raise OSError(f"{os.fspath(path)}: is not a regular file ({kind}); refused")
