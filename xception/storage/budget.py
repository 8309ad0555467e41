"""Budget of the cache: its size, deletion of the least recently used, and clearing.

The unit that is counted and deleted is the files of one name in a folder of the cache, such as both files of
a segment. The date of its files is when it was last used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..console.tables import lay_out_facts
from ..console.text import count_of
from ..console.text_layout import PLAIN, TextLayout
from ..data.private_folders import PrivateFolder, lock
from ..limits import format_bytes, max_cache_bytes
from ..models.pretrained import CLASSIFIER, cache_dir
from .segments import ENTRY_BYTES, INDEX_SUFFIX, ROWS_SUFFIX

#: Folders of the cache that the budget is for. Downloaded weights are in none of them.
FEATURES, ACTIVATIONS = KINDS = ("features", "activations")
CONTENTS = "contents"  #: the table in `features` that knows the content of files, for all models

#: Space is reserved in steps of this share of the budget. Each process may exceed the budget by one step.
STEPS_PER_CACHE = 1024

#: Nothing is cached if less than this would remain on the disk, which other programs and the output need.
MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Unit:
    """Files that are used and deleted together.

    Attributes:
        kind: "features" or "activations".
        table: The folder that they are in.
        names: Their names.
        size: In bytes.
        used: When they were last used, in nanoseconds.
        rows: How many rows they hold.
    """

    kind: str
    table: str
    names: tuple[str, ...]
    size: int
    used: int
    rows: int


class Budget:
    """Reserves space in the cache for one process.

    Args:
        root: The cache folder.
        max_bytes: The budget.

    Attributes:
        max_bytes: See the argument.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root, self.max_bytes = root, max_bytes
        self._reserved = 0

    def reserve(self, size: int) -> None:
        """Reserve a number of bytes, after deleting the least recently used units if needed.

        Raises:
            OSError: There is no space: all remaining units are in use, or the disk is almost full.
        """
        if size > self._reserved:
            step = max(size, self.max_bytes // STEPS_PER_CACHE)
            if step > self.max_bytes:
                raise OSError(f"{format_bytes(size)} are more than XCEPTION_MAX_CACHE allows in all")
            if shutil.disk_usage(self._root).free < MIN_FREE_BYTES + step:
                free = format_bytes(MIN_FREE_BYTES)
                raise OSError(f"{self._root}: less than {free} would be free on this disk")
            units = list_units(self._root)
            excess = sum(unit.size for unit in units) + step - self.max_bytes
            for unit in sorted(units, key=lambda unit: unit.used):
                if excess <= 0:
                    break
                if _delete(self._root, unit):
                    excess -= unit.size
            if excess > 0:
                raise OSError(
                    f"{self._root}: is full ({format_bytes(self.max_bytes)}), and all in it is in use; "
                    "XCEPTION_MAX_CACHE=20GB, for example, allows more"
                )
            self._reserved = step
        self._reserved -= size


def list_units(root: Path) -> list[Unit]:
    """List the units in the cache, without files that belong to other users."""
    units = []
    for kind in KINDS:
        for folder in _tables(root, kind):
            files: dict[str, dict[str, os.stat_result]] = defaultdict(dict)
            for name in folder.names():
                with contextlib.suppress(FileNotFoundError):  # another process has deleted it
                    status = folder.status(name)
                    if stat.S_ISREG(status.st_mode):
                        files[_stem(name)][name] = status
            for group in files.values():
                size = sum(status.st_size for status in group.values())
                used = max(status.st_mtime_ns for status in group.values())
                rows = sum(
                    status.st_size // ENTRY_BYTES
                    for name, status in group.items()
                    if name.endswith(INDEX_SUFFIX)
                )
                units.append(Unit(kind, folder.path.name, tuple(sorted(group)), size, used, rows))
    return units


def _stem(name: str) -> str:
    return name.removesuffix(INDEX_SUFFIX).removesuffix(ROWS_SUFFIX)


def _tables(root: Path, kind: str, table: str | None = None) -> Iterator[PrivateFolder]:
    """Open each folder of a kind that is the user's own, one after the other; or a certain one."""
    if not (root / kind).is_dir():
        return
    with contextlib.suppress(OSError), PrivateFolder(root / kind) as outer:
        for name in sorted(outer.names()) if table is None else [table]:
            with ExitStack() as opened:
                try:
                    if not stat.S_ISDIR(outer.status(name).st_mode):
                        continue
                    folder = opened.enter_context(PrivateFolder(outer.path / name, outer))
                except OSError:  # a link, or another user's
                    continue
                yield folder


def _delete(root: Path, unit: Unit) -> bool:
    """Delete a unit; return False if it is in use."""
    for folder in _tables(root, unit.kind, unit.table):
        with ExitStack() as streams:
            try:
                for name in unit.names:
                    lock(streams.enter_context(folder.open_file(name, "r+b")))
                folder.delete(*unit.names)
            except FileNotFoundError:  # another process was quicker
                return True
            except OSError:  # it is in use: locked, or, on Windows, open
                return False
    return True


# --- for users ------------------------------------------------------------------------------


@dataclass(frozen=True)
class CacheInfo:
    """What `xception.cache_info` returns. `print` shows it as text.

    Attributes:
        folder: The cache folder.
        features_bytes: Size of the features.
        activations_bytes: Size of the activations.
        weights_bytes: Size of the downloaded weights.
        rows: Photographs whose features are kept; once for each model.
        models: Models whose features are kept; the same one counts again for other layers, pooling or
            preprocessing.
        max_bytes: The budget for features and activations; 0 if none are kept.
    """

    folder: Path
    features_bytes: int
    activations_bytes: int
    weights_bytes: int
    rows: int
    models: int
    max_bytes: int

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the figures as text, for a terminal within its width."""
        rows = f" ({count_of(self.rows, 'photograph')}, {count_of(self.models, 'model')})"
        budget = format_bytes(self.max_bytes) if self.max_bytes else "0: nothing is cached"
        facts = [
            ("folder", str(self.folder)),
            ("features", f"{format_bytes(self.features_bytes)}{rows if self.rows else ''}"),
            ("activations", format_bytes(self.activations_bytes)),
            ("weights", f"{format_bytes(self.weights_bytes)} (downloads are not part of the budget)"),
            ("budget", f"{budget} (XCEPTION_MAX_CACHE)"),
        ]
        return "\n".join(lay_out_facts(facts, layout))


@dataclass(frozen=True)
class ClearedCache:
    """What `xception.clear_cache` returns. `print` shows it as text.

    Attributes:
        folder: The cache folder.
        freed_bytes: Size of the deleted files.
        kept_bytes: Size of the files that are in use, and were not deleted.
    """

    folder: Path
    freed_bytes: int
    kept_bytes: int

    def __str__(self) -> str:
        kept = f"; {format_bytes(self.kept_bytes)} are in use, and stay" if self.kept_bytes else ""
        return f"{self.folder}: {format_bytes(self.freed_bytes)} freed{kept}"


def cache_info() -> CacheInfo:
    """Return the size and the budget of the cache folder.

    Computed features are kept there for later calls of `features`, `similar` and `fit`. Where they would
    exceed the budget, the least recently used are deleted.

    Raises:
        ValueError: The environment variable XCEPTION_MAX_CACHE is not a number of bytes.
        DownloadError: There is no cache folder; the message says how to set one.

    Examples:
        >>> import xception
        >>> print(xception.cache_info())  # doctest: +SKIP
        folder       /home/user/.cache/xception
        features     1.2GB (146,484 photographs, 2 models)
        activations  0B
        weights      91.9MB (downloads are not part of the budget)
        budget       10.8GB (XCEPTION_MAX_CACHE)
    """
    root = cache_dir()
    units = list_units(root)
    sizes = {kind: sum(unit.size for unit in units if unit.kind == kind) for kind in KINDS}
    features = [unit for unit in units if unit.kind == FEATURES and unit.table != CONTENTS and unit.rows]
    try:
        weights_bytes = (root / CLASSIFIER.name).stat().st_size
    except OSError:
        weights_bytes = 0
    return CacheInfo(
        root, sizes[FEATURES], sizes[ACTIVATIONS], weights_bytes, sum(unit.rows for unit in features),
        len({unit.table for unit in features}), max_cache_bytes(),
    )  # fmt: skip


def clear_cache() -> ClearedCache:
    """Delete computed features and activations from the cache folder, except those that are in use.

    Downloaded weights stay.

    Returns:
        How much was freed, and how much is in use by this or another process and stays.

    Raises:
        DownloadError: There is no cache folder; the message says how to set one.
    """
    root = cache_dir()
    freed = kept = 0
    for unit in list_units(root):
        if _delete(root, unit):
            freed += unit.size
        else:
            kept += unit.size
    for kind in KINDS:
        for folder in _tables(root, kind):
            with contextlib.suppress(BlockingIOError):  # a process is going to write there
                if folder.lock():
                    folder.remove()
    return ClearedCache(root, freed, kept)
