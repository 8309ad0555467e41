"""Child processes that are spoken to by pipes: pickled messages, each behind its length.

They are started as modules, and not by `multiprocessing`, which would run the user's script once more.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
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
    """A child process has ended, and not because it was told to."""


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

    Whatever else is printed on standard output goes to standard error from now on.
    """
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
