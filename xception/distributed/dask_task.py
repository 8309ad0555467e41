"""Running of a shard within a worker of Dask."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Any

from ..jobs.shards import Shard

stopping = threading.Event()  #: set when this process is to end: running shards are given up
idle = threading.Condition()  #: notified when a shard has ended
_running = 0


class Stopped(BaseException):
    """Ends a shard whose process is to end, so that it removes its half-written files."""


def run(function: bytes, shard: bytes, topic: str, interval: float) -> Any:
    """Call a function with a shard, and send its progress.

    Args:
        function: What is called, pickled.
        shard: Its argument, pickled.
        topic: Of the events that say (shard's index, photographs done).
        interval: Seconds between two of them.
    """
    global _running
    call, argument = pickle.loads(function), pickle.loads(shard)
    if hasattr(call, "listen"):
        call = call.listen(_Reporter(topic, interval))
    with idle:
        _running += 1
    try:
        return call(argument)
    finally:
        with idle:
            _running -= 1
            idle.notify_all()


def stop(patience: float) -> None:
    """Give up running shards; wait up to `patience` seconds until they have ended."""
    stopping.set()
    with idle:
        idle.wait_for(lambda: not _running, patience)


class _Reporter:
    """Sends the progress of a shard to the client, from time to time."""

    def __init__(self, topic: str, interval: float) -> None:
        from distributed import get_worker

        self._worker, self._topic, self._interval = get_worker(), topic, interval
        self._next = time.monotonic() + interval

    def __call__(self, shard: Shard, done: int) -> None:
        if stopping.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._interval
            self._worker.log_event(self._topic, (shard.index, done))
