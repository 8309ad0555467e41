"""Files behind URLs, by fsspec: object stores, web servers, file servers.

This is the only module that imports fsspec, and only when there is a URL. Credentials, endpoints and other
settings are those of fsspec's own configuration, and of the packages that it uses.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..errors import RemoteError, XceptionError, requires
from .url_schemes import EXTRA_PACKAGES, SCHEMES, WEB_SCHEMES, scheme_of

#: Bytes of a request when a file is read in parts: little beside the time that the request takes.
PART_BYTES = 4 << 20
#: Files up to this size are uploaded by one request; it bounds the memory that this takes.
MAX_UPLOAD_BYTES = 32 << 20
#: A web server that does not send parts of files sends no larger one: it is held in memory.
MAX_WHOLE_BYTES = 256 << 20

#: Answers of S3 about one object. Others that fsspec takes for "permission" are about the credentials, which
#: may have expired: then every further photograph would count as unreadable.
OBJECT_CODES = frozenset({"AccessDenied", "AllAccessDisabled", "InvalidObjectState", "403"})
#: Answers of S3 that say that there can be no object of this name.
NAME_CODES = frozenset({"InvalidBucketName", "InvalidURI", "KeyTooLongError"})

_memory_lock = threading.Lock()  # fsspec's memory:// checks for a file and makes it in two steps


def open_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the URL's path in it.

    Raises:
        MissingPackageError: fsspec, or what it needs for this scheme, is not installed.
        RemoteError: It cannot be reached.
        ValueError: See `scheme_of`.
    """
    scheme = scheme_of(url)
    package = SCHEMES[scheme].package
    activity = f"reading {scheme}://"
    with requires(activity, "fsspec", "'xception[remote]'"):
        from fsspec.core import url_to_fs
    try:
        with _translated(url, "opened"):
            # Without fsspec's cache of listings, which does not see what other processes write.
            system, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        with requires(activity, package or "fsspec", _requirement(package)):
            raise ModuleNotFoundError from error
    return system, path


def _requirement(package: str) -> str:
    return "'xception[remote]'" if package in EXTRA_PACKAGES else package


def stat(url: str) -> dict[str, Any]:
    """Return what fsspec knows of a file or folder: its "type" and "size".

    Raises:
        FileNotFoundError: There is no such file.
        OSError: See `read`.
    """
    system, path = open_system(url)
    with _translated(url, "read"):
        return system.info(path)


def read(url: str, start: int = 0, end: int | None = None) -> bytes:
    """Read a file, or a part of it, by one request.

    Args:
        url: The file.
        start: Its first byte, from 0.
        end: The byte to stop before; None for the end of the file.

    Returns:
        The bytes; fewer if the file ends.

    Raises:
        FileNotFoundError: There is no such file.
        PermissionError: It may not be read.
        RemoteError: It cannot be reached.
    """
    system, path = open_system(url)
    if end is not None and scheme_of(url) in WEB_SCHEMES:
        with _translated(url, "read"):
            return _read_web(system, path, start, end)
    if not start and end is None:
        with _translated(url, "read"):
            return system.cat_file(path)
    try:
        with _translated(url, "read"):
            return system.cat_file(path, start=start, end=end)
    except (RemoteError, ValueError):
        # Stores refuse a range that begins at the end of the file, as in every empty one.
        size = stat(url)["size"]
        if size is not None and start >= size:
            return b""
        raise


def _read_web(system: Any, path: str, start: int, end: int) -> bytes:
    """Read a part of a file from a server that may send the whole, without end."""
    kwargs = {"headers": {"Range": f"bytes={start}-{end - 1}"}} if start else {}
    # A stream, opened without asking for its size.
    with system.open(path, "rb", block_size=0, size=1, **kwargs) as stream:
        if start and stream.r.status != 206:
            raise RemoteError(f"{path}: the server does not send parts of files")
        parts, remaining = [], end - start
        while remaining and (data := stream.read(min(remaining, PART_BYTES))):
            parts.append(data)
            remaining -= len(data)
    return b"".join(parts)


def open_stream(url: str) -> io.BufferedReader | io.BytesIO:
    """Open a file for reading at any position. Parts of it are read when they are needed.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: See `read`; or a web server that does not send parts holds a file of more than
            MAX_WHOLE_BYTES.
    """
    status = stat(url)
    if scheme_of(url) not in WEB_SCHEMES or (status.get("partial") and status["size"] is not None):
        return io.BufferedReader(_PartReader(url, status["size"]), PART_BYTES)
    data = read(url, 0, MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise OSError(
            f"{url}: holds more than {MAX_WHOLE_BYTES >> 20} MiB, and the server does not send parts of it; "
            "download it first"
        )
    return io.BytesIO(data)


class _PartReader(io.RawIOBase):
    """A file that is read by requests for parts of it. Threads that read the same file share nothing."""

    def __init__(self, url: str, size: int) -> None:
        self.name = url
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self.name}: cannot seek before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        data = read(self.name, self._position, end)
        if not data:
            raise RemoteError(f"{self.name}: became shorter while it was read")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def list_entries(url: str) -> Iterator[tuple[str, bool]]:
    """Yield the name of each file and folder in a folder, and whether it is a folder.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: See `read`.
    """
    if scheme_of(url) in WEB_SCHEMES:
        raise ValueError(f"{url}: web servers do not list their files; give the URL of each, or a manifest")
    system, path = open_system(url)
    with _translated(url, "listed"):
        entries = system.ls(path, detail=True)
    folder = path.rstrip("/")
    for entry in entries:
        entry_path = entry["name"].rstrip("/")
        # Consoles of object stores make an empty object for a folder itself.
        if entry_path != folder:
            yield entry_path.rpartition("/")[2], entry["type"] == "directory"


def match(folder: str, pattern: str) -> list[str]:
    """Return the files in a folder that match a pattern, as paths relative to it, sorted.

    Args:
        folder: The folder.
        pattern: A pattern of `glob`'s relative to it, with "/" between names; it may contain "**".
    """
    system, path = open_system(folder)
    path = path.rstrip("/")
    with _translated(folder, "listed"):
        matches = system.glob(f"{path}/{pattern}", detail=True)
    names = (name.rstrip("/")[len(path) + 1 :] for name, entry in matches.items() if entry["type"] == "file")
    takes_hidden = "/." in f"/{pattern}"  # as `glob` does
    return sorted(name for name in names if name and (takes_hidden or "/." not in f"/{name}"))


def make_folder(url: str) -> None:
    """Make a folder, and those that it is in. Object stores need none."""
    if not SCHEMES[scheme_of(url)].is_store:
        system, path = open_system(url)
        with _translated(url, "made"):
            system.makedirs(path, exist_ok=True)


def upload(path: Path, url: str) -> None:
    """Write a local file to a URL. It appears there whole or not at all, in place of what is there.

    Args:
        path: The local file.
        url: Where to write it. The folder must exist, where there are folders.
    """
    system, target = open_system(url)
    scheme = scheme_of(url)
    with _translated(url, "written"):
        if not SCHEMES[scheme].is_store:
            folder, _, name = target.rpartition("/")
            temporary = f"{folder}/.{name}.{uuid4().hex[:8]}.part"
            try:
                system.put_file(str(path), temporary)
                system.mv(temporary, target)
            except BaseException:
                _quietly(system.rm_file, temporary)
                raise
        elif scheme == "memory" or path.stat().st_size <= MAX_UPLOAD_BYTES:
            system.pipe_file(target, path.read_bytes())
        else:
            system.put_file(str(path), target)


def _quietly(function: Callable[[str], object], path: str) -> None:
    try:
        function(path)
    except Exception:  # there may be no such file; the caller raises the first error
        return


def create(url: str, data: bytes) -> bool:
    """Write a file that does not exist yet, whole or not at all.

    Returns:
        Whether the store itself saw to it that no file was there. Otherwise it was asked before, and of two
        writers at the same moment the second replaced the first.

    Raises:
        FileExistsError: There is a file.
        OSError: See `read`.
    """
    system, path = open_system(url)
    if SCHEMES[scheme_of(url)].creates:
        try:
            with _translated(url, "written"), _memory_lock:
                system.pipe_file(path, data, mode="create")
            return True
        except NotImplementedError:
            pass  # of some servers that speak S3
    try:
        stat(url)
    except FileNotFoundError:
        with _translated(url, "written"):
            system.pipe_file(path, data)
        return False
    raise FileExistsError(f"{url}: exists already")


def remove(url: str) -> None:
    """Remove a file; nothing happens if there is none."""
    system, path = open_system(url)
    try:
        with _translated(url, "removed"):
            system.rm_file(path)
    except FileNotFoundError:
        return


@contextmanager
def _translated(url: str, verb: str) -> Iterator[None]:
    """Turn what file systems raise into FileNotFoundError, PermissionError, … or RemoteError."""
    try:
        yield
    except (XceptionError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise _translate(error, url, verb) from error


def _translate(error: Exception, url: str, verb: str) -> Exception:
    if isinstance(error, FileNotFoundError) and scheme_of(url) in WEB_SCHEMES:
        # fsspec calls every error of a web server "not found".
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    reason = (str(error) or type(error).__name__).strip()
    response = getattr(error.__cause__ or error, "response", None)  # botocore's
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    status = getattr(error, "status", None) or getattr(error, "code", None)  # aiohttp's, or gcsfs's
    if code in NAME_CODES or status in (404, 410) or isinstance(error, FileNotFoundError | KeyError):
        return FileNotFoundError(f"{url}: there is no such file")
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return type(error)(f"{url}: is {'a' if isinstance(error, IsADirectoryError) else 'not a'} folder")
    if isinstance(error, FileExistsError):
        return FileExistsError(f"{url}: exists already")
    if isinstance(error, PermissionError) and (code is None or code in OBJECT_CODES):
        return PermissionError(f"{url}: no permission: {reason}")
    if status == 403 or reason.startswith("Forbidden"):
        return PermissionError(f"{url}: no permission: {reason}")
    if isinstance(error, NotImplementedError) or code == "NotImplemented":
        return NotImplementedError(f"{url}: cannot be {verb}: {reason or 'not implemented'}")
    return RemoteError(f"{url}: cannot be {verb} ({type(error).__name__}: {reason})")
