"""Locks that survive a fork: one that never waits for its own thread, and a budget that threads share."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from weakref import WeakSet

#: Between two looks at whether enough is free, where an interrupt has kept a thread from saying so.
POLL_SECONDS = 0.1


class OwnedLock:
    """A lock that raises an error where a plain one would wait for ever.

    A signal handler runs in the main thread, between two instructions of whatever this thread is doing, and
    a finalizer in any thread. If one of them needs a lock that the interrupted code holds, nobody can
    release it. A child process gets the lock released: a fork copies no threads that could do it.

    Args:
        activity: What its holders do, for the message: "a prediction".

    Attributes:
        condition: To be waited for by those that hold the lock, and notified.
    """

    def __init__(self, activity: str) -> None:
        self._activity = activity
        self.reset()
        _locks.add(self)

    def hold(self) -> AbstractContextManager[object]:
        """Hold the lock within a `with` block.

        Raises:
            RuntimeError: This thread holds it already.
        """
        self.check()
        return self._lock

    def reenter(self) -> AbstractContextManager[object]:
        """Hold the lock within a `with` block, also where this thread holds it already."""
        return self._lock

    def check(self) -> None:
        """Raise the error of `hold` if this thread holds the lock."""
        try:
            self.condition.notify(0)
        except RuntimeError:  # it does not
            return
        raise RuntimeError(
            f"{self._activity} is already running in this thread, interrupted by a signal handler or a "
            "finalizer (__del__) that asks for another one; it can only go on when they return. Let "
            "them set a flag, and act on it afterwards"
        )

    def reset(self) -> None:
        """Release the lock, whoever holds it. For a child process, in which no other thread exists."""
        # An interrupt cannot come between taking such a lock, which is written in C, and its `with` block.
        self._lock = threading.RLock()
        self.condition = threading.Condition(self._lock)


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
        former = getattr(self._thread, "share", None)
        if former is not None and former.locked():
            yield
            return
        changed, taken, share = self._changed, self._taken, threading.Lock()

        def fits() -> bool:
            used = sum(part for other, part in taken.items() if other.locked())
            return not used or used + amount <= total

        try:
            with share:  # held as long as the amount is taken: no interrupt can keep it held
                with changed:
                    while not changed.wait_for(fits, POLL_SECONDS):
                        pass
                    taken[share] = amount
                self._thread.share = share
                yield
        finally:
            with changed:
                for other in [other for other in taken if not other.locked()]:
                    del taken[other]
                changed.notify_all()

    def reset(self) -> None:
        """Take everything back. For a child process, in which no other thread exists."""
        self._changed = threading.Condition()
        self._thread = threading.local()
        self._taken: dict[threading.Lock, int] = {}  # by a lock that is held meanwhile


_locks: WeakSet[OwnedLock | SharedBudget] = WeakSet()


def _reset_after_fork() -> None:
    for lock in list(_locks):
        lock.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
