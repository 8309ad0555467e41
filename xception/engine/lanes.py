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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from ..locks import OwnedLock
from .cpus import get_num_threads, process_threads
from .team import Team

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

#: Between two looks at whether a thread is free, where nobody says so.
POLL_SECONDS = 0.1


class _Shared:
    """The team of this process, and who uses its threads.

    Attributes:
        lock: Reserves the team for one prediction at a time.
        team: The team.
        guard: Guards the attributes below, and the schedules of all plans.
        lanes: A lock for each lane, which is held as long as it is in use.
        reservation: A lock that is held as long as a prediction has the team, or waits for it.
        in_use: The schedules that run, by identity.
        blas_threads: BLAS libraries, and how many threads they had before they were limited; None if they are
            not limited.
    """

    def __init__(self) -> None:
        self.lock = OwnedLock("a prediction")
        self.team = Team(1)
        self.guard = OwnedLock("a prediction")
        self.lanes: list[threading.Lock] = []
        self.reservation = threading.Lock()
        self.in_use: dict[int, object] = {}
        self.blas_threads: list[tuple[Any, int]] | None = None

    @property
    def changed(self) -> threading.Condition:
        """The condition of the guard, which is notified when a thread is free."""
        return self.guard.condition

    def count_lanes(self) -> int:
        """Return how many lanes are in use. What an interrupt has left of others is forgotten."""
        self.lanes = [lane for lane in self.lanes if lane.locked()]
        return len(self.lanes)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds. An interrupt may have kept another thread from saying so."""
        while not self.changed.wait_for(condition, POLL_SECONDS):
            pass

    def leave(self) -> None:
        """Tell others that a lane or the team has become free."""
        with self.guard.reenter():
            if not self.count_lanes():
                self.restore_blas()
            self.changed.notify_all()

    def limit_blas(self) -> None:
        """Limit BLAS to one thread per caller, unless it is already."""
        if self.blas_threads is None:
            libraries = _blas().select(user_api="blas").lib_controllers
            self.blas_threads = [(library, library.get_num_threads()) for library in libraries]
            for library in libraries:
                _set_blas_threads(library, 1)

    def restore_blas(self) -> None:
        """Restore the number of BLAS threads."""
        before, self.blas_threads = self.blas_threads, None
        for library, threads in before or ():
            _set_blas_threads(library, threads)


class _Lane(threading.local):
    """The lane that a thread is in, or was in last, and the team of this thread alone."""

    def __init__(self) -> None:
        self.current = threading.Lock()
        self.lock = OwnedLock("a prediction")
        self.team = Team(1)

    @property
    def is_entered(self) -> bool:
        """Whether the thread is in a lane."""
        return self.current.locked()


_shared = _Shared()
_lane = _Lane()


def _reset_after_fork() -> None:
    """Replace the team and its lock: a fork copies no threads, but a lock that one of them may hold."""
    global _shared
    former, _shared = _shared, _Shared()
    former.restore_blas()  # if another thread of the parent was predicting


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

    As many callers as `process_threads()` may be in lanes at once, each in a thread of its own; others wait.
    What they compute runs on their own thread. A prediction outside a lane waits until all lanes are left;
    meanwhile no further one is entered.

    Raises:
        RuntimeError: See `is_in_lane`.
    """
    if is_in_lane():
        yield
        return
    # The lane is in use as long as its lock is held: an interrupt cannot come between taking such a lock, or
    # releasing it, and the block. It may come anywhere else.
    shared, lane = _shared, threading.Lock()
    try:
        with lane:
            with shared.guard.reenter():
                shared.wait_for(
                    lambda: not shared.reservation.locked() and shared.count_lanes() < process_threads()
                )
                shared.limit_blas()
                shared.lanes.append(lane)
                _lane.current = lane
            yield
    finally:
        shared.leave()


def is_in_lane() -> bool:
    """Return whether this thread is in a lane: a signal handler has interrupted what it does.

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
    reservation = threading.Lock()
    try:
        with reservation:
            with shared.guard.reenter():
                shared.reservation = reservation
                shared.wait_for(lambda: not shared.count_lanes())
                shared.limit_blas()
            yield
    finally:
        shared.leave()


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


def _set_blas_threads(library: Any, threads: int) -> None:
    """Set the number of threads of a BLAS library, from any thread.

    threadpoolctl 3.8 ignores all threads but the first that has set it, while that one lives. In other lanes,
    BLAS would then start threads, and its results would differ in the last bits. Here a lock is held.
    """
    set_threads = getattr(library, "_real_set_num_threads", library.set_num_threads)
    set_threads(threads)
