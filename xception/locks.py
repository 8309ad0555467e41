"""Locks that survive a fork: one that never waits for its own thread, and a budget that threads share."""

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


class SharedBudget:
    """An amount of something that threads share: memory, for example.

    A thread that asks for more than remains waits for others. Where nothing is taken, any amount is given.
    """

    def __init__(self) -> None:
        self.reset()
        _locks.add(self)

    @contextmanager
    def take(self, amount: int, total: int) -> Iterator[None]:
        """Take an amount within a `with` block; within another one of the same thread, nothing more is taken.

        Args:
            amount: How much.
            total: How much all threads may take together.
        """
        if getattr(self._thread, "inside", False):
            yield
            return
        changed = self._changed
        with changed:
            changed.wait_for(lambda: not self._taken or self._taken + amount <= total)
            self._taken += amount
        try:
            self._thread.inside = True
            yield
        finally:
            self._thread.inside = False
            with changed:
                self._taken -= amount
                changed.notify_all()

    def reset(self) -> None:
        """Take everything back. For a child process, in which no other thread exists."""
        self._changed = threading.Condition()
        self._thread = threading.local()
        self._taken = 0


_locks: WeakSet[OwnedLock | SharedBudget] = WeakSet()


def _reset_after_fork() -> None:
    for lock in list(_locks):
        lock.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
