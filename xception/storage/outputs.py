"""Output files: local ones, and ones behind URLs, which are written on this machine and then uploaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..data import locations
from ..data.private_folders import PrivateFolder, check_cache
from ..data.url_schemes import WEB_SCHEMES, scheme_of
from ..models.pretrained import cache_dir

FOLDER = "outputs"  #: in the cache folder


@dataclass(frozen=True)
class OutputFile:
    """A file that is going to be written.

    Attributes:
        location: The path or URL that was given.
        path: The local file to write. It has the name of the output.
    """

    location: str
    path: Path

    @property
    def is_remote(self) -> bool:
        """Whether the output is behind a URL."""
        return locations.is_remote(self.location)

    def publish(self) -> None:
        """Upload what was written, if the output is behind a URL: the file, after those beside it.

        Raises:
            OSError: It cannot be uploaded.
        """
        if self.is_remote:
            folder, _ = locations.split(self.location)
            files = [self.path.with_name(name) for name in _written(os.listdir(self.path.parent))]
            for file in sorted(files, key=lambda file: file == self.path):
                locations.upload(file, locations.join(folder, file.name))


@contextmanager
def open_output(output: str | os.PathLike[str]) -> Iterator[OutputFile]:
    """Provide the local file for an output within a `with` block.

    An output behind a URL has a folder of its own in the cache folder. Files in it are removed afterwards,
    but not what an interrupted call has left to resume from: the next call with the same URL finds it.

    Args:
        output: A path or a URL.

    Yields:
        The file.

    Raises:
        BlockingIOError: Another process of this user is writing to the same URL.
        DownloadError: There is no cache folder.
        MissingPackageError: A package is needed for such a URL.
        OSError: The cache folder cannot be written.
        ValueError: The URL is of a kind that is not known, or cannot be written.
    """
    if not locations.is_remote(output):
        path = locations.local_path(output)
        yield OutputFile(path, Path(path))
        return
    url = os.fspath(output)
    if scheme_of(url) in WEB_SCHEMES:  # before a package is asked for
        raise ValueError(f"{url}: web servers take no files; write to a local file, or to an object store")
    locations.check_location(url)
    root = cache_dir()
    check_cache(root)
    name = hashlib.blake2b(url.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    with PrivateFolder(root / FOLDER) as outer, PrivateFolder(root / FOLDER / name, outer) as folder:
        try:
            folder.lock()
        except BlockingIOError:
            raise BlockingIOError(f"{url}: another process or call is writing this file") from None
        try:
            yield OutputFile(url, folder.path / locations.split(url)[1])
        finally:
            folder.remove(*_written(folder.names()))


def _written(names: list[str]) -> list[str]:
    """Return the names of files that are complete, without hidden ones, such as those to resume from."""
    return [name for name in names if not name.startswith(".")]
