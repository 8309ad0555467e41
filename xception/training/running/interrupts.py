"""Interrupts of training: the first Ctrl-C ends it after the current batch, the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Handlers of Ctrl-C that raise KeyboardInterrupt, whose first call is training's. A program may add its own.
RAISING_HANDLERS: list[Any] = [signal.default_int_handler]


class Interrupt:
    """Whether the user has pressed Ctrl-C.

    Attributes:
        is_requested: Whether training should end after the current batch.
    """

    def __init__(self) -> None:
        self.is_requested = False


@contextmanager
def first_interrupt_ends_batch() -> Iterator[Interrupt]:
    """Treat the first Ctrl-C within a `with` block as a request; the second raises KeyboardInterrupt.

    Outside the main thread, and where the program handles Ctrl-C in another way, nothing changes.

    Yields:
        The interrupt, which says whether Ctrl-C was pressed.
    """
    interrupt = Interrupt()
    former: Any = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or former not in RAISING_HANDLERS:
        yield interrupt
        return

    def request(number: int, frame: FrameType | None) -> None:
        if interrupt.is_requested:
            former(number, frame)
        interrupt.is_requested = True

    signal.signal(signal.SIGINT, request)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, former)
