"""Rows of features with their photographs, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...kernels import Array
from ...storage.parquet import chunk_rows

Chunk = tuple[Sequence[str], Sequence[str], Array]


@dataclass(frozen=True)
class Table:
    """Rows of features that a file is written of.

    Attributes:
        paths: (n,) the path of each photograph; "" for images that did not come from a file.
        labels: (n,) the label of each; "" for none.
        names: (d,) the name of each feature.
        blocks: Called without arguments, it returns or yields the rows: float32 arrays (m, d), n rows in
            all. So rows may come from an array, from a store on disk, or from the parts of a job.
    """

    paths: Sequence[str]
    labels: Sequence[str]
    names: Sequence[str]
    blocks: Callable[[], Iterable[Array]]

    @classmethod
    def of_array(
        cls,
        paths: Sequence[str],
        labels: Sequence[str],
        names: Sequence[str],
        rows: Array,
        order: Sequence[int],
    ) -> Table:
        """Make a table of an array: `rows[order[i]]` belongs to `paths[i]`.

        Args:
            paths: See the attribute.
            labels: See the attribute.
            names: See the attribute.
            rows: (any number, d) float32, perhaps on disk.
            order: (n,) the row of each photograph.
        """

        def blocks() -> Iterator[Array]:
            size = chunk_rows(len(names))
            for start in range(0, len(order), size):
                yield np.asarray(rows[list(order[start : start + size])])

        return cls(paths, labels, names, blocks)

    @property
    def is_labeled(self) -> bool:
        """Whether any photograph has a label."""
        return any(self.labels)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the paths, labels and features (m, d) of some photographs at a time.

        Raises:
            ValueError: There are more or fewer rows than paths.
        """
        start = 0
        for rows in self.blocks():
            part = slice(start, start + len(rows))
            start += len(rows)
            if start <= len(self.paths):
                yield self.paths[part], self.labels[part], rows
        if start != len(self.paths):
            raise ValueError(f"expected features of {len(self.paths):,} photographs, got {start:,} rows")

    def groups(self, size: int) -> Iterator[Chunk]:
        """Yield the same as `chunks`, `size` photographs at a time; the last group has fewer.

        Args:
            size: Photographs in a group.

        Yields:
            Paths, labels and features. The array is used again for the next group.
        """
        group = np.empty((min(size, len(self.paths)), len(self.names)), np.float32)
        done = filled = 0
        for _, _, rows in self.chunks():
            while len(rows):
                taken = rows[: size - filled]
                group[filled : filled + len(taken)] = taken
                filled += len(taken)
                rows = rows[len(taken) :]
                if filled in (size, len(self.paths) - done):
                    part = slice(done, done + filled)
                    yield self.paths[part], self.labels[part], group[:filled]
                    done, filled = done + filled, 0
