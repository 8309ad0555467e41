"""Worker process: `python -m xception.distributed.worker`, started by `Processes`.

It gets a function, then shards, and sends what the function returns. It ends when the parent does, or closes
the pipe: at once, but after the removal of half-written files.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
from queue import SimpleQueue
from typing import IO, Any

from ..jobs.children import PATIENCE_SECONDS, READY, open_pipes, picklable, read_message, write_message
from ..jobs.shards import Shard


def work() -> None:
    """Run shards until the parent closes the pipe."""
    signal.signal(signal.SIGTERM, _stop)
    source, target = open_pipes()
    messages: SimpleQueue[Any] = SimpleQueue()
    is_busy, is_over = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(source, messages, is_busy, is_over), daemon=True).start()
    write_message(target, READY)
    function: Any = messages.get()
    if hasattr(function, "listen"):
        function = function.listen(lambda shard, done: write_message(target, (shard.index, done)))
    while True:
        shard: Shard | None = messages.get()
        is_busy.set()
        if shard is None or is_over.is_set():
            return
        try:
            result = function(shard)
        except Exception as error:
            result = picklable(error)
        is_busy.clear()
        write_message(target, result)


def _listen(
    source: IO[bytes], messages: SimpleQueue[Any], is_busy: threading.Event, is_over: threading.Event
) -> None:
    """Pass messages on. When the parent has closed the pipe, interrupt the running shard."""
    while True:
        try:
            message = read_message(source)
        except EOFError:
            break
        except Exception as error:  # such as a function whose module is not found here
            message = _Failing(picklable(error))
        messages.put(message)
    is_over.set()
    messages.put(None)
    if is_busy.is_set():
        if hasattr(signal, "pthread_kill"):  # which also ends a wait, such as for a network
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            _thread.interrupt_main(signal.SIGTERM)
    threading.Event().wait(PATIENCE_SECONDS)
    os._exit(1)


class _Failing:
    """Stands for a function that could not be received."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, _: Shard) -> None:
        raise self._error


def _stop(*_: object) -> None:
    raise SystemExit(1)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the parent was killed
        work()
