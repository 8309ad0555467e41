"""Cache of rows that were computed of photographs, by the content of their files."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence

import numpy as np

from ..data.photographs import Photograph
from ..data.private_folders import PrivateFolder, check_cache
from ..kernels import Array
from ..models.pretrained import cache_dir
from .identity import identify_by_content
from .rows import DiskStore, MemoryStore


class CacheStore:
    """Rows of files in the cache folder, by their content; rows of all other images in memory.

    Use it as a context manager. The folder is not touched before the first photograph that is a file.
    Where it cannot be written, or another call is writing to it, a warning says so, and all rows are in
    memory.

    Args:
        made_by: The `fingerprint` of what computes the rows.
        columns: Features per row.
    """

    def __init__(self, made_by: str, columns: int) -> None:
        self._made_by, self._columns = made_by, columns
        self._memory = MemoryStore(columns)
        self._disk: DiskStore | None = None
        self._is_opened = False
        self._is_full = False  # no more rows can be written

    def __enter__(self) -> CacheStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._disk is not None:
            with contextlib.suppress(OSError) if self._is_full else contextlib.nullcontext():
                self._disk.__exit__()

    @property
    def recovered(self) -> int:
        """How many rows earlier runs left."""
        return 0 if self._disk is None else self._disk.recovered

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none."""
        disk = self._open() if isinstance(photograph.source, str) else None
        return None if disk is None else disk.find(photograph)

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers, negative for memory."""
        by_position: dict[int, int] = {}
        if self._disk is not None and not self._is_full:
            cached = [i for i, photograph in enumerate(photographs) if isinstance(photograph.source, str)]
            try:
                stored = self._disk.add([photographs[i] for i in cached], rows[cached])
                by_position.update(zip(cached, stored, strict=True))
            except OSError as error:  # the disk is full
                self._is_full = True
                warnings.warn(f"features are no longer cached: {error}", stacklevel=2)
        others = [i for i in range(len(photographs)) if i not in by_position]
        numbers = self._memory.add([photographs[i] for i in others], rows[others])
        by_position.update(zip(others, (~number for number in numbers), strict=True))
        return [by_position[i] for i in range(len(photographs))]

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        values = np.empty((len(numbers), self._columns), np.float32)
        on_disk = [i for i, number in enumerate(numbers) if number >= 0]
        in_memory = [i for i, number in enumerate(numbers) if number < 0]
        values[in_memory] = self._memory.take([~numbers[i] for i in in_memory])
        if self._disk is not None:
            rows = self._disk.rows()
            for i in on_disk:
                values[i] = rows[numbers[i]]
        return values

    def _open(self) -> DiskStore | None:
        if not self._is_opened:
            self._is_opened = True
            try:
                root = cache_dir()
                check_cache(root)
                with PrivateFolder(root / "features") as features:
                    folder = PrivateFolder(features.path / self._made_by, features)
                self._disk = DiskStore(folder, self._made_by, identify_by_content).__enter__()
            except OSError as error:  # it cannot be written, or another process is writing to it
                warnings.warn(f"features are not cached: {error}", stacklevel=2)
        return self._disk
