"""Cluster of Dask on this machine: a scheduler in this process, and worker processes with one thread each.

`distributed.LocalCluster` starts its workers by `multiprocessing`, which runs the user's script once more in
each, and sets variables of the environment for whatever this process starts later. One of them,
MALLOC_TRIM_THRESHOLD_, makes each photograph's memory be taken from the system anew.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..engine.cpus import get_num_threads
from ..jobs.children import Child, ChildEndedError
from .dask_worker import LOOPBACK, READY

#: A shard whose worker dies is tried once more by another. A second death is the shard's own doing.
ALLOWED_FAILURES = 1


@contextmanager
def local_cluster(workers: int | None, shards: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Provide a cluster within a `with` block.

    Args:
        workers: How many workers; None for as many as predictions may use threads.
        shards: How many shards there are to compute: no more workers are started.

    Yields:
        The cluster, and a function that raises RuntimeError if a worker cannot be started.
    """
    from distributed import LocalCluster

    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="xception-", ignore_cleanup_errors=True)
        )
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=0, host=LOOPBACK, dashboard_address=f"{LOOPBACK}:0", silence_logs=None,
                scheduler_kwargs={"dashboard": False, "allowed_failures": ALLOWED_FAILURES},
            )
        )  # fmt: skip
        group = _Workers(cluster.scheduler_address, folder, min(workers or get_num_threads(), max(shards, 1)))
        stack.callback(group.stop)
        group.start()
        yield cluster, group.check


class _Workers:
    """Worker processes, each with a thread that starts another one when it dies."""

    def __init__(self, address: str, folder: str, count: int) -> None:
        self._settings = address, folder
        self._lock = threading.Lock()  # of what follows
        self._is_stopped = False
        self._children: set[Child] = set()
        self._failure: str | None = None
        self._threads = [threading.Thread(target=self._keep_alive, daemon=True) for _ in range(count)]

    def start(self) -> None:
        """Start the workers, without waiting for them."""
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise RuntimeError if a worker could not be started."""
        if self._failure is not None:
            raise RuntimeError(f"a worker process could not be started ({self._failure}); see above")

    def stop(self) -> None:
        """End the workers: they remove what they have not finished."""
        with self._lock:
            self._is_stopped = True
            children = list(self._children)
        for child in children:
            child.end()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _keep_alive(self) -> None:
        while (child := self._start()) is not None:
            has_started = False
            try:
                child.send(self._settings)
                has_started = child.receive() == READY
                child.receive()
            except ChildEndedError:
                pass
            how = child.describe_end()
            child.close()
            with self._lock:
                self._children.discard(child)
            if not has_started and not self._is_stopped:
                self._failure = how
                return

    def _start(self) -> Child | None:
        with self._lock:
            if self._is_stopped:
                return None
            try:
                child = Child("xception.distributed.dask_worker")
            except OSError as error:
                self._failure = str(error)
                return None
            self._children.add(child)
            return child
