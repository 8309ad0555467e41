"""A handler for AWS Lambda: function URLs, HTTP and REST gateways, and load balancers.

It needs neither Starlette nor an event loop, no other process, and no shared memory.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..data.class_names import ClassNamesLike
from ..models.model import Model
from ..prediction.classifier import Classifier
from .photographs import read_upload
from .problems import MethodError, NotFoundError, RequestError, TooLargeError
from .reading import read_one, read_top
from .settings import ServerSettings

Event = Mapping[str, Any]
Handler = Callable[[Event, Any], dict[str, Any]]
#: How a photograph looks whose bytes a gateway took for text.
AS_TEXT = ("\ufffd", "\x89PNG", "ÿØÿ", "\x00")
BINARY_ADVICE = (
    "the gateway passed the photograph on as text: let it pass binary bodies (binaryMediaTypes */* of a REST "
    "API; function URLs and HTTP APIs do it by themselves), or send base64 in JSON"
)


def create_handler(
    model: Model | Classifier | str | os.PathLike[str],
    *,
    class_names: ClassNamesLike | str | os.PathLike[str] | None = None,
    settings: ServerSettings | None = None,
) -> Handler:
    """Return a function that answers the events of a gateway as `/predict` does.

    Args:
        model: The model, a classifier, or the path of a model file. It is loaded now.
        class_names: Names of the classes, or a file that holds them.
        settings: The largest body.

    Raises:
        ModelFileError: The model file cannot be read. It is a ValueError.
        ValueError: The class names do not fit the model.
    """
    settings = ServerSettings() if settings is None else settings
    classifier = model if isinstance(model, Classifier) else Classifier(model, class_names=class_names)

    def handler(event: Event, context: Any = None) -> dict[str, Any]:
        try:
            return _answer(200, _predict(event, classifier, settings))
        except RequestError as error:
            return _answer(error.status, {"error": str(error), "status": error.status})

    return handler


def _predict(event: Event, classifier: Classifier, settings: ServerSettings) -> dict[str, Any]:
    start = time.monotonic()
    method, path = _method_and_path(event)
    if path.rstrip("/").rpartition("/")[2] not in ("", "predict"):
        raise NotFoundError(f"there is nothing at {path[:200]!r}; there is /predict")
    if method not in ("POST", "PUT"):
        raise MethodError(f"/predict takes POST and PUT, got {method}")
    body = _body(event)
    if len(body) > settings.max_body_bytes:
        raise TooLargeError(
            f"the body is larger than {settings.max_body_bytes:,} bytes, the most that is read"
        )
    headers = {key.lower(): str(value) for key, value in (event.get("headers") or {}).items()}
    upload = read_upload(body, headers.get("content-type", ""))
    options = {**upload.options, **(event.get("queryStringParameters") or {})}
    top, predictions = read_top(options), []
    for index, (name, content) in enumerate(zip(upload.names, upload.photographs, strict=True)):
        pixels = read_one(classifier.preprocessor, content, index, len(upload.photographs))
        (row,) = classifier.decode(classifier.probabilities(pixels[None]), top)
        predictions.append({
            "photograph": name,
            "classes": [
                {"id": found.class_id, "name": found.class_name, "score": float(found.score)} for found in row
            ],
        })  # fmt: skip
    seconds = round(time.monotonic() - start, 4)
    return {
        "model": classifier.model.name, "task": classifier.task, "predictions": predictions,
        "seconds": seconds,
    }  # fmt: skip


def _method_and_path(event: Event) -> tuple[str, str]:
    """Return the method and path of an event of any gateway."""
    http = (event.get("requestContext") or {}).get("http")
    if http:  # function URLs and HTTP APIs
        return str(http.get("method")), str(event.get("rawPath") or "/")
    return str(event.get("httpMethod", "POST")), str(event.get("path") or "/")


def _body(event: Event) -> bytes:
    """Return the bytes of a body, which gateways pass on as base64 or as text."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body)
        except (binascii.Error, ValueError):
            raise RequestError("the body is not base64, as its event says") from None
    if any(mark in body[:1000] for mark in AS_TEXT):
        raise RequestError(BINARY_ADVICE)
    content: bytes = body.encode()
    return content


def _answer(status: int, value: Any) -> dict[str, Any]:
    return {
        "statusCode": status, "headers": {"content-type": "application/json"},
        "body": json.dumps(value, ensure_ascii=False), "isBase64Encoded": False,
    }  # fmt: skip
