"""The threads that the process may use: all of them in one prediction, or one in each lane.

A prediction takes the team of the process, whose threads share its work. A caller in a lane works alone: it
decodes a photograph and computes it on its own thread. One excludes the other, so that no more threads work
than may be used.

Each thread calls BLAS, so BLAS itself is limited to one thread while they work. Its own number is restored
afterwards.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from ..locks import OwnedLock
from .cpus import get_num_threads
from .team import Team

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


class _Shared:
    """The team of this process, and who uses its threads.

    Attributes:
        lock: Reserves the team for one prediction at a time.
        team: The team.
        guard: Guards the attributes below, and the schedules of all plans.
        lanes: The threads that are in lanes.
        reserved_by: The thread that has the team for a prediction, or waits for the lanes to be left.
        in_use: The schedules that run, by identity.
        limiter: Restores the number of BLAS threads.
    """

    def __init__(self) -> None:
        self.lock = OwnedLock("a prediction")
        self.team = Team(1)
        self.guard = OwnedLock("a prediction")
        self.lanes: set[int] = set()
        self.reserved_by: int | None = None
        self.in_use: dict[int, object] = {}
        self.limiter: Any = None

    @property
    def changed(self) -> threading.Condition:
        """The condition of the guard, which is notified when a thread is free."""
        return self.guard.condition

    def forget_interrupted(self, thread: int) -> None:
        """Forget what an interrupt in the middle of leaving has left of a thread that is about to enter."""
        self.lanes.discard(thread)
        if self.reserved_by == thread:
            self.reserved_by = None

    def limit_blas(self) -> None:
        """Limit BLAS to one thread per caller, unless it is already."""
        if self.limiter is None:
            self.limiter = _blas().limit(limits=1, user_api="blas")

    def restore_blas(self) -> None:
        """Restore the number of BLAS threads."""
        limiter, self.limiter = self.limiter, None
        if limiter is not None:
            limiter.restore_original_limits()


class _Lane(threading.local):
    """Whether a thread is in a lane, and the team of this thread alone."""

    def __init__(self) -> None:
        self.is_entered = False
        self.lock = OwnedLock("a prediction")
        self.team = Team(1)


_shared = _Shared()
_lane = _Lane()


def _reset_after_fork() -> None:
    """Replace the team and its lock: a fork copies no threads, but a lock that one of them may hold."""
    global _shared
    limiter, _shared = _shared.limiter, _Shared()
    if limiter is not None:  # another thread of the parent was predicting
        limiter.restore_original_limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


@contextmanager
def acquire_team() -> Iterator[Team]:
    """Reserve the team for the caller, with BLAS limited to one thread per caller.

    Yields:
        A team of `get_num_threads()` threads; of this thread alone, if it is in a lane.

    Raises:
        RuntimeError: This thread has reserved it already: a signal handler or a finalizer predicts.
    """
    if _lane.is_entered:
        with _lane.lock.hold():
            yield _lane.team
        return
    size, shared = get_num_threads(), _shared
    with shared.lock.hold(), _reserve_threads(shared):
        if shared.team.size != size:
            former, shared.team = shared.team, Team(size)
            former.dismiss()
        try:
            yield shared.team
        except BaseException:
            # An interrupt may leave the team in any state. The next prediction gets a new one.
            former, shared.team = shared.team, Team(1)
            former.dismiss()
            raise


@contextmanager
def enter_lane() -> Iterator[None]:
    """Work on one of the threads that the process may use, and no others.

    As many callers as `get_num_threads()` may be in lanes at once, each in a thread of its own; others wait.
    What they compute runs on their own thread. A prediction outside a lane waits until all lanes are left;
    meanwhile no further one is entered.

    Raises:
        RuntimeError: See `is_in_lane`.
    """
    if is_in_lane():
        yield
        return
    shared, thread = _shared, threading.get_ident()
    try:  # before it is entered: an interrupt may come at once
        with shared.guard.reenter():
            shared.forget_interrupted(thread)
            shared.changed.wait_for(
                lambda: shared.reserved_by is None and len(shared.lanes) < get_num_threads()
            )
            shared.limit_blas()
            shared.lanes.add(thread)
        _lane.is_entered = True
        yield
    finally:
        _lane.is_entered = False
        with shared.guard.reenter():
            shared.lanes.discard(thread)
            if not shared.lanes:
                shared.restore_blas()
            shared.changed.notify_all()


def is_in_lane() -> bool:
    """Return whether this thread is in a lane already: a signal handler has interrupted what it does there.

    Raises:
        RuntimeError: This thread predicts, or is about to: a signal handler or a finalizer has interrupted
            it. Other threads, which would have to help, may wait for it.
    """
    for lock in (_shared.lock, _shared.guard, _lane.lock):
        lock.check()
    return _lane.is_entered


@contextmanager
def _reserve_threads(shared: _Shared) -> Iterator[None]:
    """Wait until all lanes are left, and keep them closed meanwhile."""
    thread = threading.get_ident()
    try:
        with shared.guard.reenter():
            shared.forget_interrupted(thread)
            shared.reserved_by = thread
            shared.changed.wait_for(lambda: not shared.lanes)
            shared.limit_blas()
        yield
    finally:
        with shared.guard.reenter():
            shared.reserved_by = None
            if not shared.lanes:
                shared.restore_blas()
            shared.changed.notify_all()


@contextmanager
def bookkeeping() -> Iterator[dict[int, object]]:
    """Guard the schedules of all plans, which several lanes may choose from at once.

    Yields:
        The schedules that are in use, by identity.
    """
    shared = _shared
    with shared.guard.reenter():
        yield shared.in_use


def wait_for_schedules() -> None:
    """Wait, within `bookkeeping`, until a schedule is no longer in use."""
    _shared.changed.wait()


def release_schedules(schedules: Iterable[object]) -> None:
    """Declare that schedules are no longer in use."""
    shared = _shared
    with shared.guard.reenter():
        for schedule in schedules:
            shared.in_use.pop(id(schedule), None)
        shared.changed.notify_all()


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
