"""Batches of photographs: read one by one, computed together, with unreadable ones recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..limits import get_limits
from .failures import FailureLog
from .photographs import Photograph

if TYPE_CHECKING:
    from .images import ImageLike

#: Photographs computed at once: enough to keep every thread busy, few enough to show progress.
BATCH_SIZE = 16

T = TypeVar("T")
Result = TypeVar("Result")


class Progress(Protocol):
    """An object that shows the progress of a loop."""

    def advance(self, steps: int) -> None:
        """Add to the number of finished items."""

    def paused(self) -> AbstractContextManager[object]:
        """Clear the screen for other output within a `with` block."""


def compute_batches(
    photographs: Iterable[Photograph],
    load: Callable[[ImageLike], NDArray[Any]],
    compute: Callable[[NDArray[Any]], Result],
    log: FailureLog,
    progress: Progress,
    batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[list[Photograph], Result]]:
    """Read photographs and apply a function to their pixels, batch by batch.

    Args:
        photographs: The photographs.
        load: Reads one as pixels (height, width, channels).
        compute: Takes pixels (n, height, width, channels).
        log: Records the photographs that cannot be read.
        progress: Advanced by each batch.
        batch_size: Photographs per batch.

    Yields:
        The photographs of a batch that could be read, and what `compute` returned for them.
    """
    get_limits()  # an invalid environment variable is no photograph's fault
    for batch in batched(photographs, batch_size):
        read: list[Photograph] = []
        pixels = []
        for photograph in batch:
            try:
                pixels.append(load(photograph.source))
                read.append(photograph)
            except Exception as error:  # whatever a photograph raises is its own fault
                with progress.paused():
                    log.add(photograph.index, photograph.path, error)
        if read:
            result = compute(np.stack(pixels))
            with progress.paused():
                yield read, result
        progress.advance(len(batch))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
