"""The ASGI application: all paths, and what they answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..data.class_names import ClassNamesLike
from ..models.factory import load_model
from ..models.model import Model
from ..prediction.classifier import Classifier
from . import endpoints, open_inference, protocol_endpoints, tensorflow_serving
from .admission import Ticket
from .answers import error_answer, json_answer, path_of
from .endpoints import Call, answered
from .guard import Application, Guard, log
from .measuring import Metrics
from .openapi import describe_api
from .problems import MethodError, NotFoundError, OverloadedError, RequestError
from .service import Service
from .settings import ServerSettings

Handler = Callable[[Call, Ticket], Awaitable[Response]]
#: The files of the page, by path.
PAGE = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/docs": ("docs.html", "text/html"),
    "/docs.js": ("docs.js", "text/javascript"),
}
WORKING_METHODS = ("POST", "PUT")  #: of all paths that compute, and of no others
#: Nothing is loaded from elsewhere. Pictures are made in the page.
POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'self'"


class ServerApplication:
    """A model behind HTTP, as an ASGI application.

    Attributes:
        service: The model, its thread, and what is in the server.
        metrics: Figures of all workers.
    """

    def __init__(self, service: Service, log_format: str | None) -> None:
        self.service, self.metrics = service, service.metrics
        self._routed = _build(service)
        self._guarded: Application = Guard(self._admit, service.settings, service.metrics, log_format)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not self.service.is_started:  # mounted: nobody calls our lifespan
            await asyncio.to_thread(self.service.start)
        await self._guarded(scope, receive, self._closing(send) if self.service.is_draining else send)

    async def _admit(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse work of a full server before its path is looked up, which takes most of a refusal's time.

        Refusals share the processors with what is computed, and come by the hundred a second.
        """
        if scope["type"] == "http" and scope["method"] in WORKING_METHODS:
            self.service.refuse_if_dead()  # whose queue fills up, but will not empty
            self.service.admission.refuse_if_full()
        await self._routed(scope, receive, send)

    @staticmethod
    def _closing(send: Any) -> Any:
        """Return what tells a proxy to send nothing more on its connection: it is about to be closed."""

        async def send_and_close(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return send_and_close


def create_app(
    model: Model | Classifier | str | os.PathLike[str],
    *,
    class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
    output_name: str | None = None,
    whole: Model | None = None,
    settings: ServerSettings | None = None,
    log_format: str | None = None,
    metrics: Metrics | None = None,
) -> ServerApplication:
    """Return an ASGI application that answers with a model.

    Args:
        model: The model, a classifier, or the path of a model file.
        class_names: Names of the classes, or a file that holds them.
        output_name: The output with the scores, where the model has several. Requests may name another.
        whole: The model that `model`, a classifier of one output, is a part of. Its other outputs can be
            asked for then, if it has the same inputs.
        settings: Limits and safety. By default those of `ServerSettings()`.
        log_format: "text" or "json": a line for each request, to the logger "xception.server". None: no log.
        metrics: Figures that several processes share; by default of this process.

    Raises:
        ModelFileError: The model file cannot be read. It is a ValueError.
        ValueError: The class names do not fit the model.
        MissingPackageError: Starlette is not installed.

    Examples:
        >>> import xception
        >>> from xception.server import create_app
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3))
        >>> app = create_app(model, class_names=["cat", "dog"])  # for uvicorn, or to mount
    """
    settings = ServerSettings() if settings is None else settings
    if isinstance(model, str | os.PathLike):
        model = load_model(model)
    classifier: Classifier | None
    if isinstance(model, Classifier):
        classifier, model = model, model.model
        if whole is not None and whole.input_names == model.input_names:
            model = whole
    elif _has_classes(model, output_name):
        classifier = Classifier(model, class_names=class_names, output_name=output_name)
    else:
        classifier = None
    return ServerApplication(Service(model, classifier, settings, metrics or Metrics()), log_format)


def _has_classes(model: Model, output_name: str | None) -> bool:
    """Return whether an output is a vector of scores; a base that ends in maps gives features alone."""
    names = dict(zip(model.output_names, model.graph.outputs, strict=True))
    node = names.get(output_name or model.output_names[0])
    is_backbone = model.class_names is None and output_name is None and len(model.graph.outputs) == 1
    shape = () if node is None else model.graph.nodes[node].output_shape
    pooled = node is not None and model.graph.nodes[node].kind.startswith("Global")
    return not (is_backbone and (len(shape) != 1 or pooled))


def _build(service: Service) -> Starlette:
    """Return the paths of a service."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()

    def work(handle: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await answered(request, service, handle)

        return endpoint

    routes = [
        *(Route(path, _static(*file), methods=["GET"]) for path, file in PAGE.items()),
        Route("/info", lambda _: json_answer(_info(service)), methods=["GET"]),
        Route("/predict", work(endpoints.predict), methods=["POST", "PUT"]),
        Route("/explain", work(endpoints.explain), methods=["POST", "PUT"]),
        Route("/features", work(endpoints.features), methods=["POST", "PUT"]),
        Route("/healthz", _live(service), methods=["GET"]),
        Route("/metrics", _metrics(service), methods=["GET"]),
        Route("/openapi.json", _description(service), methods=["GET"]),
        *_protocol_routes(service, work),
    ]
    handlers: dict[Any, Any] = {
        RequestError: _refuse, HTTPException: _refuse_path, Exception: _fail,
    }  # fmt: skip
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)


def _protocol_routes(service: Service, work: Any) -> list[Route]:
    """Return the paths of KServe v2, and of TensorFlow Serving with KServe v1."""

    def described(value: Callable[[Service], Any], ready: bool = False) -> Any:
        def endpoint(request: Request) -> Response:
            protocol_endpoints.check_model(request, service)
            status = 503 if ready and not service.is_ready else 200
            return json_answer(value(service), status)

        return endpoint

    def ready(request: Request) -> Response:
        protocol_endpoints.check_model(request, service)
        name = {"name": service.settings.name} if "name" in request.path_params else {}
        return json_answer({**name, "ready": service.is_ready}, 200 if service.is_ready else 503)

    def server(_: Request) -> Response:
        return json_answer(open_inference.describe_server())

    routes = [
        Route("/v2", server), Route("/v2/", server),
        Route("/v2/health/live", _live(service, "live")), Route("/v2/health/ready", ready),
        Route("/v1/models", described(lambda service: {"models": [service.settings.name]})),
    ]  # fmt: skip
    for version in ("", "/versions/{version}"):
        path = f"/v2/models/{{name}}{version}"
        routes += [
            Route(path, described(open_inference.describe_model)), Route(f"{path}/ready", ready),
            Route(f"{path}/infer", work(protocol_endpoints.infer), methods=["POST"]),
        ]  # fmt: skip
    for version in ("", "/versions/{version}", "/labels/{label}"):
        path = f"/v1/models/{{name}}{version}"
        routes += [
            Route(f"{path}:predict", work(protocol_endpoints.predict_rows), methods=["POST"]),
            Route(f"{path}:classify", work(protocol_endpoints.classify_rows), methods=["POST"]),
            Route(f"{path}/metadata", described(tensorflow_serving.describe_metadata)),
            Route(path, described(tensorflow_serving.describe_status, ready=True)),
        ]  # fmt: skip
    return routes


# --- state ----------------------------------------------------------------------------------


def _live(service: Service, key: str = "live") -> Any:
    """Return what answers whether the process lives. It does no work and takes no lock."""

    async def endpoint(_: Request) -> Response:
        is_alive = service.is_alive
        return json_answer({key: is_alive}, 200 if is_alive else 503)

    return endpoint


def _metrics(service: Service) -> Any:
    def endpoint(_: Request) -> Response:
        service.update_gauges()
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return endpoint


def _description(service: Service) -> Any:
    def endpoint(request: Request) -> Response:
        return json_answer(describe_api(service, request.scope.get("root_path", "")))

    return endpoint


def _info(service: Service) -> dict[str, Any]:
    """Return what the page shows of the model."""
    classifier = service.classifier
    names = [] if classifier is None else [name for _, name in classifier.class_names]
    return {
        "model": service.settings.name, "task": None if classifier is None else classifier.task,
        "classes": names, "size": list(service.preprocessor.size),
        "max_body_bytes": service.settings.max_body_bytes,
    }  # fmt: skip


def _static(name: str, media_type: str) -> Any:
    content = (resources.files(__package__) / "page" / name).read_bytes()
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }

    async def endpoint(_: Request) -> Response:
        return Response(content, headers=headers, media_type=f"{media_type}; charset=utf-8")

    return endpoint


# --- errors ---------------------------------------------------------------------------------


def _refuse(request: Request, error: RequestError) -> Response:
    request.scope["xception.reason"] = error.reason
    return error_answer(error, path_of(request.scope))


def _refuse_path(request: Request, error: HTTPException) -> Response:
    path = path_of(request.scope)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        found: RequestError = MethodError(f"{path} takes {allowed}, got {request.method}", {"Allow": allowed})
    else:
        found = NotFoundError(f"there is nothing at {path[:200]!r}")
    return _refuse(request, found)


def _fail(request: Request, error: Exception) -> Response:
    """Answer a fault of the server. What went wrong is in its log alone."""
    request.scope["xception.reason"] = "error"
    if isinstance(error, MemoryError):
        return _refuse(request, OverloadedError("there is no memory for this request; try again in a second"))
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    failure = RequestError("the server failed; its log says why")
    failure.status = 500
    return error_answer(failure, path_of(request.scope))
