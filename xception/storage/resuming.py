"""Resumable work on many photographs: rows are kept on disk until a file of them is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..console.progress import ProgressBar, Verbose
from ..data.failures import FailureLog
from ..data.photographs import Photograph
from ..data.pipeline import Progress
from ..kernels import Array
from .identity import Identify, identify_by_content
from .rows import DiskStore, RowStore

#: Computes the row (columns,) of each photograph, records what cannot be read, and advances the progress.
StreamRows = Callable[[Iterable[Photograph], FailureLog, Progress], Iterator[tuple[Photograph, Array]]]

#: Photographs whose rows are written together, and lost by an interruption: each write waits for the disk.
ROWS_PER_WRITE = 16


@dataclass(frozen=True)
class StoredRows:
    """Photographs whose rows are in a store, in the order in which they were given.

    Attributes:
        photographs: (n,) the photographs, without pixels.
        numbers: (n,) the row number of each in the store.
        reused: How many of them an earlier run had computed.
    """

    photographs: list[Photograph]
    numbers: list[int]
    reused: int


def collect(
    stream: StreamRows,
    photographs: Iterable[Photograph],
    store: RowStore,
    log: FailureLog,
    verbose: Verbose = "auto",
) -> StoredRows:
    """Compute the rows of photographs that are not in a store yet, and add them.

    Args:
        stream: Computes the rows.
        photographs: The photographs; a generator is read a few photographs ahead.
        store: Where rows are looked up and added.
        log: Records the photographs that cannot be read.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        Which row belongs to which photograph, for those that could be read.
    """
    rows: dict[int, tuple[Photograph, int]] = {}  # by the photograph's index

    def missing() -> Iterator[Photograph]:
        for photograph in photographs:
            number = store.find(photograph)
            if number is None:
                yield photograph
            else:
                rows[photograph.index] = _without_pixels(photograph), number
                bar.advance(1)

    def write() -> None:
        numbers = store.add(
            [photograph for photograph, _ in computed], np.stack([row for _, row in computed])
        )
        for (photograph, _), number in zip(computed, numbers, strict=True):
            rows[photograph.index] = photograph, number
        computed.clear()

    computed: list[tuple[Photograph, Array]] = []
    total = len(photographs) if isinstance(photographs, Sequence) else None
    with ProgressBar(total, "photo", verbose) as bar:
        try:
            for photograph, row in stream(missing(), log, bar):
                computed.append((_without_pixels(photograph), row))
                if len(computed) == ROWS_PER_WRITE:
                    write()
        finally:
            if computed:  # after an interruption, too
                write()
    order = sorted(rows)
    numbers = [rows[index][1] for index in order]
    reused = sum(0 <= number < store.recovered for number in numbers)
    return StoredRows([rows[index][0] for index in order], numbers, reused)


def _without_pixels(photograph: Photograph) -> Photograph:
    is_path = isinstance(photograph.source, str)
    return photograph if is_path else replace(photograph, source=None)


@contextmanager
def open_progress(
    output: Path, made_by: str, verify: bool, read_content: Identify = identify_by_content
) -> Iterator[DiskStore]:
    """Provide the store that keeps rows until a file is written: the folder `.NAME.progress` beside it.

    If the block succeeds, the folder is removed. Otherwise the same call resumes from it.

    Args:
        output: The file that the block writes.
        made_by: The `fingerprint` of what computes the rows.
        verify: Whether photographs are compared by their content.
        read_content: Returns a digest of the content of a photograph whose row is not there.

    Yields:
        The store.

    Raises:
        OSError: Another process or call is writing the file, or the folder cannot be written.
    """
    folder = output.with_name(f".{output.name}.progress")
    with DiskStore(folder, made_by, verify=verify, read_content=read_content) as store:
        try:
            yield store
        except BaseException:
            if not len(store):  # nothing to resume from
                store.remove()
            raise
        store.remove()
