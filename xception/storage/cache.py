"""Cache of rows that were computed of photographs, by the content of their files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from ..data.photographs import Photograph
from ..data.private_folders import PrivateFolder, check_cache
from ..kernels import Array
from ..limits import max_cache_bytes
from ..locks import OwnedLock
from ..models.pretrained import cache_dir
from .budget import CONTENTS, FEATURES, Budget
from .identity import identify_by_content, identify_by_status
from .rows import DiskStore, MemoryStore
from .segments import KEY_BYTES, SegmentedTable


class RowCache:
    """Rows of files in the cache folder, by the content of the file. Use it as a context manager.

    The folder is not touched before the first photograph that is a file. Where it cannot be written, or
    nothing more can be written to it, a warning says so once, and nothing more is added.

    Files are read to know their content, unless the cache knows it: it remembers the content of each path,
    size, dates and inode.

    Args:
        made_by: The `fingerprint` of what computes the rows, or a function that returns it.
        columns: Features per row.
        verify: Whether to read files even if their path, size, dates and inode are known.
        kind: "features" or "activations". Each kind has its own folder.

    Raises:
        ValueError: The environment variable XCEPTION_MAX_CACHE is not a number of bytes.
    """

    def __init__(
        self, made_by: str | Callable[[], str], columns: int, verify: bool = False, kind: str = FEATURES
    ) -> None:
        self._made_by, self._columns, self._kind, self._verify = made_by, columns, kind, verify
        self._max_bytes = max_cache_bytes()
        self._opened = ExitStack()
        self._rows: SegmentedTable | None = None
        self._known: SegmentedTable | None = None  # {digest of a file's status: content}
        self._lock = OwnedLock("a search in the cache of features")  # photographs are looked up on threads
        self._is_opened = self._max_bytes == 0
        self._is_writable = self._has_warned = False
        self._looked_up: dict[str, tuple[bytes | None, bytes | None]] = {}  # {path: (status, content)}

    def __enter__(self) -> RowCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def recovered(self) -> int:
        """How many rows earlier runs left; they have the first numbers."""
        return 0 if self._rows is None else self._rows.recovered

    def content(self, path: str) -> str | None:
        """Return a digest of a file's content, in hexadecimal digits; None if it cannot be read.

        Args:
            path: The file. It is identified before it is read, and only once until its row is added.
        """
        if path not in self._looked_up:
            status = identify_by_status(path)
            with self._lock.hold():
                self._open()
                known = self._known if status and not self._verify else None
                number = known.find(status) if known and status else None
                content = known.read(number) if known and number is not None else None
            if content is None:
                digest = identify_by_content(path)
                content = bytes.fromhex(digest) if digest else None
                if status and content and self._is_writable:
                    self._write(self._known, [status], [content])
            self._looked_up[path] = status, content
        content = self._looked_up[path][1]
        return content.hex() if content else None

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none, or it is damaged."""
        if not isinstance(photograph.source, str) or self._max_bytes == 0:
            return None
        content = self.content(photograph.source)
        if content is None or self._rows is None:
            return None
        with self._lock.hold():
            number = self._rows.find(bytes.fromhex(content))
        if number is not None:
            self._looked_up.pop(photograph.source, None)
        elif self._rows.is_damaged and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"the cache holds damaged features, such as those of {photograph.path}; they are computed "
                "again",
                stacklevel=3,
            )
        return number

    def add(self, photographs: Sequence[Photograph], rows: Array) -> list[int | None]:
        """Write the rows (n, columns) of n photographs that were looked up before.

        Returns:
            The number of each row; None if it is not cached.
        """
        positions, contents = [], []
        for position, photograph in enumerate(photographs):
            if isinstance(photograph.source, str):
                status, content = self._looked_up.pop(photograph.source, (None, None))
                # A file that was written to after it was identified has the row of another content.
                if content and (status is None or status == identify_by_status(photograph.source)):
                    positions.append(position)
                    contents.append(content)
        numbers: list[int | None] = [None] * len(photographs)
        if self._is_writable and positions:
            values = np.ascontiguousarray(rows[positions], "<f4")
            stored = self._write(self._rows, contents, [value.tobytes() for value in values])
            for position, number in zip(positions, stored, strict=False):
                numbers[position] = number
        return numbers

    def row(self, number: int) -> Array:
        """Return a row (columns,), float32."""
        assert self._rows is not None
        with self._lock.hold():
            return np.frombuffer(self._rows.read(number), "<f4")

    def _open(self) -> None:
        if self._is_opened:
            return
        self._is_opened = True
        try:
            root = cache_dir()
            check_cache(root)
            budget = Budget(root, self._max_bytes)
            made_by = self._made_by if isinstance(self._made_by, str) else self._made_by()
            self._known = self._open_table(budget, FEATURES, CONTENTS, KEY_BYTES)
            self._rows = self._open_table(budget, self._kind, made_by, 4 * self._columns)
            self._is_writable = True
        except OSError as error:  # it cannot be written
            self._opened.close()
            self._known = self._rows = None
            advice = "XCEPTION_CACHE_DIR chooses another folder; XCEPTION_MAX_CACHE=0 caches nothing"
            warnings.warn(f"features are not cached: {error}. {advice}", stacklevel=4)

    def _open_table(self, budget: Budget, kind: str, name: str, value_bytes: int) -> SegmentedTable:
        root = cache_dir()
        with PrivateFolder(root / kind) as outer:
            folder = PrivateFolder(outer.path / name, outer)
        self._opened.callback(folder.close)
        table = SegmentedTable(folder, name, value_bytes, budget)
        self._opened.callback(table.close)
        return table

    def _write(
        self, table: SegmentedTable | None, keys: Sequence[bytes], values: Sequence[bytes]
    ) -> Sequence[int]:
        assert table is not None
        try:
            with self._lock.hold():
                return table.add(keys, values)
        except OSError as error:  # the cache or its disk is full
            self._is_writable = False
            warnings.warn(f"features are no longer cached: {error}", stacklevel=4)
            return ()


class CacheStore:
    """Rows of files in the cache; other rows, such as those of images in memory, are kept in memory.

    Use it as a context manager.

    Args:
        made_by: As for `RowCache`.
        columns: Features per row.
        verify: As for `RowCache`.
    """

    def __init__(self, made_by: str | Callable[[], str], columns: int, verify: bool = False) -> None:
        self._columns = columns
        self._cache = RowCache(made_by, columns, verify)
        self._memory = MemoryStore(columns)

    def __enter__(self) -> CacheStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.__exit__()

    @property
    def recovered(self) -> int:
        """How many rows earlier runs left."""
        return self._cache.recovered

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none."""
        return self._cache.find(photograph)

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers, negative for memory."""
        numbers = self._cache.add(photographs, rows)
        others = [i for i, number in enumerate(numbers) if number is None]
        in_memory = iter(self._memory.add([photographs[i] for i in others], rows[others]))
        return [~next(in_memory) if number is None else number for number in numbers]

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        values = np.empty((len(numbers), self._columns), np.float32)
        in_memory = [i for i, number in enumerate(numbers) if number < 0]
        values[in_memory] = self._memory.take([~numbers[i] for i in in_memory])
        for i, number in enumerate(numbers):
            if number >= 0:
                values[i] = self._cache.row(number)
        return values


class CachedDiskStore:
    """Rows in a folder on disk, and in the cache. Use it as a context manager.

    The folder alone is enough to resume from. Rows that it lacks are copied from the cache.

    Args:
        disk: The rows in the folder, which is opened and closed elsewhere.
        cache: The cache.

    Attributes:
        recovered: How many rows an earlier run left in the folder.
        copied: How many rows of earlier runs were copied from the cache.
    """

    def __init__(self, disk: DiskStore, cache: RowCache) -> None:
        self._disk, self._cache = disk, cache
        self._lock = OwnedLock("a search in stored features")  # photographs are looked up on threads
        self.recovered, self.copied = disk.recovered, 0

    def find(self, photograph: Photograph) -> int | None:
        """Return the number of a photograph's row; None if there is none."""
        number = self._disk.find(photograph)
        if number is None:
            cached = self._cache.find(photograph)
            if cached is not None:
                row = self._cache.row(cached)
                with self._lock.hold():
                    (number,) = self._disk.add([photograph], row[np.newaxis])
                self.copied += cached < self._cache.recovered
        return number

    def add(self, photographs: Sequence[Photograph], rows: Array) -> Sequence[int]:
        """Store the rows (n, columns) of n photographs; return their numbers."""
        with self._lock.hold():
            numbers = self._disk.add(photographs, rows)
        self._cache.add(photographs, rows)
        return numbers

    def take(self, numbers: Sequence[int]) -> Array:
        """Return a copy of rows (len(numbers), columns), float32."""
        return self._disk.take(numbers)
