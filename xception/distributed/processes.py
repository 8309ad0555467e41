"""Executor: worker processes on this machine, each with one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from ..engine.cpus import process_threads
from ..errors import raise_first
from ..jobs.children import READY, Child, ChildEndedError, ChildGroup, start_error
from ..jobs.shards import Shard, ShardResult, is_final
from ..layers.validation import as_int

MAX_WORKERS = 256  #: bounds the cost of a typing error: every process is started
ATTEMPTS = 2  #: at a shard whose worker dies, or raises an exception
#: How long to wait for a message before looking for an interrupt: Windows does not report it meanwhile.
POLL_SECONDS = 0.5

Function = Callable[[Shard], ShardResult]


class Processes:
    """Runs shards in worker processes of this machine, each with one thread and its own model.

    A worker that dies is replaced, and its shard tried once more.

    Args:
        workers: How many processes. None: as many as predictions may use threads, see `get_num_threads`,
            whatever OMP_NUM_THREADS is.

    Raises:
        TypeError: `workers` is no integer.
        ValueError: It is not from 1 to 256.

    Examples:
        >>> Processes(2)
        Processes(2)
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = check_workers(workers)

    def __repr__(self) -> str:
        return f"Processes({self._workers or ''})"

    def __call__(self, function: Function, shards: Sequence[Shard]) -> Generator[ShardResult, None, None]:
        """Call a function with each shard.

        Args:
            function: What can be pickled, and imported by another process.
            shards: The shards.

        Yields:
            What it returns, as it comes. Nothing for a shard that has killed two workers.

        Raises:
            RuntimeError: No worker can be started.
            Exception: What the function has raised twice for a shard, at the end; or at once, if another
                shard would meet it as well.
        """
        run = _Run(function, shards, min(self._workers or process_threads(), len(shards)))
        try:
            yield from run.results()
        finally:
            run.stop()


def check_workers(workers: int | None) -> int | None:
    """Return a number of workers, or None, if it is valid.

    Raises:
        TypeError: It is no integer.
        ValueError: It is not from 1 to MAX_WORKERS.
    """
    if workers is not None and as_int("workers", workers) > MAX_WORKERS:
        raise ValueError(f"workers must be an integer from 1 to {MAX_WORKERS}, got {workers}")
    return workers


class _Run:
    """The shards of one call. Each worker has a thread here, which puts its messages into one queue."""

    def __init__(self, function: Function, shards: Sequence[Shard], workers: int) -> None:
        self._function = function
        self._waiting = deque((shard, 1) for shard in shards)
        self._remaining = len(shards)
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._workers = ChildGroup("xception.distributed.worker", self._serve, workers)

    def results(self) -> Generator[ShardResult, None, None]:
        """Yield results until there is nothing left to do."""
        progress = getattr(self._function, "progress", lambda *_: None)
        failures: list[BaseException] = []
        self._workers.start()
        while self._remaining:
            try:
                shard, message = self._messages.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if isinstance(message, tuple):
                progress(shard, message[1])
                continue
            self._remaining -= 1
            if isinstance(message, ShardResult):
                yield message
            elif isinstance(message, Exception):
                failures = failures or [message]
                if shard is None or is_final(message):
                    break
        if failures:
            raise_first(failures)

    def stop(self) -> None:
        """End the workers."""
        self._workers.stop()

    # --- in a thread for each worker ----------------------------------------------------------

    def _serve(self) -> None:
        """Run shards in one worker after another, until there are no more."""
        child: Child | None = None
        try:
            while (item := self._take()) is not None:
                shard, attempt = item
                try:
                    child = child or self._start()
                    result = self._run(child, shard)
                except ChildEndedError:
                    if child is not None:
                        self._workers.close_child(child)
                    child, result = None, None
                self._finish(shard, attempt, result)
        except Exception as error:  # no worker can be started
            self._messages.put((None, error))
        finally:
            if child is not None:
                self._workers.close_child(child)

    def _take(self) -> tuple[Shard, int] | None:
        try:
            return None if self._workers.is_stopped else self._waiting.popleft()
        except IndexError:
            return None

    def _start(self) -> Child:
        child = self._workers.start_child()
        if child is None:
            raise ChildEndedError
        try:
            if child.receive() != READY:
                raise ChildEndedError
        except ChildEndedError:
            how = child.describe_end()
            self._workers.close_child(child)
            if self._workers.is_stopped:
                raise
            raise start_error(how) from None
        try:
            child.send(self._function)
        except BaseException:
            self._workers.close_child(child)
            raise
        return child

    def _run(self, child: Child, shard: Shard) -> Any:
        child.send(shard)
        while isinstance(message := child.receive(), tuple):
            self._messages.put((shard, message))
        return message

    def _finish(self, shard: Shard, attempt: int, result: Any) -> None:
        """Hand over a result; a shard without one is tried again."""
        if is_final(result):
            self._waiting.clear()  # before this thread takes the next shard
        failed = result is None or isinstance(result, Exception)
        if failed and attempt < ATTEMPTS and not is_final(result):
            self._waiting.append((shard, attempt + 1))
        else:
            self._messages.put((shard, result))
