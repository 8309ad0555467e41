"""Atomic writing of files: a file is written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Provide a temporary path beside `path`, which replaces `path` when the block succeeds.

    If the block raises or is interrupted, whatever was at `path` before is unchanged.

    Args:
        path: The file to write. Its folder must exist.

    Yields:
        The temporary path to write to.

    Raises:
        OSError: No file can be written at `path`; see `check_writable`.
    """
    check_writable(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise OSError, with a clear message, if no file can be written at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected the name of a file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: there is no such folder to write {path.name} in")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent}: no permission to write in this folder")
