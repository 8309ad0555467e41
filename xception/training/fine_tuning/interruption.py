"""Interrupts during training: the first ends the batch, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether training was interrupted."""

    def __init__(self) -> None:
        self.has_come = False


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Defer the first interrupt (SIGINT) within a `with` block. A second one has its usual effect.

    Only the main thread can handle signals; in any other, interrupts have their usual effect.

    Yields:
        An object that tells whether an interrupt has come.
    """
    interruption = Interruption()
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None)
    ):
        yield interruption
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        if interruption.has_come:
            signal.signal(signal.SIGINT, before)
            if callable(before):
                before(number, frame)
            return
        interruption.has_come = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
