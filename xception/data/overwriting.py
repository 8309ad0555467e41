"""What must not be written over: the files that a call reads."""

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
    key = _local_key(written)
    for other in read:
        if key is not None and isinstance(other, str | os.PathLike) and _local_key(other) == key:
            raise ValueError(f"{os.fspath(written)}: is {what}; name another file to write")


def refuse_within(written: str | os.PathLike[str], folder: str, what: str) -> None:
    """Raise ValueError if a file lies directly in a folder that only its own program writes into."""
    key = None if is_remote(written) else _local_key(os.path.dirname(os.path.abspath(local_path(written))))
    if key is not None and key == _local_key(folder):
        raise ValueError(f"{os.fspath(written)}: lies in {what}; name a file elsewhere")


def _local_key(location: str | os.PathLike[str]) -> str | None:
    """Return the key of a local path; None for what is remote, or no path of this system."""
    if is_remote(location) or "\0" in os.fspath(location):
        return None
    return path_key(Path(local_path(location)))
