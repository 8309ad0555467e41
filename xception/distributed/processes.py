"""Executor: worker processes on this machine, each with one thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from ..engine.cpus import get_num_threads
from ..jobs.children import READY, Child, ChildEndedError
from ..jobs.shards import Shard, ShardResult, is_final
from ..layers.validation import as_int

MAX_WORKERS = 256  #: bounds the cost of a typing error: every process is started
ATTEMPTS = 2  #: at a shard whose worker dies, or raises an exception
#: How long to wait for a message before looking for an interrupt: Windows does not report it meanwhile.
POLL_SECONDS = 0.5

Function = Callable[[Shard], ShardResult]


class Processes:
    """Runs shards in worker processes of this machine, each with one thread and a model of its own.

    A worker that dies is replaced, and its shard tried once more.

    Args:
        workers: How many processes. None: as many as predictions may use threads, see `get_num_threads`.

    Raises:
        TypeError: `workers` is no integer.
        ValueError: It is not from 1 to 256.

    Examples:
        >>> Processes(2)
        Processes(2)
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = None if workers is None else as_int("workers", workers)
        if self._workers is not None and self._workers > MAX_WORKERS:
            raise ValueError(f"workers must be an integer from 1 to {MAX_WORKERS}, got {workers}")

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
        run = _Run(function, shards, min(self._workers or get_num_threads(), len(shards)))
        try:
            yield from run.results()
        finally:
            run.stop()


class _Run:
    """Workers with a thread each, which talks to the worker and puts what comes into one queue."""

    def __init__(self, function: Function, shards: Sequence[Shard], workers: int) -> None:
        self._function = function
        self._waiting = deque((shard, 1) for shard in shards)
        self._remaining = len(shards)
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()  # of what follows
        self._is_stopped = False
        self._children: set[Child] = set()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]

    def results(self) -> Generator[ShardResult, None, None]:
        """Yield results until there is nothing left to do."""
        progress = getattr(self._function, "progress", lambda *_: None)
        failure: Exception | None = None
        for thread in self._threads:
            thread.start()
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
                failure = failure or message
                if shard is None or is_final(message):
                    break
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback holds this frame

    def stop(self) -> None:
        """End the workers: they remove what they have not finished."""
        with self._lock:
            self._is_stopped = True
            children = list(self._children)
        for child in children:
            child.end()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

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
                    self._close(child)
                    child, result = None, None
                self._finish(shard, attempt, result)
        except Exception as error:  # no worker can be started
            self._messages.put((None, error))
        finally:
            self._close(child)

    def _take(self) -> tuple[Shard, int] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting and not self._is_stopped else None

    def _start(self) -> Child:
        with self._lock:
            if self._is_stopped:
                raise ChildEndedError
            child = Child("xception.distributed.worker")
            self._children.add(child)
        try:
            if child.receive() != READY:
                raise ChildEndedError
        except ChildEndedError:
            how = child.describe_end()
            self._close(child)
            if self._is_stopped:
                raise
            raise RuntimeError(f"a worker process could not be started ({how}); see above") from None
        try:
            child.send(self._function)
        except BaseException:
            self._close(child)
            raise
        return child

    def _run(self, child: Child, shard: Shard) -> Any:
        child.send(shard)
        while isinstance(message := child.receive(), tuple):
            self._messages.put((shard, message))
        return message

    def _finish(self, shard: Shard, attempt: int, result: Any) -> None:
        """Hand over a result; a shard without one is tried again."""
        failed = result is None or isinstance(result, Exception)
        if failed and attempt < ATTEMPTS and not is_final(result):
            with self._lock:
                self._waiting.append((shard, attempt + 1))
        else:
            self._messages.put((shard, result))

    def _close(self, child: Child | None) -> None:
        if child is not None:
            child.close()
            with self._lock:
                self._children.discard(child)
