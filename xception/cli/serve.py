"""`xception serve`: a model behind HTTP, and a page to drop a photograph on."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..console.text import terminal_safe
from ..errors import requires
from ..limits import parse_bytes
from ..models.factory import Xception, load_model
from ..models.pretrained import cached_classifier
from . import common
from .argument_types import positive_int
from .limit_options import apply_limits, parse_with

if TYPE_CHECKING:
    from ..models.model import Model
    from ..prediction.classifier import Classifier
    from ..server.application import ServerApplication
    from ..server.measuring import Metrics
    from ..server.settings import ServerSettings

TOKEN = "XCEPTION_SERVER_TOKEN"  # the name of a variable
DEFAULT_PORT = 8000
NOT_PICKLED = ("run", "fail")  # functions of the parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    common.add_classifier(parser)
    parser.add_argument("--name", help="the model's name in paths and answers (the file's, without suffix)")
    parser.add_argument("--model-version", metavar="V", help="the model's version in answers (none)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=os.environ.get("PORT", DEFAULT_PORT), metavar="N",
        help="the port ($PORT, else 8000)",
    )  # fmt: skip
    parser.add_argument("--workers", type=positive_int, default=1, metavar="N", help="processes (1)")
    parser.add_argument(
        "--no-batching", action="store_true",
        help="compute each request by itself: its numbers are then those of predict to the last bit",
    )  # fmt: skip
    parser.add_argument(
        "--max-body",
        type=parse_with(parse_bytes),
        default=32 << 20,
        metavar="SIZE",
        help="largest body (32 MiB)",
    )
    parser.add_argument(
        "--max-photographs", type=positive_int, default=64, metavar="N",
        help="photographs in the server at once; more are refused with 503 (64)",
    )  # fmt: skip
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds for a request (60)")
    parser.add_argument(
        "--drain-delay", type=float, default=0.0, metavar="S",
        help="seconds to go on accepting after SIGTERM, while readiness says no (0)",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", metavar="FILE", help=f"a file with the token that clients must send (or {TOKEN})"
    )
    parser.add_argument(
        "--allowed-host", action="append", metavar="NAME",
        help="a host name that requests may be for (loopback names; any, if --host is another address)",
    )  # fmt: skip
    parser.add_argument(
        "--cors-origin", action="append", default=[], metavar="ORIGIN",
        help="an origin of web pages on other hosts that may call, such as https://example.org; * for all",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", default="", metavar="PATH", help="the path under which a proxy offers it"
    )
    parser.add_argument(
        "--log", choices=("text", "json", "none"), default="text", help="a line for each request"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    with requires("xception serve", "the extra 'serve'", "'xception[serve]'"):
        from ..server.running import open_socket
        from ..server.running import run as run_server
    from ..server.settings import LOOPBACK_HOSTS, ServerSettings

    hosts = tuple(arguments.allowed_host or ()) or None
    if hosts is None and arguments.host in LOOPBACK_HOSTS:
        hosts = LOOPBACK_HOSTS
    settings = ServerSettings(
        name=arguments.name or _name(arguments), version=arguments.model_version,
        batching=not arguments.no_batching, max_body_bytes=arguments.max_body,
        max_photographs=arguments.max_photographs, max_seconds=arguments.timeout, token=_token(arguments),
        allowed_hosts=hosts, cors_origins=tuple(arguments.cors_origin),
    )  # fmt: skip
    listener = open_socket(arguments.host, arguments.port)
    try:
        host, port = listener.getsockname()[:2]
        address = f"http://{'localhost' if host in LOOPBACK_HOSTS else host}:{port}{arguments.root_path}/"

        def say() -> None:
            workers = f", {arguments.workers} workers" if arguments.workers > 1 else ""
            print(
                terminal_safe(f"xception: {settings.name} at {address}{workers}"), file=sys.stderr, flush=True
            )

        plain = {key: value for key, value in vars(arguments).items() if key not in NOT_PICKLED}
        return run_server(
            partial(_build, argparse.Namespace(**plain), settings), listener, workers=arguments.workers,
            drain_delay=arguments.drain_delay, root_path=arguments.root_path, ready=say,
        )  # fmt: skip
    finally:
        listener.close()


def _build(arguments: argparse.Namespace, settings: ServerSettings, metrics: Metrics) -> ServerApplication:
    """Load the model, and return what answers. Each worker that is spawned calls it."""
    from ..server.application import create_app
    from ..server.running import log_to_stderr

    apply_limits(arguments)  # of this process
    log_format = None if arguments.log == "none" else arguments.log
    model, whole = _model(arguments)
    application = create_app(model, whole=whole, settings=settings, log_format=log_format, metrics=metrics)
    log_to_stderr()
    return application


def _model(arguments: argparse.Namespace) -> tuple[Model | Classifier, Model | None]:
    """Return what answers, and the model that it is a part of.

    That is one's own model, the ImageNet classifier if it is on this machine, else the base.
    """
    if arguments.model or arguments.weights:
        model = common.own_model(arguments)
        whole = load_model(model) if isinstance(model, str) else model
        if whole is not None and len(whole.output_names) == 1 and len(whole.output_shape) != 2:
            return whole, None  # maps: features alone
        return common.build_classifier(arguments, whole), whole
    if cached_classifier() is not None:
        return common.build_classifier(arguments), None
    common.note(
        "the ImageNet classifier is not on this machine, so features are all that the server answers with; "
        "'xception weights download' fetches it, and --model FILE serves a model of your own"
    )
    return Xception(include_top=False, pooling="avg", input_shape=(299, 299, 3)), None


def _name(arguments: argparse.Namespace) -> str:
    return Path(arguments.model).stem if arguments.model else "xception"


def _token(arguments: argparse.Namespace) -> str | None:
    """Return the token, which never stands in an argument: other users of the machine see those."""
    if arguments.token_file:
        token = Path(arguments.token_file).read_text("utf-8").strip()
        if not token:
            raise ValueError(f"{arguments.token_file}: holds no token")
        return token
    return os.environ.get(TOKEN) or None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)
