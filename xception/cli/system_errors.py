"""What the system says of a file that cannot be opened or written, in words."""

from __future__ import annotations

import errno
import os

WORDS = {
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "no permission to open or write it",
    errno.EPERM: "no permission to open or write it",
    errno.EROFS: "this disk cannot be written",
    errno.ENOTDIR: "a part of this path is no folder",
    errno.EISDIR: "is a folder, expected a file",
    errno.EEXIST: "exists already",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "no space is left on the disk",
}


def describe(error: OSError) -> str:
    """Return an error of the system as a message: the file, if it is known, and the reason."""
    reason = WORDS.get(error.errno or 0) or error.strerror or str(error)
    name = error.filename
    return f"{os.fsdecode(name)}: {reason}" if isinstance(name, str | bytes | os.PathLike) else reason
