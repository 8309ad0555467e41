"""Executor: workers of Dask, started on this machine or those of a cluster."""

from __future__ import annotations

import logging
import re
import socket
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import JobError, MissingPackageError, raise_first, requires
from ..jobs.shards import Shard, ShardResult, is_final
from ..version import __version__
from .dask_cluster import local_cluster
from .processes import POLL_SECONDS, Function, check_workers

#: At the scheduler for each thread of its workers: one that runs, and one that is next. Dask slows down
#: above some 50,000 tasks.
SHARDS_PER_THREAD = 2
ATTEMPTS = 3  #: at a shard whose function raises an exception
RETRY_SECONDS = 1.0  #: before a second attempt, and twice as long before a third: a store may recover
CONNECT_SECONDS = 15.0  #: to wait for a scheduler
COUNT_SECONDS = 2.0  #: between two looks at how many workers there are
WARN_SECONDS = 10.0  #: before a warning that a cluster has no workers
#: Messages of progress that the scheduler is to pass on, of all workers together.
MAX_REPORTS_PER_SECOND = 50

#: Checked before Dask is asked, which looks for a scheduler at any text.
ADDRESS = re.compile(r"inproc://.+|(\w+://)?[^/]+:\d+(/.*)?")


class DaskExecutor:
    """Runs shards on workers of Dask.

    Its own workers are processes of this machine with one thread each, which end with the job. They listen
    on the loopback interface, where other users of this machine can reach them too.

    Workers of a cluster need this version of xception, and access to the job's folder and photographs. They
    may join, leave and die. A shard computes on one thread. A worker with several threads computes as many
    shards at once, with one model in memory; workers with one thread each are a little quicker.

    Args:
        cluster: Where the workers are: the address of a scheduler, such as "tcp://scheduler:8786"; or a
            `distributed.Client`, or a cluster object such as `dask_jobqueue.SLURMCluster`, which stay open.
            None for own workers.
        workers: The number of own workers. None: as many as predictions may use threads, see
            `get_num_threads`, whatever OMP_NUM_THREADS is.

    Raises:
        TypeError: `workers` is no integer.
        ValueError: It is not from 1 to 256, or is given with a cluster; or `cluster` is no address.

    Examples:
        >>> DaskExecutor("tcp://scheduler:8786")
        DaskExecutor('tcp://scheduler:8786')
    """

    def __init__(self, cluster: Any = None, workers: int | None = None) -> None:
        self._cluster = cluster
        self._workers = check_workers(workers)
        if cluster is not None and workers is not None:
            raise ValueError("a cluster has its own number of workers: give either `cluster` or `workers`")
        if isinstance(cluster, str) and not ADDRESS.fullmatch(cluster):
            raise ValueError(f"expected a scheduler's address, such as tcp://scheduler:8786, got {cluster!r}")

    def __repr__(self) -> str:
        arguments = self._cluster if self._cluster is not None else self._workers
        return f"DaskExecutor({'' if arguments is None else repr(arguments)})"

    def __call__(self, function: Function, shards: Sequence[Shard]) -> Generator[ShardResult, None, None]:
        """Call a function with each shard.

        Args:
            function: What can be pickled, and imported by the workers.
            shards: The shards.

        Yields:
            What it returns, as it comes. Nothing for a shard whose workers die.

        Raises:
            MissingPackageError: Dask is not installed, or a worker has no xception.
            JobError: A worker has another version of xception.
            ConnectionError: The scheduler cannot be reached, or has gone.
            Exception: What the function has raised three times for a shard; at the end, or at once if it is
                an error that another shard would meet as well.
        """
        with requires("a job on Dask", "distributed", "'xception[dask]'"):
            import distributed
        with _quiet(), self._connect(distributed, len(shards)) as (client, check):
            run = _Run(client, check, function, shards)
            try:
                yield from run.results()
            finally:
                run.stop()

    @contextmanager
    def _connect(self, distributed: Any, shards: int) -> Iterator[tuple[Any, Callable[[], None] | None]]:
        """Provide a client; for workers of our own, also a function that raises if they cannot be started."""
        if isinstance(self._cluster, distributed.Client):
            yield self._cluster, None
        elif self._cluster is not None:
            with _open_client(distributed, self._cluster) as client:
                yield client, None
        else:
            with (
                local_cluster(self._workers, shards) as (cluster, check),
                distributed.Client(cluster, set_as_default=False) as client,
            ):
                yield client, check


def _open_client(distributed: Any, cluster: Any) -> Any:
    """Return a client of a cluster.

    Raises:
        ConnectionError: There is no scheduler.
    """
    try:
        if isinstance(cluster, str):
            _check_scheduler(distributed, cluster)
        return distributed.Client(cluster, set_as_default=False, timeout=CONNECT_SECONDS)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise ConnectionError(
            f"{cluster}: no scheduler of Dask can be reached ({reason}): start it, or correct the address"
        ) from None


def _check_scheduler(distributed: Any, address: str) -> None:
    """Raise OSError unless a scheduler listens at an address.

    Dask itself would try again for some time where nobody listens, and wait for ever where something else
    does, such as its dashboard. A scheduler speaks first; by TLS, the client does.
    """
    try:
        host, port = distributed.comm.get_address_host_port(address)
    except ValueError:  # it has none, such as inproc://
        return
    with socket.create_connection((host, port), CONNECT_SECONDS) as stream:
        if not address.startswith("tls://") and not stream.recv(1):
            raise ConnectionAbortedError("it ends the connection")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log from the terminal within a `with` block: errors are raised anyway."""
    names = [
        "distributed",
        *(name for name in logging.root.manager.loggerDict if name.startswith("distributed.")),
    ]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    tornado = logging.getLogger("tornado.application")
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    tornado.addFilter(_is_not_of_sync)
    try:
        yield
    finally:
        tornado.removeFilter(_is_not_of_sync)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_not_of_sync(record: logging.LogRecord) -> bool:
    """Return whether a record of Tornado's is not of Dask's own `sync`.

    An interrupt that comes before `sync` has sent its coroutine makes its `cancel` fail in Tornado's thread,
    which logs a traceback of that besides the interrupt.
    """
    return "sync.<locals>" not in record.getMessage()


class _Run:
    """The shards of one call. Messages of Dask's threads come through one queue to the caller's thread."""

    def __init__(
        self, client: Any, check: Callable[[], None] | None, function: Function, shards: Sequence[Shard]
    ) -> None:
        self._client, self._check, self._function = client, check, function
        self._pickled = _pickle(function)
        self._waiting = deque((shard, 1) for shard in shards)
        self._delayed: list[tuple[float, Shard, int]] = []  # (when, shard, attempt)
        self._running: dict[Any, tuple[Shard, int]] = {}  # by future
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._failures: list[BaseException] = []  # the first one
        self._topic = f"xception-{uuid.uuid4().hex}"
        self._shards = {shard.index: shard for shard in shards}
        self._threads, self._next_count = 0, 0.0  # of all workers
        self._no_workers_since: float | None = time.monotonic()

    def results(self) -> Generator[ShardResult, None, None]:
        """Yield results until there is nothing left to do."""
        progress = getattr(self._function, "progress", lambda *_: None)
        self._client.subscribe_topic(self._topic, self._receive)
        while self._waiting or self._delayed or self._running:
            if self._check is not None:
                self._check()
            self._count_threads()
            self._submit()
            try:
                message = self._messages.get(timeout=POLL_SECONDS)
            except Empty:
                continue
            if isinstance(message, tuple):
                index, done = message
                progress(self._shards[index], done)
            elif message in self._running:
                result = self._finish(message)
                if result is not None:
                    yield result
        if self._failures:
            raise_first(self._failures)

    def stop(self) -> None:
        """Cancel queued shards. Those that run on other machines end by themselves."""
        try:
            if self._running:
                self._client.cancel(list(self._running), force=True)
            self._client.unsubscribe_topic(self._topic)
        except (OSError, ValueError):  # the scheduler has gone, or nothing was subscribed to yet
            pass
        self._running.clear()

    def _receive(self, event: tuple[float, Any]) -> None:
        self._messages.put(event[1])

    def _count_threads(self) -> None:
        now = time.monotonic()
        if now < self._next_count:
            return
        self._next_count = now + COUNT_SECONDS
        self._threads = sum(self._client.nthreads().values())
        if self._threads or self._check is not None:
            self._no_workers_since = None
        elif self._no_workers_since is None:
            self._no_workers_since = now
        elif now - self._no_workers_since > WARN_SECONDS:
            warnings.warn("Dask's scheduler has no workers; waiting for some", RuntimeWarning, stacklevel=2)
            self._no_workers_since = float("inf")

    def _submit(self) -> None:
        """Hand shards to the scheduler, as many as its workers need."""
        now = time.monotonic()
        self._waiting.extend((shard, attempt) for when, shard, attempt in self._delayed if when <= now)
        self._delayed = [item for item in self._delayed if item[0] > now]
        room = SHARDS_PER_THREAD * max(self._threads, 1) - len(self._running)
        interval = max(1.0, self._threads / MAX_REPORTS_PER_SECOND)
        for _ in range(min(room, len(self._waiting))):
            shard, attempt = self._waiting.popleft()
            future = self._client.submit(
                _remote_function(), self._pickled, _pickle(shard), self._topic, interval, __version__,
                key=f"{self._topic}-{shard.index}-{attempt}", pure=False,
            )  # fmt: skip
            self._running[future] = shard, attempt
            future.add_done_callback(self._messages.put)

    def _finish(self, future: Any) -> ShardResult | None:
        """Return the result of a shard; None if it has none, or is tried again."""
        from distributed import CancelledError, KilledWorker

        shard, attempt = self._running.pop(future)
        try:
            refusal, result = future.result()
        except KilledWorker:
            return None  # the job runs it once more, carefully
        except CancelledError:
            raise ConnectionError(
                "Dask's scheduler has gone, or has cancelled the job; run the job again to continue it"
            ) from None
        except Exception as error:
            if is_final(error):
                raise
            if attempt < ATTEMPTS:
                when = time.monotonic() + RETRY_SECONDS * 2 ** (attempt - 1)
                self._delayed.append((when, shard, attempt + 1))
            else:
                self._failures = self._failures or [error.with_traceback(None)]
            return None
        _check_refusal(refusal)
        return result


def _check_refusal(refusal: tuple[str, str | None, str] | None) -> None:
    """Raise what a worker says that cannot run shards: its address, its version of xception, the reason."""
    if refusal is None:
        return
    worker, version, reason = refusal
    if version is None:
        raise MissingPackageError(
            f"the Dask worker {worker} cannot import xception ({reason}): install xception {__version__} "
            "where it runs"
        )
    raise JobError(f"the Dask worker {worker} has xception {version}, expected {__version__} as here")


def _pickle(value: Any) -> bytes:
    from distributed.protocol.pickle import dumps  # which knows functions of scripts and notebooks too

    content: bytes = dumps(value)
    return content


def _remote_function() -> Callable[..., Any]:
    """Return what a worker calls: (refusal, result).

    It is sent as code, so that the scheduler needs no xception, and a worker without it can say so.
    """

    def run_shard(function: bytes, shard: bytes, topic: str, interval: float, version: str) -> Any:
        from distributed import get_worker

        try:
            import xception.version

            found = xception.version.__version__
            if found != version:
                return (get_worker().address, found, ""), None
            from xception.distributed.dask_task import run
        except ImportError as error:
            return (get_worker().address, None, str(error)), None
        return None, run(function, shard, topic, interval)

    return run_shard
