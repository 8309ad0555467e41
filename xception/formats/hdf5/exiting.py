"""A clean end of a process in which daemon threads read or write HDF5 files.

Python ends a daemon thread wherever it is. HDF5 has one lock for the whole process, and a thread that ends
while it holds this lock never releases it: h5py waits for it for ever when it closes its own objects, or the
process crashes. So at exit the files in use are finished first, and no other thread opens one.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import h5py  # noqa: F401  # before `_finish` is registered: h5py's own handler at exit then runs after it

#: How long the process waits for a file. Reading a hundred megabytes takes a tenth of a second.
MAX_SECONDS = 10.0
POLL_SECONDS = 0.002

_busy: dict[threading.Thread, int] = {}  #: number of files in use, by thread
_exiting = False


@contextmanager
def using_file() -> Iterator[None]:
    """Keep the process alive within a `with` block or a decorated function that uses an HDF5 file.

    h5py's objects, which take HDF5's lock when they are freed, must not outlive it. A thread that enters
    it while the process ends is stopped there.

    Raises:
        RuntimeError: The process is ending, and has waited for this thread.
    """
    thread = threading.current_thread()
    _busy[thread] = _busy.get(thread, 0) + 1  # before `_exiting` is read: `_finish` sets it, then reads this
    try:
        # Not what a handler of `atexit` does: it runs on the main thread, or in new threads that it joins.
        if _exiting and thread.daemon and _busy[thread] == 1:
            _busy[thread] = 0
            time.sleep(MAX_SECONDS)  # Python ends the thread before this time is over
            raise RuntimeError("the program is ending")
        yield
    finally:
        _busy[thread] -= 1
        if _busy[thread] <= 0:
            del _busy[thread]


def _finish() -> None:
    """Wait until no other thread uses a file."""
    global _exiting
    _exiting = True
    end = time.monotonic() + MAX_SECONDS
    while time.monotonic() < end and any(
        count > 0 and thread.is_alive() and thread is not threading.current_thread()
        for thread, count in list(_busy.items())
    ):
        time.sleep(POLL_SECONDS)


atexit.register(_finish)
