"""Several HDF5 files read as one: the shards of a model's weights.

A group of the whole has the entries of the groups at the same path in all files. An array is in one of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ModelFileError
from ...kernels import Array
from ...limits import format_bytes, format_limit, get_limits, memory_advice
from .array_reader import read_arrays
from .arrays import StoredArray, find_array
from .file import Group, list_entries, location, open_file, open_group
from .source import Source


@dataclass(frozen=True)
class MergedGroup:
    """The groups at one path of several files. It has what readers of an `h5py.Group` use.

    Attributes:
        groups: One of each file that has the path.
        filename: Name of the whole, for messages.
        attrs: None: each file has its own.
    """

    groups: Sequence[Group]
    filename: str
    attrs: Mapping[str, Any]

    @property
    def file(self) -> MergedGroup:
        """The whole, for its name."""
        return self

    @property
    def name(self) -> str:
        """Path in the files."""
        return str(self.groups[0].name) if self.groups else "/"

    def keys(self) -> list[str]:
        """Return the names of all entries."""
        return list(dict.fromkeys(name for group in self.groups for name in list_entries(group)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def open_group(self, name: str) -> MergedGroup:
        """Return the group at `name`; see `file.open_group`."""
        return MergedGroup([open_group(group, name) for group in self._holders(name)], self.filename, {})

    def find_array(self, name: str) -> StoredArray:
        """Return the array at `name`; see `arrays.find_array`."""
        holders = self._holders(name)
        if len(holders) > 1:
            raise ModelFileError(f"{location(self, name)}: is in more than one shard; refused")
        return find_array(holders[0], name)

    def _holders(self, name: str) -> list[Group]:
        encoded = name.encode("utf-8", "surrogateescape")
        holders = [group for group in self.groups if group.id.links.exists(encoded)]
        if not holders:
            raise ModelFileError(f"{location(self, name)}: is in none of the shards")
        return holders


@dataclass(frozen=True)
class MergedSource:
    """Where the bytes of several files are.

    Attributes:
        name: Of the whole, for messages.
        sources: One for each file, by the path that h5py has for it.
    """

    name: str
    sources: Mapping[str, Source]


@contextlib.contextmanager
def open_merged(name: str, path: Path, sources: Sequence[Source]) -> Iterator[tuple[Any, MergedSource]]:
    """Open several HDF5 files as one, with the limits of one.

    Args:
        name: Of the whole, for messages.
        path: Likewise, as the path of a file.
        sources: Where the bytes of each file are.

    Yields:
        The root group of the whole, and the source of its bytes.

    Raises:
        ModelFileError: A file is not HDF5, or is damaged.
    """
    with contextlib.ExitStack() as stack:
        files: list[Any] = []
        for source in sources:
            files.append(stack.enter_context(open_file(source, *files[:1])))
        by_path = {str(file.filename): source for file, source in zip(files, sources, strict=True)}
        yield MergedGroup(files, str(path), {}), MergedSource(name, by_path)


def read_merged(arrays: Sequence[StoredArray], source: MergedSource) -> tuple[list[Array], list[int]]:
    """Read arrays of several files; see `array_reader.read_arrays`."""
    needed = sum(4 * array.size for array in arrays)
    limit = get_limits().max_memory_bytes
    if needed > limit:
        raise ModelFileError(
            f"{source.name}: reading its weights takes {format_bytes(needed)} of memory; the limit is "
            f"{format_limit(limit)}. If you trust the file, raise it: {memory_advice(needed)}"
        )
    by_path: dict[str, list[int]] = {}
    for i, array in enumerate(arrays):
        by_path.setdefault(str(array.parent.file.filename), []).append(i)
    values: dict[int, Array] = {}
    not_finite: list[int] = []
    for path, indices in by_path.items():
        read, bad = read_arrays([arrays[i] for i in indices], source.sources[path])
        values |= zip(indices, read, strict=True)
        not_finite += [indices[i] for i in bad]
    return [values[i] for i in range(len(arrays))], sorted(not_finite)
