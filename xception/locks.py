"""A lock that never waits for its own thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet


class OwnedLock:
    """A lock that raises an error where a plain one would wait for ever.

    A signal handler runs in the main thread, between two instructions of whatever this thread is doing, and
    a finalizer in any thread. If one of them needs a lock that the interrupted code holds, nobody can
    release it. A child process gets the lock released: a fork copies no threads that could do it.

    Args:
        activity: What its holders do, for the message: "a prediction".
    """

    def __init__(self, activity: str) -> None:
        self._activity = activity
        self._lock = threading.Lock()
        self._thread = threading.local()
        _locks.add(self)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock within a `with` block.

        Raises:
            RuntimeError: This thread holds it or waits for it already.
        """
        if getattr(self._thread, "inside", False):
            raise RuntimeError(
                f"{self._activity} is already running in this thread, interrupted by a signal handler or a "
                "finalizer (__del__) that asks for another one; it can only go on when they return. Let "
                "them set a flag, and act on it afterwards"
            )
        try:
            self._thread.inside = True  # before the lock is taken: a signal may come between the two
            with self._lock:
                yield
        finally:
            self._thread.inside = False

    def reset(self) -> None:
        """Release the lock, whoever holds it. For a child process, in which no other thread exists."""
        self._lock = threading.Lock()
        self._thread = threading.local()


_locks: WeakSet[OwnedLock] = WeakSet()


def _reset_after_fork() -> None:
    for lock in list(_locks):
        lock.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
