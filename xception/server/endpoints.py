"""The paths of this library's own interface: /predict, /explain, /features."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..data.imagenet import Prediction
from ..explanation.explainer import Explainer
from ..kernels import Array
from .admission import Ticket
from .answers import json_answer
from .bodies import expected_length, read_body
from .photographs import Upload, read_upload
from .problems import RequestError
from .reading import read_one, read_top
from .service import Service

METHODS = ("grad-cam", "score-cam", "occlusion")


class Call:
    """A request while it is answered: what it holds, and whether its client has left.

    Args:
        request: The request.
        service: The model.
    """

    def __init__(self, request: Request, service: Service) -> None:
        self.request, self.service = request, service
        self.left = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def body(self, ticket: Ticket) -> bytes:
        """Read the body. From then on, it is noticed when the client leaves."""
        self.service.computer.expected += 1
        try:
            headers = dict(self.request.headers)
            body = await read_body(self.request.stream(), headers, self.service.settings, ticket)
        finally:
            self.service.computer.expected -= 1
        self._watching = asyncio.ensure_future(self.watch())
        return body

    async def watch(self) -> None:
        """Notice when the client leaves."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass
        self.left.set()

    def close(self) -> None:
        """End the watch."""
        if self._watching is not None:
            self._watching.cancel()


async def answered(request: Request, service: Service, handle: Callable[[Call, Ticket], Any]) -> Response:
    """Admit a request, answer it, and give back what it held.

    Raises:
        RequestError: It is refused.
    """
    with service.admission.admit(expected_length(request.headers, service.settings)) as ticket:
        call = Call(request, service)
        try:
            answer: Response = await handle(call, ticket)
            return answer
        except asyncio.CancelledError:
            if not call.left.is_set():
                raise
            request.scope["xception.reason"] = "client_left"
            return Response(status_code=499)
        finally:
            call.close()


def options_of(request: Request, upload: Upload) -> Mapping[str, str]:
    """Return the options of a request: those of the query come before those of the body."""
    return {**upload.options, **request.query_params}


async def predict(call: Call, ticket: Ticket) -> Response:
    """Name what photographs show."""
    service, start = call.service, time.monotonic()
    service.classifier_of()  # a model without classes is refused before the body is read
    upload = await _read(call, ticket)
    options = options_of(call.request, upload)
    top, output_name = read_top(options), options.get("output_name", service.output_name)
    classifier = service.classifier_of(output_name)
    x = await service.read_photographs(upload.photographs, ticket)
    outputs = await service.compute({service.model.input_names[0]: x}, call.left, ticket)
    scores = classifier.decoder.probabilities(outputs[output_name])
    try:
        rows = classifier.decode(scores, top)
    except ValueError as error:
        raise RequestError(str(error)) from None
    predictions = [
        {"photograph": name, "classes": [_as_json(row) for row in found]}
        for name, found in zip(upload.names, rows, strict=True)
    ]
    return json_answer({
        "model": service.settings.name, "task": classifier.task, "predictions": predictions,
        "seconds": round(time.monotonic() - start, 4),
    })  # fmt: skip


def _as_json(prediction: Prediction) -> dict[str, Any]:
    score = float(prediction.score)
    if not np.isfinite(score):
        raise RequestError("the model's answer holds NaN or infinity")
    return {"id": prediction.class_id, "name": prediction.class_name, "score": score}


async def _read(call: Call, ticket: Ticket) -> Upload:
    body = await call.body(ticket)
    content_type = call.request.headers.get("content-type", "")
    upload: Upload = await call.service.parse(read_upload, body, content_type)
    return upload


async def features(call: Call, ticket: Ticket) -> Response:
    """Give the features of photographs."""
    service, start = call.service, time.monotonic()
    upload = await _read(call, ticket)
    options = options_of(call.request, upload)
    layers = [name for name in options.get("layers", "").split(",") if name] or None
    x = await service.read_photographs(upload.photographs, ticket)
    model, pooling = service.model, options.get("pooling", "avg")

    def compute() -> Array:
        return model.features(x, layers, pooling, verbose=0)  # type: ignore[arg-type]  # checked there

    try:
        rows = await service.call(compute, call.left)
    except ValueError as error:
        raise RequestError(str(error)) from None
    if options.get("format") == "csv":
        lines = "".join(f"{','.join(f'{value:.9g}' for value in row)}\n" for row in rows)
        return Response(lines, media_type="text/csv; charset=utf-8")
    return json_answer({
        "model": service.settings.name, "features": rows.astype(np.float64).tolist(), "names": upload.names,
        "seconds": round(time.monotonic() - start, 4),
    })  # fmt: skip


async def explain(call: Call, ticket: Ticket) -> Response:
    """Show which parts of a photograph support a class: a picture, or the map as JSON."""
    service = call.service
    service.classifier_of()  # a model without classes is refused before the body is read
    upload = await _read(call, ticket)
    options = options_of(call.request, upload)
    if len(upload.photographs) != 1:
        raise RequestError(f"/explain takes one photograph, got {len(upload.photographs)}")
    method, alpha = options.get("method", "grad-cam"), _read_alpha(options)
    if method not in METHODS:
        raise RequestError(f"method must be one of {', '.join(METHODS)}, got {method[:50]!r}")
    classifier = service.classifier_of(options.get("output_name"))
    read_one(service.preprocessor, upload.photographs[0])  # for the reason, if it is none
    wants_json = options.get("format", "") == "json" or "json" in call.request.headers.get("accept", "")

    def compute() -> Any:
        from ..data.failures import FailureLog

        target: Any = options.get("class")
        explainer = Explainer(
            classifier, method=method,  # type: ignore[arg-type]  # checked above
            target=int(target) if target and target.isdecimal() else target, layer=options.get("layer"),
        )  # fmt: skip
        (explanation,) = explainer.stream([upload.photographs[0]], FailureLog("raise"), verbose=0)
        return explanation

    try:
        explanation = await service.call(compute, call.left)
    except (ValueError, OSError) as error:
        raise RequestError(str(error)) from None
    (name,), (index,) = explanation.names, explanation.targets
    if wants_json:
        heat = explanation.maps[0]
        return json_answer({
            "model": service.settings.name, "method": method, "class": {"index": int(index), "name": name},
            "score": float(explanation.scores[0]), "probability": float(explanation.probabilities[0]),
            "shape": list(heat.shape), "map": heat.astype(np.float64).tolist(),
        })  # fmt: skip
    stream = io.BytesIO()
    explanation.overlay(0, alpha=alpha).save(stream, "PNG")
    headers = {"X-Class": name.encode("ascii", "backslashreplace").decode(), "Cache-Control": "no-store"}
    return Response(stream.getvalue(), media_type="image/png", headers=headers)


def _read_alpha(options: Mapping[str, str]) -> float:
    text = options.get("alpha", "0.7")
    try:
        alpha = float(text)
    except ValueError:
        alpha = -1.0
    if not 0 <= alpha <= 1:
        raise RequestError(f"alpha must be from 0 to 1, got {text[:50]!r}")
    return alpha
