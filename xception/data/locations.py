"""Locations of files: local paths and URLs, behind one interface.

A URL is a text that begins with a scheme of two letters or more and "://": `s3://bucket/a.jpg`. Others are
local paths, as are `C:\\a.jpg` and `file:///a.jpg`. Folders of object stores are only the beginnings of
names: they need not be made, and one that holds nothing does not exist.

These functions raise FileNotFoundError, PermissionError and FileExistsError alike for both; RemoteError if a
store cannot be reached; ValueError for a URL of a scheme that is not read, and MissingPackageError if a
package is needed for it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import printable
from . import atomic, remote_files
from .regular_files import open_regular_file
from .url_schemes import URL

LOCAL_SCHEMES = ("file://", "local://")


def is_remote(location: str | os.PathLike[str]) -> bool:
    """Return True if a location is a URL, other than of a local file."""
    text = os.fspath(location)
    return (
        isinstance(text, str)
        and "://" in text  # quick, since a million names are tested
        and URL.match(text) is not None
        and not text.lower().startswith(LOCAL_SCHEMES)
    )


def without_secrets(location: str | os.PathLike[str]) -> str:
    """Return a location for a log, on one line; of a URL without user, password and query."""
    text = os.fspath(location)
    if is_remote(text):
        scheme, _, rest = text.partition("?")[0].partition("://")
        host, slash, path = rest.partition("/")
        text = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return printable(text)


def local_path(location: str | os.PathLike[str]) -> str:
    """Return the local path of a location that is not remote.

    Args:
        location: A path, or a URL such as "file:///home/a.jpg".
    """
    text = os.fspath(location)
    if not (isinstance(text, str) and text.lower().startswith(LOCAL_SCHEMES)):
        return text
    from urllib.request import url2pathname

    return url2pathname(text.partition("://")[2])


def expect_local(output: str | os.PathLike[str]) -> Path:
    """Return the local path of an output that cannot be a URL.

    Args:
        output: The output. As a path, "s3://bucket/a.png" would be a file in a folder called "s3:".

    Raises:
        ValueError: It is a URL, or empty.
    """
    if is_remote(output):
        raise ValueError(f"{output}: is a URL, expected a local path; write a local file, and copy it there")
    if not os.fspath(output):
        raise ValueError("the name of a file to write is empty")
    return Path(local_path(output))


def check_location(location: str | os.PathLike[str]) -> None:
    """Check that a location can be a file's: that its scheme is known, and its packages are installed.

    Raises:
        MissingPackageError: A package is needed that is not installed.
        ValueError: The scheme is unknown, or the URL is a chain.
    """
    if is_remote(location):
        remote_files.open_system(os.fspath(location))


def join(folder: str | os.PathLike[str], *names: str) -> str:
    """Return the location of a file or folder in a folder.

    Args:
        folder: The folder.
        names: A name in it, or several that lead to it.
    """
    if not is_remote(folder):
        return os.path.join(local_path(folder), *names)
    return "/".join([os.fspath(folder).rstrip("/"), *names])


def split(location: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the folder that a location is in, and its name there."""
    if not is_remote(location):
        return os.path.split(local_path(location))
    folder, _, name = os.fspath(location).rpartition("/")
    return folder, name


def exists(location: str | os.PathLike[str]) -> bool:
    """Return whether there is a file or folder."""
    if not is_remote(location):
        return os.path.exists(local_path(location))
    try:
        remote_files.stat(os.fspath(location))
    except FileNotFoundError:
        return False
    return True


def is_folder(location: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder; a URL that ends in "/" is always taken for one."""
    if not is_remote(location):
        return os.path.isdir(local_path(location))
    url = os.fspath(location)
    if url.endswith("/"):
        return True
    try:
        return remote_files.stat(url)["type"] == "directory"
    except FileNotFoundError:
        return False


def names_folder(output: str | os.PathLike[str]) -> bool:
    """Return True if an output is a folder: its name ends in "/", or there is a local folder of that name."""
    text = os.fspath(output)
    return text.endswith(("/", os.sep)) or os.path.isdir(text)


def list_names(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of the files and folders in a folder, sorted; none if there is no such folder."""
    try:
        if is_remote(folder):
            return sorted(name for name, _ in remote_files.list_entries(os.fspath(folder)))
        return sorted(os.listdir(local_path(folder)))
    except FileNotFoundError:
        return []


def list_entries(url: str) -> Iterator[tuple[str, bool]]:
    """Yield the name of each file and folder in a folder behind a URL, and whether it is a folder.

    Args:
        url: The folder.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    return remote_files.list_entries(url)


def match_pattern(pattern: str) -> list[str]:
    """Return the files behind URLs that match a pattern, sorted.

    Args:
        pattern: A URL with a pattern of `glob`'s, which may contain "**". The name of the store is none.

    Returns:
        Their URLs.
    """
    names = pattern.split("/")
    first = next((number for number, name in enumerate(names) if number > 2 and glob.has_magic(name)), None)
    if first is None:
        return [pattern]
    folder = "/".join(names[:first])
    return [f"{folder}/{name}" for name in remote_files.match(folder, "/".join(names[first:]))]


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder, and those that it is in, unless they exist."""
    if is_remote(folder):
        remote_files.make_folder(os.fspath(folder))
    else:
        os.makedirs(local_path(folder), exist_ok=True)


def open_file(location: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading.

    Args:
        location: The file.

    Returns:
        A binary file that can be positioned. Of a URL it reads parts of some megabytes, when they are needed.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It cannot be read, or is not a regular file.
    """
    if is_remote(location):
        return remote_files.open_stream(os.fspath(location))
    return open_regular_file(local_path(location))


def read_bytes(location: str | os.PathLike[str], start: int = 0, end: int | None = None) -> bytes:
    """Read a file, or a part of it; of a URL by one request.

    Args:
        location: The file.
        start: Its first byte, from 0.
        end: The byte to stop before; None for the end of the file.

    Returns:
        The bytes; fewer if the file ends.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It cannot be read, or is not a regular file.
    """
    if is_remote(location):
        return remote_files.read(os.fspath(location), start, end)
    with open_regular_file(local_path(location)) as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(start)
        # No more than there is: `read` would allocate memory for all that was asked for.
        return stream.read(max(size if end is None else min(end, size), start) - start)


@contextmanager
def local_copy(location: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a local file with the content of a location, for what reads local files only.

    Args:
        location: The file.

    Yields:
        Its path: the location itself if it is local, or a copy of the same name that is removed afterwards.

    Raises:
        FileNotFoundError: There is no such file behind the URL.
        OSError: It cannot be read.
    """
    if not is_remote(location):
        yield Path(local_path(location))
        return
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="xception-") as folder:
        copy = Path(folder, split(location)[1])
        with open_file(location) as source, copy.open("xb") as target:
            shutil.copyfileobj(source, target, 4 << 20)
        yield copy


@contextmanager
def replace(location: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide a temporary local path, the file at which is written to `location` when the block succeeds.

    It appears whole or not at all, in place of what is there. If the block raises or is interrupted,
    nothing is changed. See `atomic.replace_file`.

    Args:
        location: The file to write. Its folder must exist, where there are folders.

    Yields:
        The temporary path to write to, where no file is yet. It bears the file's name.
    """
    if not is_remote(location):
        with atomic.replace_file(Path(local_path(location))) as temporary:
            yield temporary
        return
    url = os.fspath(location)
    remote_files.open_system(url)  # before anything is computed
    import tempfile

    with tempfile.TemporaryDirectory(prefix="xception-") as folder:
        temporary = Path(folder, "file" + os.path.splitext(url)[1])
        yield temporary
        remote_files.upload(temporary, url)


def upload(path: Path, url: str) -> None:
    """Write a local file to a URL. It appears there whole or not at all, in place of what is there.

    Args:
        path: The local file.
        url: Where to write it. Its folder must exist, where there are folders.
    """
    remote_files.upload(path, url)


def write_bytes(location: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all, in place of what is there.

    Args:
        location: The file. Its folder must exist, where there are folders.
        data: What it is to hold.
    """
    with replace(location) as temporary:
        temporary.write_bytes(data)


def create_file(location: str | os.PathLike[str], data: bytes) -> bool:
    """Write a file that does not exist yet, whole or not at all.

    Args:
        location: The file. Its folder must exist, where there are folders.
        data: What it is to hold.

    Returns:
        True if the place itself sees to it that of several writers only one succeeds: local folders, S3,
        Google Cloud Storage, memory. False if it was only looked up before.

    Raises:
        FileExistsError: There is a file.
        OSError: It cannot be written.
    """
    if is_remote(location):
        return remote_files.create(os.fspath(location), data)
    return atomic.create_file(Path(local_path(location)), data)


def remove_abandoned(folder: str | os.PathLike[str], names: str) -> None:
    """Remove what processes that were killed have left of files that they were writing to a local folder.

    Args:
        folder: The folder. A URL holds none of these: what is written there appears whole.
        names: A regular expression, which the names of the files match.
    """
    if not is_remote(folder):
        atomic.remove_abandoned(Path(local_path(folder)), names)


def remove_file(location: str | os.PathLike[str]) -> None:
    """Remove a file; nothing happens if there is none."""
    if is_remote(location):
        remote_files.remove(os.fspath(location))
    else:
        with suppress(FileNotFoundError):
            os.unlink(local_path(location))
