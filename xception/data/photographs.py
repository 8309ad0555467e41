"""Collections of photographs: folders, patterns, files, arrays, and generators of these."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .failures import FailureLog
from .folders import FolderContents, describe_left_out, search_folder, top_folder

if TYPE_CHECKING:
    from .images import ImageLike

    #: One photograph, a folder or pattern of them, or several of all these.
    ImagesLike = ImageLike | Iterable[ImageLike]


@dataclass(frozen=True)
class Photograph:
    """A photograph that has not been read yet.

    Attributes:
        index: Its position among all photographs that were given, from 0.
        source: What `load_image` reads: a path, an array, …
        path: Its path, or the name of an open file; None for other sources.
        label: The sub-folder of the folder that was given in which it lies, at any depth; otherwise "".
    """

    index: int
    source: Any
    path: str | None = None
    label: str = ""


def find_photographs(
    images: ImagesLike, log: FailureLog, folders: list[FolderContents] | None = None
) -> Sequence[Photograph] | Iterator[Photograph]:
    """List the photographs that `images` stands for.

    A folder stands for all photographs below it, sorted by path, without hidden files; a warning counts the
    other files. A file that folders or patterns list several times is taken once; a file that is named
    explicitly is taken each time. An array (n, h, w, c) is n photographs.

    Args:
        images: A path, a folder, a pattern, bytes, an open file, a PIL image, an array, or an iterable
            of these.
        log: Records folders and patterns without photographs, and warns of what is left out.
        folders: If given, the contents of each folder are appended to it.

    Returns:
        A list of the photographs; of a generator an iterator, which takes one image at a time.

    Raises:
        TypeError: `images` is none of these.
    """
    folders = [] if folders is None else folders
    if isinstance(images, Iterator) and not hasattr(images, "read"):
        return _expand(images, log, folders)
    return list(_expand(_as_iterable(images), log, folders))


def _as_iterable(images: ImagesLike) -> Iterable[ImageLike]:
    if isinstance(images, np.ndarray):
        if images.ndim == 1 and images.dtype.kind in "OU":  # paths, as a column of a table gives them
            return list(images.tolist())
        return images if images.ndim == 4 else [images]
    is_single = isinstance(images, str | bytes) or hasattr(images, "__fspath__") or hasattr(images, "read")
    if is_single or hasattr(images, "convert"):  # `convert`: a PIL image
        return [images]  # type: ignore[list-item]
    if isinstance(images, Iterable) and not isinstance(images, dict | bytearray | memoryview):
        return images  # type: ignore[return-value]  # not bytes, see above
    raise TypeError(
        "images must be a path, a folder, a pattern, bytes, an open file, a PIL image, an array of pixels, "
        f"or a list or generator of these; got {type(images).__name__}"
    )


def _expand(
    images: Iterable[ImageLike], log: FailureLog, folders: list[FolderContents]
) -> Iterator[Photograph]:
    index = 0
    seen: set[str] = set()
    searched: set[str] = set()  # those of `seen` that a folder or pattern stands for
    for image in images:
        if not isinstance(image, str | os.PathLike):
            name = getattr(image, "name", None)
            yield Photograph(index, image, name if isinstance(name, str) else None)
            index += 1
            continue
        location = os.fspath(image)
        is_folder = os.path.isdir(location)
        try:
            if is_folder:
                folders.append(search_folder(location))
            paths = folders[-1].paths if is_folder else _match_files(location)
        except OSError as error:
            log.add(None, location, error)
            continue
        is_named = paths == [location]
        for path in paths:
            if path in (searched if is_named else seen):
                continue
            seen.add(path)
            if not is_named:
                searched.add(path)
            yield Photograph(index, path, path, top_folder(path, location) if is_folder else "")
            index += 1
    if left_out := describe_left_out(folders):
        log.note(left_out)


def list_files(location: str) -> list[str]:
    """Return the files that a path, a folder, or a pattern stands for, sorted.

    Args:
        location: A file (it need not exist), a folder (see `search_folder`), or a pattern of `glob`'s,
            which may contain "**".

    Returns:
        Their paths.

    Raises:
        FileNotFoundError: A folder holds no photographs, or no file matches the pattern.
        PermissionError: A folder cannot be read.
    """
    return search_folder(location).paths if os.path.isdir(location) else _match_files(location)


def _match_files(location: str) -> list[str]:
    if os.path.exists(location) or not glob.has_magic(location):
        return [location]  # opening it will tell whether it can be read
    matches = [match for match in glob.glob(location, recursive=True) if not os.path.isdir(match)]
    if not matches:
        raise FileNotFoundError(f"{location}: no file matches this pattern")
    return sorted(matches)
