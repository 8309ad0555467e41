"""Folders of photographs: which files are photographs, and what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import printable
from .image_formats import SIGNATURE_BYTES, SUFFIXES, find_format
from .regular_files import open_regular_file

ARCHIVE_FOLDER = "__MACOSX"  #: added to zip files by macOS; holds no photographs
#: Names without suffix of files that are not counted: files of Windows, and notes about a folder.
UNCOUNTED = frozenset({"thumbs", "desktop", "readme", "license", "licence", "attribution"})
MAX_SUFFIX_CHARACTERS = 16  #: anything longer is part of a name that contains a dot
MAX_SUFFIXES_SHOWN = 10


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds, at any depth.

    Attributes:
        folder: The folder.
        paths: Its photographs, sorted.
        left_out: How many other files there are, by their sub-folder ("" for none) and suffix.
        sub_folders: The names of its sub-folders.
        skipped: The names of further ones that are not searched: hidden ones, and `__MACOSX`.
    """

    folder: str
    paths: list[str]
    left_out: Counter[tuple[str, str]]
    sub_folders: list[str]
    skipped: list[str]

    def counts(self, sub_folder: str | None = None) -> Counter[str]:
        """Return how many other files there are by suffix, in one sub-folder or (None) in all."""
        counts: Counter[str] = Counter()
        for (name, suffix), count in self.left_out.items():
            if sub_folder in (None, name):
                counts[suffix] += count
        return counts


def search_folder(folder: str) -> FolderContents:
    """Find the photographs in a folder at any depth, by their suffixes.

    Hidden files and folders are passed over, and links to folders are followed once.

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: It holds no photographs; the message says what it holds.
        PermissionError: It cannot be read.
    """
    if not os.access(folder, os.R_OK | os.X_OK):
        raise PermissionError(f"{folder}: no permission to read this folder")
    contents = FolderContents(folder, [], Counter(), [], [])
    visited: set[str] = set()  # links may lead in circles
    for parent, folders, names in os.walk(folder, followlinks=True):
        resolved = os.path.realpath(parent)
        if resolved in visited:
            folders[:] = []
            continue
        visited.add(resolved)
        skipped = [name for name in folders if name.startswith(".") or name == ARCHIVE_FOLDER]
        folders[:] = [name for name in folders if name not in skipped]
        if parent == folder:
            contents.sub_folders.extend(sorted(folders))
            contents.skipped.extend(sorted(skipped))
        label = top_folder(os.path.join(parent, "file"), folder)
        for name in names:
            if name.startswith("."):
                continue
            path = os.path.join(parent, name)
            stem, suffix = os.path.splitext(name.lower())
            if _is_photograph(path, suffix):
                contents.paths.append(path)
            elif stem not in UNCOUNTED:
                contents.left_out[label, suffix if len(suffix) <= MAX_SUFFIX_CHARACTERS else ""] += 1
    if not contents.paths:
        only = f", only {describe_counts(contents.counts())}" if contents.left_out else ""
        raise FileNotFoundError(f"{folder}: there are no photographs in this folder{only}")
    contents.paths.sort()
    return contents


def top_folder(path: str, folder: str) -> str:
    """Return the sub-folder of a folder that a file is in, at any depth; "" if it is in none."""
    name, separator, _ = os.path.relpath(path, folder).partition(os.sep)
    return name if separator else ""


def _is_photograph(path: str, suffix: str) -> bool:
    """Whether a file is taken for a photograph, though perhaps a damaged one."""
    image_format = SUFFIXES.get(suffix)
    if image_format is None or image_format.is_installed:
        return image_format is not None
    try:  # It may hold another format: telephones and messengers name JPEG files ".heic".
        with open_regular_file(path) as stream:
            found = find_format(stream.read(SIGNATURE_BYTES))
    except OSError:
        return False
    return found is not None and found.is_installed


def describe_counts(counts: Counter[str]) -> str:
    """Return how many files there are by suffix: "9 .txt, 3 .mov", the most frequent first.

    If what would read some of them is not installed, the text says how to install it.
    """
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in ordered[:MAX_SUFFIXES_SHOWN]]
    if rest := sum(count for _, count in ordered[MAX_SUFFIXES_SHOWN:]):
        shown.append(f"{rest:,} with other suffixes")
    text = printable(", ".join(shown))
    missing = {SUFFIXES[suffix].advice: suffix for suffix, _ in reversed(ordered) if suffix in SUFFIXES}
    return "; ".join([text, *(f"to read {suffix}: {advice}" for advice, suffix in missing.items())])


def describe_left_out(folders: Iterable[FolderContents]) -> str:
    """Return "left out 12 other files: 9 .txt, 3 .mov" of folders that were searched; "" if none are."""
    counts = sum((contents.counts() for contents in folders), Counter[str]())
    count = counts.total()
    return f"left out {count:,} other file{'s' * (count != 1)}: {describe_counts(counts)}" if count else ""


def describe_classes(folders: Iterable[FolderContents]) -> list[str]:
    """Return which sub-folders of folders that were searched are no classes, as sentences for warnings."""
    skipped: list[str] = []
    empty: list[str] = []
    for contents in folders:
        skipped += contents.skipped
        used = {top_folder(path, contents.folder) for path in contents.paths}
        for name in contents.sub_folders:
            if name not in used:
                counts = contents.counts(name)
                empty.append(f"{name} (only {describe_counts(counts)})" if counts else name)
    notes = [f"skipped the folder{'s' * (len(skipped) > 1)} {', '.join(skipped)}"] if skipped else []
    return notes + (
        [f"no photographs in the folder{'s' * (len(empty) > 1)} {', '.join(empty)}"] if empty else []
    )
