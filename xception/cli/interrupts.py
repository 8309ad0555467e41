"""Interrupts (SIGINT) of the program: at any moment it ends with status 130, and without a traceback.

While a command works, an interrupt raises KeyboardInterrupt, so that half-written files are removed. Python
and C code may lose this exception: an import turns it into an ImportError or an odd state, a finalizer prints
it, a callback from C reports a damaged file. So it is not raised in the middle of an import, and it is raised
again until the command ends.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType

TYPE_CHECKING = False  # see `xception/__init__.py`
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STATUS = 130  #: of an interrupted program: 128 + SIGINT
#: How long an interrupt waits for an import, and another interrupt for the removal of half-written files.
PATIENCE_SECONDS = 3.0
REPEAT_SECONDS = 0.005  #: before an interrupt is raised again

#: Whether a command works. Before and after there is nothing to remove, and an interrupt ends the process.
working = False
_first: float | None = None  #: when the first interrupt came while a command worked


def install() -> None:
    """Handle interrupts of this process, unless it was started so that it ignores them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        return
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _handle)
    sys.unraisablehook = _handle_unraisable
    sys.excepthook = _handle_uncaught
    atexit.register(_ignore)  # first, and so called last
    signal.signal(signal.SIGINT, _handle)


def _ignore() -> None:
    """Ignore signals while Python ends: it takes its handlers away, and any signal would end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


@contextmanager
def handed_over() -> Iterator[None]:
    """Let training take the first interrupt within a `with` block, after which it ends a batch.

    Before and after training, and from the second on, interrupts are handled as in any command.
    """
    from ..training.running.interrupts import RAISING_HANDLERS

    RAISING_HANDLERS.append(_handle)
    try:
        yield
    finally:
        RAISING_HANDLERS.remove(_handle)


def arrived() -> bool:
    """Return True if the command was interrupted, whatever became of the exception."""
    return _first is not None


def report() -> int:
    """Print that the command was interrupted; return the exit status."""
    with suppress(OSError, ValueError):
        print("xception: interrupted", file=sys.stderr)
    return STATUS


def _handle(number: int, frame: FrameType | None) -> None:
    global _first
    if not working:
        if number == signal.SIGINT:
            os.write(2, b"xception: interrupted\n")
            os._exit(STATUS)
        return
    _first = _first or time.monotonic()
    patient = time.monotonic() - _first < PATIENCE_SECONDS
    _repeat()
    if _is_handled() and (patient or number != signal.SIGINT):
        return
    if patient and _is_import(frame):
        return
    raise KeyboardInterrupt


def _repeat() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)


def _is_handled() -> bool:
    """Whether a KeyboardInterrupt is being handled: files are being closed and removed."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _is_import(frame: FrameType | None) -> bool:
    """Whether the interrupted code runs inside an import, which is short enough to wait for."""
    if not hasattr(signal, "setitimer"):
        return False  # nothing would raise the exception afterwards
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _handle_unraisable(unraisable: UnraisableHookArgs) -> None:
    """Report an exception in a finalizer as Python does, except those that an interrupt has caused."""
    if not arrived():  # after an interrupt, finalizers also find objects that are half made
        sys.__unraisablehook__(unraisable)


def _handle_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Do the same for uncaught exceptions: Cython reports those in its finalizers so."""
    if not arrived():
        sys.__excepthook__(kind, error, trace)
