"""Threads that are started once, and how many of them there should be.

The library's own threads each call BLAS, so BLAS is held to one thread while they work, and
given back its own number afterwards.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .cpus import get_num_threads

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Step = Callable[[], object]
Program = Iterable[Step]

# --- a team ---------------------------------------------------------------------------------


class Barrier:
    """Where programs that run side by side wait for each other.

    Waiting is a short spin that gives the GIL and the core away: the calls between two barriers
    take some hundred microseconds, and waking a sleeping thread would take fifty.
    """

    def __init__(self, size: int) -> None:
        self._arrived = [0] * size
        self._broken = False

    def reset(self) -> None:
        self._arrived[:] = [0] * len(self._arrived)
        self._broken = False

    def abort(self) -> None:
        """Let nobody wait any longer: a program has failed."""
        self._broken = True

    def check(self) -> None:
        """A step that stops a program if another has failed."""
        if self._broken:
            raise Abandoned

    def meet(self, member: int) -> Step:
        """A step at which program `member` waits until every other has come as far."""
        arrived = self._arrived
        others = [other for other in range(len(arrived)) if other != member]

        def step() -> None:
            mine = arrived[member] = arrived[member] + 1
            for other in others:
                if arrived[other] < mine:
                    spin(lambda other=other: arrived[other] >= mine or self._broken)  # type: ignore[misc]
            self.check()

        return step


class Abandoned(Exception):  # noqa: N818
    """A program was stopped at a barrier, because another had failed."""


class Team:
    """The caller and `size` − 1 threads of its own, each running a program of prepared calls."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._programs: Sequence[Program] = ()
        self._barrier = Barrier(size)
        self._working = [False] * size
        self._errors: list[BaseException] = []
        self._wake = [threading.Lock() for _ in range(size)]
        for lock in self._wake:
            lock.acquire()
        try:
            for member in range(1, size):
                name = f"xception-{member}"
                threading.Thread(target=self._serve, args=(member,), daemon=True, name=name).start()
        except BaseException:
            self.dismiss()
            raise

    def run(self, programs: Sequence[Program], barrier: Barrier) -> None:
        """Run `programs[i]` on thread i, all at once, and return when all have ended.

        They meet at `barrier`. An error in one stops the others there and is raised here. After an
        interrupt of this very method the team is of no further use.
        """
        barrier.reset()
        self._programs, self._barrier, self._errors = programs, barrier, []
        self._working = [False] * self.size
        try:
            for member in range(len(programs)):
                self._working[member] = True
                if member:
                    self._wake[member].release()
            self._work(0)
            spin(lambda: not any(self._working))
        except BaseException:
            barrier.abort()
            raise
        errors, self._errors, self._programs = self._errors, [], ()
        if errors:
            raise errors[0]

    def dismiss(self) -> None:
        """End the threads. The team is of no use afterwards."""
        self._programs = ()
        for lock in self._wake[1:]:
            if lock.locked():
                lock.release()

    def _serve(self, member: int) -> None:
        while True:
            self._wake[member].acquire()
            if not self._programs:
                return
            self._work(member)

    def _work(self, member: int) -> None:
        try:
            for step in self._programs[member]:
                step()
        except Abandoned:
            pass
        except BaseException as error:  # an interrupt too: the others must not wait for ever
            self._errors.append(error)
            self._barrier.abort()
        finally:
            self._working[member] = False


def spin(happened: Callable[[], bool]) -> None:
    """Wait until something has happened; after some ten milliseconds, in short sleeps."""
    turns = 0
    while not happened():
        turns += 1
        if turns < 10_000:
            _give_gil_away()
            _give_core_away()  # should two threads share one
        else:
            time.sleep(1e-4)


if sys.platform == "win32":
    _give_gil_away = partial(time.sleep, 0)
else:
    # Not `time.sleep(0)`: Linux lets even that wait for a timer, fifty microseconds and more.
    _give_gil_away = partial(select.select, (), (), (), 0)
_give_core_away: Callable[[], object] = getattr(os, "sched_yield", lambda: None)


class _Shared:
    """The process's one team, and the lock that lets one prediction at a time have it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.team = Team(1)
        self.limiter: Any = None  #: what gives BLAS its own number of threads back


_shared = _Shared()


def _start_anew() -> None:
    """A forked child has none of its parent's threads, and perhaps a lock that nobody will open."""
    global _shared
    limiter, _shared = _shared.limiter, _Shared()
    if limiter is not None:  # a prediction was under way, in a thread that is not here
        limiter.restore_original_limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


@contextmanager
def team() -> Iterator[Team]:
    """The team, for the caller alone, with BLAS on one thread a caller."""
    size, shared = get_num_threads(), _shared
    with shared.lock:
        if shared.team.size != size:
            former, shared.team = shared.team, Team(size)
            former.dismiss()
        with _blas().limit(limits=1, user_api="blas") as shared.limiter:
            try:
                yield shared.team
            except BaseException:
                # Whatever state an interrupt has left it in, the next prediction gets a new one.
                former, shared.team = shared.team, Team(1)
                former.dismiss()
                raise
            finally:
                shared.limiter = None


@cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
