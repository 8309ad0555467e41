"""The process of `xception serve`: warms up, opens the port, and ends when every request is answered."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..engine.cpus import set_num_threads, usable_cpus
from .application import ServerApplication
from .measuring import MAX_WORKERS

BACKLOG = 512  #: connections that wait to be accepted


def open_socket(host: str, port: int) -> socket.socket:
    """Bind a port.

    Raises:
        OSError: It is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"{host}:{port}: cannot be opened ({error.strerror or error})") from None
    return listener


def run(
    application: ServerApplication, listener: socket.socket, *, workers: int = 1, drain_delay: float = 0.0,
    root_path: str = "", ready: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Serve until SIGTERM or SIGINT, then answer what was accepted.

    Args:
        application: What answers.
        listener: The bound port. It is opened when the model has computed once.
        workers: How many processes, which share the model's arrays.
        drain_delay: Seconds to go on accepting after SIGTERM, while readiness says no: a proxy needs time.
        root_path: The path under which a proxy offers the server.
        ready: Is called when requests are answered.

    Returns:
        The exit status: 0, or 1 if a worker has failed.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"workers must be from 1 to {MAX_WORKERS}, got {workers}")
    if workers == 1:
        return _serve(application, listener, drain_delay, root_path, ready)
    if not hasattr(os, "fork"):
        raise ValueError("several workers need fork, which this system does not have; start several servers")
    threads = max(1, usable_cpus() // workers)
    children: list[int] = []
    begun, begins = os.pipe()
    for number in range(workers):
        child = os.fork()
        if not child:
            status = 1
            try:
                application.metrics.worker = number
                set_num_threads(threads)
                os.close(begun)
                status = _serve(application, listener, drain_delay, root_path, lambda: os.close(begins))
            finally:
                os._exit(status)
        children.append(child)
    os.close(begins)
    os.read(begun, 1)  # returns when every worker answers, or has ended
    os.close(begun)
    ready()
    return _watch(children)


def _watch(children: list[int]) -> int:
    """Wait for all workers; hand on signals, and end all if one ends by itself."""
    is_ending = False

    def end(*_: Any) -> None:
        nonlocal is_ending
        is_ending = True
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    status, left = 0, set(children)
    while left:
        child, wait_status = os.wait()
        left.discard(child)
        if os.waitstatus_to_exitcode(wait_status) and not is_ending:
            status = 1
        if not is_ending:
            end()
    return status


def _serve(
    application: ServerApplication, listener: socket.socket, drain_delay: float, root_path: str,
    ready: Callable[[], None],
) -> int:  # fmt: skip
    import uvicorn

    class Server(uvicorn.Server):
        """A server that goes on accepting for a while after SIGTERM, and exits with 0."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if application.service.is_draining:
                self.should_exit = True
                return
            application.service.is_draining = True
            if drain_delay and sig == signal.SIGTERM:
                timer = threading.Timer(drain_delay, setattr, (self, "should_exit", True))
                timer.daemon = True
                timer.start()
            else:
                self.should_exit = True

    application.service.start()  # loads what is loaded late, before the port is open
    listener.listen(BACKLOG)
    config = uvicorn.Config(
        application, log_config=None, access_log=False, root_path=root_path, lifespan="on",
        timeout_keep_alive=30, server_header=False, proxy_headers=False,
    )  # fmt: skip
    ready()
    Server(config).run(sockets=[listener])
    return 0


def log_to_stderr() -> None:
    """Write the server's log to stderr: a line for each request, and nothing more of hostile ones."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # "Invalid HTTP request received", of each
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("xception.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
