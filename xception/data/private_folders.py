"""Folders that hold files of one user alone, and locks on files.

A folder beside an output, or in a cache that several people share, may have been prepared by somebody
else: a link named as a file that is going to be written would make the program empty what it points to.
So a private folder is opened once, must belong to the user, and is closed to others. Its files are opened
relative to it, without following links, and must be regular files of the user that have one name only.

Windows has neither file owners nor relative opening in Python: there, links are recognized before a file
is opened, and nothing stops somebody from exchanging the file in between.
"""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path
from typing import IO, Any

MODE = 0o700  #: of a private folder
FILE_MODE = 0o600

#: Whether files are opened relative to an open folder.
IS_RELATIVE = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY") and hasattr(os, "O_NOFOLLOW")

# Opening a named pipe would wait for its other end without O_NONBLOCK, which regular files ignore.
_SAFE = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
)  # fmt: skip
_FLAGS = {
    "rb": os.O_RDONLY,
    "r+b": os.O_RDWR,
    "ab": os.O_RDWR | os.O_CREAT | os.O_APPEND,  # read, too: a lock on a network needs both
    "xb": os.O_RDWR | os.O_CREAT | os.O_EXCL,
}
_STREAM_MODES = {"rb": "rb", "r+b": "r+b", "ab": "ab", "xb": "r+b"}


class PrivateFolder:
    """A folder that belongs to the user and is closed to others. Use it as a context manager.

    Args:
        path: The folder, which is made if needed.
        parent: The private folder that it is in; by default it is found by its path. Links on the way
            to it are followed then, since the user named them, but it must not be a link itself.

    Attributes:
        path: The folder, for messages.

    Raises:
        PermissionError: It is a link or belongs to somebody else; the message says what to do.
        OSError: It cannot be made or opened.
    """

    def __init__(self, path: Path, parent: PrivateFolder | None = None) -> None:
        self.path = path
        name, options = parent.locate(path.name) if parent else (str(path), {})
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, MODE, **options)
        self._folder = -1
        status = os.stat(name, follow_symlinks=False, **options)
        if stat.S_ISLNK(status.st_mode):
            raise PermissionError(f"{path}: is a link, which is not followed here; remove it")
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(f"{path}: is a file, expected a folder; remove it")
        if IS_RELATIVE:
            # A link that took its place in between is not followed: opening fails.
            self._folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _SAFE, **options)
            try:
                self._check()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder. It may be closed twice."""
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    @property
    def inside(self) -> Path:
        """The folder, for functions that take a path, while it is open.

        On Linux it leads to the folder that is open here, also if another has taken its name.
        """
        opened = Path(f"/proc/self/fd/{self._folder}")
        with contextlib.suppress(OSError):
            if IS_RELATIVE and os.path.samestat(opened.stat(), os.fstat(self._folder)):
                return opened
        return self.path

    def locate(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the first argument and options with which a function of `os` finds a file in it."""
        return (name, {"dir_fd": self._folder}) if IS_RELATIVE else (str(self.path / name), {})

    def open_file(self, name: str, mode: str) -> IO[bytes]:
        """Open a file without following links.

        Args:
            name: Its name.
            mode: "rb", "r+b", "ab" or "xb"; none of them empties a file that exists.

        Raises:
            FileNotFoundError: It is missing, where it is to be read.
            PermissionError: It is a link, not a regular file, or somebody else's.
        """
        path, options = self.locate(name)
        owner = os.fstat(self._folder).st_uid if IS_RELATIVE else None
        return open_regular(path, mode, owner, self.path / name, **options)

    def delete(self, *names: str) -> None:
        """Delete files, as far as they exist; of a link, the link."""
        for name in names:
            path, options = self.locate(name)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path, **options)

    def rename(self, old: str, new: str) -> None:
        """Rename a file, which replaces another of the new name."""
        if IS_RELATIVE:
            os.replace(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        else:
            os.replace(self.path / old, self.path / new)

    def status(self, name: str) -> os.stat_result:
        """Return the status of a file; of a link, that of the link."""
        path, options = self.locate(name)
        return os.stat(path, follow_symlinks=False, **options)

    def touch(self, name: str) -> None:
        """Give a file the date of now, where the system lets this be done."""
        path, options = self.locate(name)
        with contextlib.suppress(OSError, NotImplementedError):
            os.utime(path, follow_symlinks=False, **options)

    def lock(self, is_shared: bool = False) -> bool:
        """Lock the folder itself while it is open; see `lock`."""
        return IS_RELATIVE and lock(self._folder, is_shared)

    def names(self) -> list[str]:
        """Return the names of what is in it."""
        return os.listdir(self._folder if IS_RELATIVE else self.path)

    def remove(self, *names: str) -> None:
        """Delete files in it, then the folder if it is empty, and close it."""
        for name in names:
            with contextlib.suppress(OSError):
                self.delete(name)
        self.close()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _check(self) -> None:
        status = os.fstat(self._folder)
        if not is_own(status, self.path.parent):
            raise PermissionError(
                f"{self.path}: belongs to another user, who could change what is in it; remove it, or "
                "choose another place"
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            # Versions before this one left folders open to be read. File systems without modes refuse.
            with contextlib.suppress(OSError):
                os.fchmod(self._folder, MODE)


def open_regular(path: str, mode: str, owner: int | None, shown: Path, **options: Any) -> IO[bytes]:
    """Open a regular file that no other name leads to, without following links.

    Args:
        path: The file.
        mode: See `PrivateFolder.open_file`.
        owner: The user that it must belong to; None for anybody.
        shown: The file, for messages.
        options: For functions of `os`: `dir_fd`.

    Raises:
        FileNotFoundError: It is missing, where it is to be read.
        PermissionError: It is a link, not a regular file, or somebody else's.
    """

    def check(status: os.stat_result) -> None:
        is_own = owner is None or status.st_uid == owner
        # A file with a second name would be changed under that name, too.
        if not (stat.S_ISREG(status.st_mode) and status.st_nlink <= 1 and is_own):
            raise PermissionError(
                f"{shown}: expected a regular file of your own; it is a link, has two names, is of another "
                "kind, or belongs to somebody else. Remove it"
            )

    before = None
    with contextlib.suppress(FileNotFoundError):
        before = os.stat(path, follow_symlinks=False, **options)
        check(before)
    # A link that took its place in between is not followed: opening fails.
    stream = os.fdopen(os.open(path, _FLAGS[mode] | _SAFE, FILE_MODE, **options), _STREAM_MODES[mode])
    try:
        after = os.fstat(stream.fileno())
        check(after)
        if before is not None and not os.path.samestat(before, after):
            raise PermissionError(f"{shown}: was exchanged while it was opened")
    except BaseException:
        stream.close()
        raise
    return stream


def is_own(status: os.stat_result, parent: Path) -> bool:
    """Return True if a file or folder belongs to the user, as far as the system knows.

    Args:
        status: Of the file or folder.
        parent: The folder that it is in. Network drives and FAT give every file the owner that they were
            mounted for: what this process makes there has that owner, too.
    """
    if not hasattr(os, "geteuid") or status.st_uid == os.geteuid():
        return True
    probe = parent / f".{uuid.uuid4().hex}.probe"
    try:
        os.mkdir(probe, MODE)
    except OSError:
        return False
    try:
        return os.lstat(probe).st_uid == status.st_uid
    finally:
        os.rmdir(probe)


def check_cache(path: Path) -> None:
    """Make the cache folder if needed; raise PermissionError if it belongs to somebody else.

    It may be a link, if the user or the administrator made it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(MODE, exist_ok=True)
    for status, parent in ((path.lstat(), path.parent), (path.stat(), path.resolve().parent)):
        if not (is_own(status, parent) or status.st_uid == 0):
            raise PermissionError(
                f"{path}: the cache folder belongs to another user; set XCEPTION_CACHE_DIR to a folder of "
                "your own"
            )


def lock(stream: IO[bytes] | int, is_shared: bool = False) -> bool:
    """Lock a file while the stream is open, or the process lives.

    Args:
        stream: The file, open for writing; a shared lock needs reading only.
        is_shared: Whether others may have a shared lock, too.

    Returns:
        False if the system or its file system has no locks.

    Raises:
        BlockingIOError: It is locked already.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True
