"""Cluster of Dask on this machine: a scheduler in this process, and worker processes with one thread each.

`distributed.LocalCluster` starts its workers by `multiprocessing`, which runs the user's script once more in
each, and sets variables of the environment for whatever this process starts later. One of them,
MALLOC_TRIM_THRESHOLD_, makes each photograph allocate its memory from the system again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..engine.cpus import process_threads
from ..jobs.children import READY, Child, ChildEndedError, ChildGroup, start_error

LOOPBACK = "127.0.0.1"
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
        count = min(workers or process_threads(), max(shards, 1))
        own = _Workers(cluster.scheduler_address, folder, count)
        stack.callback(own.group.stop)
        own.group.start()
        yield cluster, own.check


class _Workers:
    """Worker processes, each with a thread that starts another one when it dies."""

    def __init__(self, address: str, folder: str, count: int) -> None:
        self.group = ChildGroup("xception.distributed.dask_worker", self._keep_alive, count)
        self._settings = address, folder
        self._failure: str | None = None

    def check(self) -> None:
        """Raise RuntimeError if a worker could not be started."""
        if self._failure is not None:
            raise start_error(self._failure)

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
            self.group.close_child(child)
            if not has_started and not self.group.is_stopped:
                self._failure = how
                return

    def _start(self) -> Child | None:
        try:
            return self.group.start_child()
        except OSError as error:
            self._failure = str(error)
            return None
