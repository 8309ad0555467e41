"""Child processes that exchange pickled messages with their parent over pipes.

They are started as modules, not by `multiprocessing`, which would run the user's script once more.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..limits import get_limits

READY = "ready"  #: what a worker sends first

LENGTH = struct.Struct("<Q")
PATIENCE_SECONDS = 3.0  #: for a child to remove its half-written files, before it is killed

#: Each child computes with one thread. BLAS reads these when it is loaded.
ONE_THREAD = dict.fromkeys(
    ("XCEPTION_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class ChildEndedError(Exception):
    """A child process ended unexpectedly."""


class Child:
    """A child process of this library, with one thread. Use it as a context manager, or close it.

    It has the limits and the import path of this process. It gets no interrupts from the terminal, and must
    end when its standard input does, as it does when this process is killed.

    Args:
        module: The name of the module that it runs.
    """

    def __init__(self, module: str) -> None:
        limits = get_limits()
        environment = {
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": os.pathsep.join(_import_path()),
            "XCEPTION_MAX_MEMORY": str(limits.max_memory_bytes),
            "XCEPTION_MAX_OPERATIONS": str(limits.max_operations),
            "XCEPTION_MAX_PIXELS": str(limits.max_pixels),
        }
        own_group: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if os.name == "nt"
            else {"process_group": 0}
        )
        self._process = subprocess.Popen(
            # -P: modules in the working folder, which may hold a stranger's files, are not imported.
            [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, **own_group,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """Send a message, or raise ChildEndedError."""
        try:
            write_message(self._input, message)
        except (OSError, ValueError):  # it has ended, or was closed by another thread
            raise ChildEndedError from None

    def receive(self) -> Any:
        """Wait for a message and return it, or raise ChildEndedError."""
        try:
            return read_message(self._output)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            raise ChildEndedError from None

    def describe_end(self) -> str:
        """Return how the process ended: "signal 9" or "exit status 1"."""
        try:
            status = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def end(self) -> None:
        """Tell the process to end, without waiting for it."""
        with contextlib.suppress(OSError, ValueError):
            self._input.close()

    def close(self) -> None:
        """End the process, and wait for that. It may be closed twice."""
        self.end()
        self.describe_end()
        self._output.close()


class ChildGroup:
    """Child processes that run one module, and threads of this process that serve them.

    Args:
        module: The name of the module.
        serve: The function that each thread calls.
        threads: How many threads.
    """

    def __init__(self, module: str, serve: Callable[[], None], threads: int) -> None:
        self._module = module
        self._threads = [threading.Thread(target=serve, daemon=True) for _ in range(threads)]
        self._lock = threading.Lock()  # of the attributes below
        self._children: set[Child] = set()
        self.is_stopped = False

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the processes, which remove their half-written files, and wait for the threads."""
        with self._lock:
            self.is_stopped = True
            children = list(self._children)
        for child in children:
            child.end()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def start_child(self) -> Child | None:
        """Start a process; return None after `stop`."""
        with self._lock:
            if self.is_stopped:
                return None
            child = Child(self._module)
            self._children.add(child)
            return child

    def close_child(self, child: Child) -> None:
        """End a process, and wait for that."""
        child.close()
        with self._lock:
            self._children.discard(child)


def start_error(reason: str) -> RuntimeError:
    """Return the error of a process that cannot be started, and has said why on standard error."""
    return RuntimeError(f"a worker process could not be started ({reason}); see above")


def _import_path() -> list[str]:
    """Return where this process imports from, so that a child imports the same."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [path or os.getcwd() for path in sys.path if isinstance(path, str)]
    return list(dict.fromkeys([*paths, package]))


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write a message to a pipe, at once."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read_message(stream: IO[bytes]) -> Any:
    """Read a message from a pipe; raise EOFError at its end."""
    header = stream.read(LENGTH.size)
    if len(header) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(header)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)


def open_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes from and to the parent, in a child process.

    Interrupts are ignored, as the parent says when to end. Whatever else is printed on standard output goes
    to standard error from now on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, target


def picklable(error: Exception) -> Exception:
    """Return an exception as it can be sent: itself, or one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
