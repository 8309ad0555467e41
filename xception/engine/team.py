"""Thread pool with a spinning barrier."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..errors import raise_first
from ..kernels import Step

Program = Iterable[Step]  #: what one thread runs

#: Turns of a busy wait, about ten milliseconds, before it becomes a loop of short sleeps. Bounds the CPU
#: time that a thread wastes while another one computes.
MAX_SPIN_TURNS = 10_000
SLEEP_SECONDS = 1e-4  #: one sleep of this loop


class Barrier:
    """A barrier for programs that run side by side.

    Waiting is a short spin that yields the GIL and the core: the calls between two barriers take
    a few hundred microseconds, and waking a sleeping thread would take fifty.

    Args:
        size: Number of programs.
    """

    def __init__(self, size: int) -> None:
        self._arrived = [0] * size
        self._broken = False

    def reset(self) -> None:
        """Prepare for another run."""
        self._arrived[:] = [0] * len(self._arrived)
        self._broken = False

    def abort(self) -> None:
        """End all waiting: a program has failed."""
        self._broken = True

    def check(self) -> None:
        """Stop the calling program if another one has failed. A step.

        Raises:
            Abandoned: `abort` was called.
        """
        if self._broken:
            raise Abandoned

    def meet(self, member: int) -> Step:
        """Return a step that waits until every program has reached the same meeting.

        Every program must contain the same number of these steps.

        Args:
            member: The program that will contain the step.

        Returns:
            The step. It raises `Abandoned` if another program has failed.
        """
        arrived = self._arrived
        others = [other for other in range(len(arrived)) if other != member]

        def step() -> None:
            count = arrived[member] = arrived[member] + 1
            for other in others:
                if arrived[other] < count:
                    spin(lambda other=other: arrived[other] >= count or self._broken)  # type: ignore[misc]
            self.check()

        return step


class Abandoned(Exception):  # noqa: N818
    """Stops a program because another one has failed."""


class Team:
    """The calling thread and `size` − 1 others, each running a program of prepared calls.

    Args:
        size: Number of threads.

    Attributes:
        size: Number of threads.
    """

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
        """Run one program on each thread, and return when all have ended.

        If an interrupt ends this method itself, the team cannot be used any more.

        Args:
            programs: At most `size` programs. The first runs on the calling thread.
            barrier: Where the programs meet. It is reset first.

        Raises:
            BaseException: The first error of a program. It stops the others at their next barrier.
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
        self._programs = ()
        if self._errors:
            raise_first(self._errors)

    def dismiss(self) -> None:
        """End the threads. The team cannot be used afterwards."""
        self._programs = ()
        self._errors.clear()
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
        except BaseException as error:  # interrupts too: the others must not wait forever
            if self._programs:  # not dismissed
                self._errors.append(error)
            self._barrier.abort()
        finally:
            self._working[member] = False


def spin(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds: busily at first, then in short sleeps.

    Args:
        condition: Returns True when waiting is over.
    """
    turns = 0
    while not condition():
        turns += 1
        if turns < MAX_SPIN_TURNS:
            _yield_gil()
            _yield_core()  # in case two threads share one
        else:
            time.sleep(SLEEP_SECONDS)


if sys.platform == "win32":
    _yield_gil = partial(time.sleep, 0)
else:
    # Not `time.sleep(0)`: on Linux even that waits for a timer, for fifty microseconds or more.
    _yield_gil = partial(select.select, (), (), (), 0)
_yield_core: Callable[[], object] = getattr(os, "sched_yield", lambda: None)
