"""Sharded weights of Keras 3: an index, `NAME.weights.json`, and `NAME_00000.weights.h5`, … beside it."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import ModelFileError
from ..hdf5.file import File
from ..hdf5.merged import MergedSource, open_merged
from ..hdf5.source import Source
from ..limits import MAX_NAME_CHARACTERS, MAX_SHARDS
from .folder import locate_member
from .json_files import is_index, read_json_file


def list_shards(index: dict[str, Any], location: str) -> list[str]:
    """Return the file names of the shards that an index lists, each once, in order.

    Args:
        index: The index, as parsed JSON.
        location: Its name, for messages.

    Raises:
        ModelFileError: The index is damaged, lists too many files, or a file that is not beside it.
    """
    listed = index["weight_map"]
    if not isinstance(listed, dict):
        raise ModelFileError(f"{location}: 'weight_map' should be an object, found {type(listed).__name__}")
    names: dict[str, None] = {}
    for entry in listed.values():
        for name in entry if isinstance(entry, list) else [entry]:
            names[_check_name(name, location)] = None
            if len(names) > MAX_SHARDS:
                raise ModelFileError(f"{location}: lists more than {MAX_SHARDS} shards; refused")
    if not names:
        raise ModelFileError(f"{location}: lists no shards")
    return sorted(names)


def locate_shards(path: Path) -> list[Path]:
    """Return the paths of an index's shards, with links in the same folder followed.

    Raises:
        OSError: A shard is not a regular file.
        ModelFileError: The index is damaged or hostile, or a shard is missing.
    """
    index = read_json_file(path)
    if not is_index(index):
        raise ModelFileError(
            f"{path.name}: is the architecture of a model, and holds no weights; its weights are in another "
            f"file: load_model({path.name!r}, weights='model.h5')"
        )
    names = list_shards(index, path.name)
    missing = [name for name in names if not (path.parent / name).exists()]
    if missing:
        raise ModelFileError(
            f"{path.name}: {len(missing)} of its {len(names)} shards are not beside it: {missing[0]} is "
            "missing; copy all of them to the same folder, with the names that Keras gave them"
        )
    return [locate_member(path.parent, name) for name in names]


@contextmanager
def open_shards(path: Path) -> Iterator[tuple[File, MergedSource]]:
    """Open the shards of an index as one HDF5 file; yield it, and the source of its bytes."""
    sources = [Source(shard.name, shard) for shard in locate_shards(path)]
    with open_merged(path.name, path, sources) as opened:
        yield opened


def _check_name(name: Any, location: str) -> str:
    is_plain = (
        isinstance(name, str)
        and 0 < len(name) <= MAX_NAME_CHARACTERS
        and name.isprintable()
        and not set(name) & set("/\\:")
        and name.endswith(".h5")
    )
    if not is_plain:
        raise ModelFileError(
            f"{location}: a shard should be the name of an .h5 file in the same folder, got "
            f"{reprlib.repr(name)}"
        )
    return str(name)
