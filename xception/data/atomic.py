"""Files: written whole or not at all, and what is said of those that cannot be read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Whatever interrupts the writing leaves what was at `path` as it was.
    """
    check_place(path)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise OSError, in plain words, where no file can be written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: there is no such folder to write {path.name} in")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent}: this folder may not be written to")
