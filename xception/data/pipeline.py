"""A pipeline over photographs: read and computed side by side, delivered in order, one at a time.

Each thread takes a photograph, reads it, and computes it. The caller's thread is one of them: while it waits
for the next result, it works on a later photograph.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeGuard, TypeVar, cast

import numpy as np

from ..engine.cpus import get_num_threads
from ..engine.lanes import enter_lane, is_in_lane
from ..errors import raise_first
from ..limits import get_limits
from ..locks import OwnedLock
from .failures import FailureLog
from .image_memory import reuse_image_memory
from .photographs import Photograph

if TYPE_CHECKING:
    from .images import ImageLike

#: Photographs per thread that are taken before the first of them is delivered. Enough that no thread waits
#: for one that takes long.
AHEAD_PER_THREAD = 4

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Result = TypeVar("Result")

#: Open files and PIL images may be given several times, but not be read by several threads.
_object_lock = OwnedLock("reading an open file or an image")

#: Python starts threads under a lock of its own.
_starting = OwnedLock("a prediction of several photographs")


class Progress(Protocol):
    """An object that shows the progress of a loop."""

    def advance(self, steps: int) -> None:
        """Add to the number of finished items."""

    def paused(self) -> AbstractContextManager[object]:
        """Clear the screen for other output within a `with` block."""


def stream_photographs(
    photographs: Iterable[Photograph],
    load: Callable[[ImageLike], Loaded],
    compute: Callable[[Loaded], Result],
    log: FailureLog,
    progress: Progress,
    at_once: int | None = None,
) -> Iterator[tuple[Photograph, Result]]:
    """Read photographs and apply a function to each, as `stream_outcomes` does; log the unreadable ones.

    Args:
        photographs: See `stream_outcomes`.
        load: See `stream_outcomes`.
        compute: See `stream_outcomes`.
        log: Records the photographs that cannot be read.
        progress: See `stream_outcomes`.
        at_once: See `stream_outcomes`.

    Yields:
        Each photograph that could be read, in order, and what `compute` returned.
    """
    return log_unreadable(stream_outcomes(photographs, load, compute, progress, at_once), log)


def log_unreadable(
    outcomes: Generator[tuple[Photograph, Result | Exception]], log: FailureLog
) -> Iterator[tuple[Photograph, Result]]:
    """Yield photographs with their results; record those that cannot be read in a log."""
    with closing(outcomes):  # at once if the log raises: its traceback would keep them open
        for photograph, outcome in outcomes:
            if isinstance(outcome, Exception):
                errors = [outcome]
                del outcome  # if the log raises, the traceback holds this frame: a cycle, which keeps arrays
                log.add(photograph.index, photograph.path, errors.pop())
            else:
                yield photograph, outcome


def stream_outcomes(
    photographs: Iterable[Photograph],
    load: Callable[[ImageLike], Loaded],
    compute: Callable[[Loaded], Result],
    progress: Progress,
    at_once: int | None = None,
) -> Generator[tuple[Photograph, Result | Exception]]:
    """Read photographs and apply a function to each, on all threads that the process may use.

    With several threads, each photograph is computed on one of them. A single photograph, and each one where
    there is one thread, is computed as any other prediction.

    Args:
        photographs: The photographs. A generator is read a few photographs ahead. Open files, images and
            arrays that it yields are read before it goes on: it may close a file, or draw the next frame into
            the same array.
        load: Reads one. Whatever it raises is the fault of the photograph.
        compute: Takes what `load` returns. Whatever it raises is raised here.
        progress: Advanced by each photograph.
        at_once: How many photographs may be read and computed at once; None for no limit but the threads.

    Yields:
        Each photograph, in order, and what `compute` returned, or the error of one that cannot be read.
    """
    get_limits()  # an invalid environment variable is no photograph's fault

    def read(source: Any) -> Loaded | Exception:
        try:
            with nullcontext() if _is_path(source) else _object_lock.hold():
                return load(source)
        except Exception as error:  # whatever a photograph raises is its own fault
            return error

    def take(photograph: Photograph) -> _Taken:
        source = photograph.source
        if is_listed or _is_path(source):
            return _Taken(photograph, [])
        with enter_lane() if threads > 1 else nullcontext():
            # An array that has the right size already would be returned as it is.
            return _Taken(photograph, [read(source.copy() if isinstance(source, np.ndarray) else source)])

    def work(taken: _Taken) -> Result | Exception:
        loaded = taken.loaded
        if not loaded:
            loaded.append(read(taken.photograph.source))
        if isinstance(loaded[0], Exception):
            return cast(Exception, loaded.pop())  # whose traceback leads to this frame: it must not stay here
        return compute(loaded.pop())

    threads = min(get_num_threads(), at_once or get_num_threads())
    is_listed = isinstance(photographs, Sequence)
    items = list(map(take, photographs)) if _is_single(photographs) else map(take, photographs)
    with nullcontext() if _is_single(photographs) else reuse_image_memory(threads):
        for taken, outcome in map_in_order(work, items, threads):
            with progress.paused():
                yield taken.photograph, outcome
            progress.advance(1)


class _Taken(NamedTuple):
    """A photograph that was taken from a generator; and what was read of it, until that is computed."""

    photograph: Photograph
    loaded: list[Any]  #: what `load` returned, or what it raised


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Result]]:
    """Apply a function to items on several threads, each in a lane; see `engine.lanes`.

    Args:
        function: The function.
        items: The items. A generator is read on the caller's thread, a few items ahead.
        threads: How many threads, the caller's among them. With one, for a single item, or if the caller is
            in a lane already, the function is called without another lane.

    Yields:
        The items in order, with what the function returned. Errors of the function or the generator are
        raised in their turn.
    """
    if threads == 1 or _is_single(items) or is_in_lane():
        for item in items:
            yield item, function(item)
        return
    _starting.check()

    def run(item: Item) -> Result:
        with enter_lane():
            return function(item)

    def serve() -> None:
        while _begin_next(tasks):
            pass

    tasks: SimpleQueue[_Task[Item, Result] | None] = SimpleQueue()
    pending: deque[_Task[Item, Result]] = deque()
    ended: list[Exception] = []  # by the generator; a list, since a traceback would hold this frame
    try:
        with _starting.hold():
            for _ in range(threads - 1):
                threading.Thread(target=serve, name="xception-lane", daemon=True).start()
        for item in _until_error(items, ended):
            pending.append(_Task(item, run))
            tasks.put(pending[-1])
            while pending and (pending[0].is_done or len(pending) > AHEAD_PER_THREAD * threads):
                _finish_first(pending)
                yield pending.popleft().deliver()
        while pending:
            _finish_first(pending)
            yield pending.popleft().deliver()
        if ended:
            raise ended.pop()
    finally:  # what has begun ends by itself
        with suppress(Empty):
            while True:
                tasks.get_nowait()
        for _ in range(threads - 1):
            tasks.put(None)


def _until_error(items: Iterable[Item], errors: list[Exception]) -> Iterator[Item]:
    """Yield items; append the exception that ends them to a list."""
    try:
        yield from items
    except Exception as error:
        errors.append(error)


def _is_single(items: Iterable[Item]) -> TypeGuard[Sequence[Item]]:
    return isinstance(items, Sequence) and len(items) == 1


class _Task(Generic[Item, Result]):
    """A call that is made once, by any thread.

    Unlike `concurrent.futures`, it has no state that an interrupt could spoil: its lock and queue are written
    in C, and nobody waits for its thread when the process ends.
    """

    def __init__(self, item: Item, run: Callable[[Item], Result]) -> None:
        self.item = item
        self._run = run
        self._is_taken = threading.Lock()
        self._outcome: SimpleQueue[tuple[Result | None, list[BaseException]]] = SimpleQueue()

    @property
    def is_done(self) -> bool:
        return not self._outcome.empty()

    def begin(self) -> bool:
        """Make the call here, unless it has begun; return whether it was made."""
        if not self._is_taken.acquire(blocking=False):
            return False
        try:
            self._outcome.put((self._run(self.item), []))
        except BaseException as error:  # to be raised in its turn
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise  # an interrupt, which ends all: nobody asks for the result
            self._outcome.put((None, [error]))
        return True

    def deliver(self) -> tuple[Item, Result]:
        """Wait for the call; return the item, which is kept no longer, and its result, or raise its error."""
        result, errors = self._outcome.get()
        item = self.item
        del self.item  # a thread may not have found yet that the call has been made
        if errors:
            raise_first(errors)
        return item, cast(Result, result)


def _begin_next(tasks: SimpleQueue[_Task[Any, Any] | None]) -> bool:
    """Wait for a task, and begin it; return False at the end. Nothing of it is kept meanwhile."""
    task = tasks.get()
    if task is None:
        return False
    task.begin()
    return True


def _finish_first(pending: Iterable[_Task[Any, Any]]) -> None:
    """Help with later items until the first is done, or nothing is left to help with."""
    tasks = iter(pending)
    first = next(tasks)
    if first.begin():
        return
    for task in tasks:
        if first.is_done:
            return
        task.begin()


def load_batches(
    photographs: Iterable[Photograph],
    load: Callable[[ImageLike], Loaded],
    log: FailureLog,
    progress: Progress,
    size: int,
) -> Iterator[tuple[list[Photograph], list[Loaded]]]:
    """Read photographs in batches, on all threads that the process may use. Nothing is read ahead.

    Args:
        photographs: The photographs.
        load: Reads one. Whatever it raises is the fault of the photograph.
        log: Records the photographs that cannot be read.
        progress: Advanced by each batch, after the caller has computed it.
        size: Photographs per batch.

    Yields:
        The photographs of a batch that could be read, and what `load` returned for them.
    """
    for batch in batched(photographs, size):
        read = list(stream_photographs(batch, load, lambda loaded: loaded, log, _Silent(progress)))
        if read:
            yield [photograph for photograph, _ in read], [loaded for _, loaded in read]
        progress.advance(len(batch))


@dataclass(frozen=True)
class _Silent:
    """Progress that is shown later."""

    progress: Progress

    def advance(self, steps: int) -> None:
        """Do nothing."""

    def paused(self) -> AbstractContextManager[object]:
        """Clear the screen for other output within a `with` block."""
        return self.progress.paused()


def _is_path(source: Any) -> bool:
    """Whether it is read as it is, whatever happens meanwhile: a path, or the bytes of a file."""
    return isinstance(source, str | bytes | os.PathLike)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
