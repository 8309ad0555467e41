"""HDF5 files, read as what they are: data from a stranger.

Nothing here follows a link out of the file, reads data that is stored elsewhere, or takes
anything but text for a name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from ..files import replacing

File: TypeAlias = "h5py.File"
Group: TypeAlias = "h5py.Group"

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class WeightsFileError(ValueError):
    """A weights file that cannot be read, or does not fit the model. The model is unchanged."""


@contextlib.contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[File]:
    """An HDF5 file for reading; whatever is wrong with it comes as one clear error."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, expected a weights file (.h5)")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such weights file")
    with path.open("rb") as stream:
        start = stream.read(64)
    if not start.startswith(SIGNATURE):
        raise WeightsFileError(f"{path.name}: is not an HDF5 file but {_describe(start)}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except WeightsFileError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError, OverflowError) as error:
        # All these are how h5py reports a broken file.
        raise WeightsFileError(
            f"{path.name}: a damaged or incomplete HDF5 file of {path.stat().st_size:,} bytes; "
            f"fetch or copy it again ({error})"
        ) from error


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[File]:
    """An HDF5 file for writing that takes its name only when it is complete."""
    with replacing(path) as unfinished, h5py.File(unfinished, "w") as file:
        yield file


def group(parent: Group, name: str) -> Group:
    """The group at `name` below `parent`."""
    found = follow(parent, name)
    if not isinstance(found, h5py.h5g.GroupID):
        raise WeightsFileError(f"{place(parent, name)}: expected a group")
    return h5py.Group(found)


def names(holder: Group, attribute: str) -> list[str]:
    """A list of names kept as an attribute; Keras splits long ones: name0, name1, …"""
    if attribute in holder.attrs:
        return _texts(holder, attribute)
    found: list[str] = []
    part = 0
    while f"{attribute}{part}" in holder.attrs:
        found += _texts(holder, f"{attribute}{part}")
        part += 1
    if not part:
        raise WeightsFileError(f"{place(holder)}: the attribute {attribute!r} is missing")
    return found


def has_names(holder: Group, attribute: str) -> bool:
    return attribute in holder.attrs or f"{attribute}0" in holder.attrs


def follow(parent: Group, name: str) -> Any:
    """What is at `name` below `parent`, as h5py's low-level object. No link leads elsewhere."""
    for path in accumulate(name.split("/"), "{}/{}".format):  # every link on the way
        try:
            link = parent.id.links.get_info(path.encode())
        except (KeyError, RuntimeError):
            raise WeightsFileError(f"{place(parent, name)}: is announced, but missing") from None
        if link.type != h5py.h5l.TYPE_HARD:
            raise WeightsFileError(f"{place(parent, name)}: is a link to elsewhere; refused")
    return h5py.h5o.open(parent.id, name.encode())


def _texts(holder: Group, attribute: str) -> list[str]:
    kind = holder.attrs.get_id(attribute).dtype
    if kind.kind != "S" and h5py.check_string_dtype(kind) is None and holder.attrs[attribute].size:
        raise WeightsFileError(f"{place(holder)}: the attribute {attribute!r} should hold text")
    values = np.atleast_1d(holder.attrs[attribute]).tolist()
    try:
        return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]
    except UnicodeDecodeError:
        raise WeightsFileError(f"{place(holder)}: the attribute {attribute!r} is not UTF-8") from None


def place(holder: Group, name: str = "") -> str:
    """Where something is, for messages: the file, and the path inside."""
    inside = "/".join(part for part in (holder.name.strip("/"), name) if part)
    file = Path(holder.file.filename).name
    return f"{file}, {inside!r}" if inside else file


def _describe(start: bytes) -> str:
    """What a file that is not HDF5 seems to be, by its first bytes."""
    text = start.lstrip().lower()
    if not start:
        return "an empty one"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, probably the answer to a download that failed"
    if start.startswith(b"PK"):
        return "a zip archive; a .keras file holds its weights inside, as model.weights.h5"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    return f"something else; it begins with {start[:8]!r}"
