"""The process of `xception serve`: warms up, opens the port, and ends when every request is answered."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from .application import ServerApplication
from .http_protocol import protocol
from .measuring import Metrics
from .workers import Build, run_workers

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
    build: Build, listener: socket.socket, *, workers: int = 1, drain_delay: float = 0.0, root_path: str = "",
    ready: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Serve until SIGTERM or SIGINT, then answer what was accepted.

    Args:
        build: Loads the model, and returns what answers and counts in the given figures. Where workers are
            spawned, it is pickled.
        listener: The bound port. It is opened when the model has computed once.
        workers: How many processes. They share the model's arrays where the system can fork.
        drain_delay: Seconds to go on accepting after SIGTERM, while readiness says no: a proxy needs time.
        root_path: The path under which a proxy offers the server.
        ready: Is called when requests are answered.

    Returns:
        The exit status: 0, or 1 if a worker has failed.

    Raises:
        ValueError: `workers` is out of range.
    """
    serve = partial(_serve, drain_delay, root_path)
    if workers == 1:
        return serve(build(Metrics()), listener, ready)
    return run_workers(build, serve, listener, workers, ready)


def _serve(
    drain_delay: float, root_path: str, application: ServerApplication, listener: socket.socket,
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
    gc.collect()
    gc.freeze()  # a full collection would look at each object of the model, and hold up answers for 70 ms
    listener.listen(BACKLOG)
    config = uvicorn.Config(
        application, log_config=None, access_log=False, root_path=root_path, lifespan="on",
        http=protocol(application.service.settings.max_body_bytes), timeout_keep_alive=30,
        server_header=False, proxy_headers=False,
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
