"""Files that a call reads and writes: what must exist, and what must not be written over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .locations import is_remote, local_path


def path_key(path: Path) -> str:
    """Return what two paths to the same file have in common, also where case makes no difference."""
    return os.path.realpath(path).casefold()  # unlike `resolve`, not an error for links in a circle


def refuse_overwriting(written: str | os.PathLike[str], read: Iterable[object], what: str) -> None:
    """Check that a file which is written is none of those that are read.

    Args:
        written: The path of the file.
        read: What is read; all that is no path, or no local one, is passed over.
        what: What the file would be, for the message: "the file of class names".

    Raises:
        ValueError: It is one of them.
    """
    for other in read:
        if isinstance(other, str | os.PathLike) and _is_same(written, other):
            raise ValueError(f"{os.fspath(written)}: is {what}; name another file to write")


def refuse_within(written: str | os.PathLike[str], folder: str, what: str) -> None:
    """Raise ValueError if a file lies directly in a folder that only its own program writes into."""
    if not is_remote(written) and _is_same(os.path.dirname(os.path.abspath(local_path(written))), folder):
        raise ValueError(f"{os.fspath(written)}: lies in {what}; name a file elsewhere")


def _is_same(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    if is_remote(path) or is_remote(other) or "\0" in os.fspath(other):
        return False
    return path_key(Path(local_path(path))) == path_key(Path(local_path(other)))


def check_readable(path: str | os.PathLike[str]) -> None:
    """Raise an OSError unless a local file is there, and may be read."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{os.fspath(path)}: there is no such file")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{os.fspath(path)}: is a folder, expected a file")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{os.fspath(path)}: no permission to read it")
