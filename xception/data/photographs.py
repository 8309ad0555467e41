"""Collections of photographs: folders, patterns, files, arrays, and generators of these."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .failures import FailureLog
from .folders import FolderContents, describe_left_out, search_folder
from .image_formats import SUFFIXES
from .locations import check_location, exists, is_folder, is_remote, local_path, match_pattern
from .url_schemes import WEB_SCHEMES, scheme_of

if TYPE_CHECKING:
    from .images import ImageLike

    #: One photograph, a folder or pattern of them, or several of all these.
    ImagesLike = ImageLike | Iterable[ImageLike]


@dataclass(frozen=True, slots=True)
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


class PhotographList(Sequence[Photograph]):
    """A sequence of photographs that makes each when it is asked for: a million take little but their paths.

    Args:
        sources: What `load_image` reads of each.
        labels: The label of each.
    """

    def __init__(self, sources: list[Any], labels: list[str]) -> None:
        self.labels = labels
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Photograph: ...
    @overload
    def __getitem__(self, index: slice) -> list[Photograph]: ...
    def __getitem__(self, index: int | slice) -> Photograph | list[Photograph]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]  # counts negative ones from the end
        return _photograph(index, self._sources[index], self.labels[index])

    def __iter__(self) -> Iterator[Photograph]:
        return map(_photograph, range(len(self)), self._sources, self.labels)


def _photograph(index: int, source: Any, label: str) -> Photograph:
    if isinstance(source, str):
        return Photograph(index, source, source, label)
    name = getattr(source, "name", None)
    return Photograph(index, source, name if isinstance(name, str) else None, label)


def find_photographs(
    images: ImagesLike, log: FailureLog, folders: list[FolderContents] | None = None
) -> Sequence[Photograph] | Iterator[Photograph]:
    """List the photographs that `images` stands for.

    A folder stands for all photographs below it, sorted by path, without hidden files; a warning counts the
    other files. A file that folders or patterns list several times is taken once; a file that is named
    explicitly is taken each time. An array (n, h, w, c) is n photographs. Paths may be URLs; one with the
    suffix of a photograph is never taken for a folder, and web servers have none.

    Args:
        images: A path, a folder, a pattern, bytes, an open file, a PIL image, an array, or an iterable
            of these.
        log: Records folders and patterns without photographs, and warns of what is left out.
        folders: If given, the contents of each folder are appended to it.

    Returns:
        A sequence of the photographs; of a generator an iterator, which takes one image at a time.

    Raises:
        MissingPackageError: A package is needed for a URL that is not installed.
        TypeError: `images` is none of these.
    """
    folders = [] if folders is None else folders
    if isinstance(images, Iterator) and not hasattr(images, "read"):
        return _number(_expand(images, log, folders))
    groups = _expand(_as_iterable(images), log, folders)
    sources, labels = next(groups, ([], []))
    is_shared = True  # with the contents of a folder, which are copied only if there is more
    for more_sources, more_labels in groups:
        if is_shared:
            sources, labels, is_shared = sources.copy(), labels.copy(), False
        sources += more_sources
        labels += more_labels
    return PhotographList(sources, labels)


def list_files(paths: Iterable[str]) -> Sequence[Photograph]:
    """List photographs by their paths, one for each, whose labels are kept elsewhere.

    Unlike with `find_photographs`, no path stands for several photographs or for none: what is a folder, or
    does not exist, is an error when it is read.

    Args:
        paths: Local paths or URLs.

    Raises:
        MissingPackageError: A package is needed for a URL that is not installed.
    """
    sources, schemes = [], set()
    for path in paths:
        if not is_remote(path):
            path = local_path(path)
        elif (scheme := scheme_of(path)) not in schemes:
            check_location(path)
            schemes.add(scheme)
        sources.append(path)
    return PhotographList(sources, [""] * len(sources))


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


def _number(groups: Iterable[tuple[list[Any], list[str]]]) -> Iterator[Photograph]:
    photographs = ((source, label) for group in groups for source, label in zip(*group, strict=True))
    for index, (source, label) in enumerate(photographs):
        yield _photograph(index, source, label)


def _expand(
    images: Iterable[ImageLike], log: FailureLog, folders: list[FolderContents]
) -> Iterator[tuple[list[Any], list[str]]]:
    """Yield the sources that each image stands for, and their labels."""
    named: set[str] = set()
    searched: set[str] = set()  # by folders and patterns
    waiting: list[str] = []  # to be added to `searched`, if there is a further image
    schemes: set[str] = set()  # whose packages are installed
    for image in images:
        if not isinstance(image, str | os.PathLike):
            yield [image], [""]
            continue
        searched.update(waiting)
        waiting = []
        location = os.fspath(image)
        try:
            if is_remote(location):
                if (scheme := scheme_of(location)) not in schemes:
                    check_location(location)
                    schemes.add(scheme)
            else:
                location = local_path(location)
            is_searched = _is_folder(location)
            if is_searched:
                folders.append(search_folder(location))
            paths = folders[-1].paths if is_searched else _match_files(location)
        except (OSError, ValueError) as error:
            log.add(None, location, error)
            continue
        labels = folders[-1].labels if is_searched else [""] * len(paths)
        if paths == [location]:
            if location not in searched:
                named.add(location)
                yield paths, labels
            continue
        if named or searched:
            chosen = [n for n, path in enumerate(paths) if path not in named and path not in searched]
            paths, labels = [paths[n] for n in chosen], [labels[n] for n in chosen]
        waiting = paths
        yield paths, labels
    if left_out := describe_left_out(folders):
        log.note(left_out)


def _is_folder(location: str) -> bool:
    """Whether a path or URL is a folder. URLs with the suffix of a photograph are not: asking takes time."""
    if not is_remote(location):
        return os.path.isdir(location)
    if scheme_of(location) in WEB_SCHEMES:
        return False
    is_file = _is_pattern(location) or os.path.splitext(location.lower())[1] in SUFFIXES
    return location.endswith("/") or (not is_file and is_folder(location))


def _is_pattern(location: str) -> bool:
    """Whether a path or URL looks like a pattern. In the URLs of web servers, "?" begins a query."""
    return glob.has_magic(location) and not (is_remote(location) and scheme_of(location) in WEB_SCHEMES)


def _match_files(location: str) -> list[str]:
    if not _is_pattern(location):
        return [location]  # opening it will tell whether it can be read
    if exists(location):
        return [location]
    if is_remote(location):
        matches = match_pattern(location)
    else:
        matches = [match for match in glob.glob(location, recursive=True) if not os.path.isdir(match)]
    if not matches:
        raise FileNotFoundError(f"{location}: no file matches this pattern")
    return sorted(matches)
