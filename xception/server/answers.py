"""Answers: JSON, and errors in the form that the clients of a path read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ..errors import printable
from .problems import RequestError

#: Paths of protocols whose clients read {"error": "text"} of every error.
PROTOCOLS = ("/v1", "/v2")


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as JSON, which never holds NaN."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    content = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes JSON's own escape
    return Response(content, status, headers, media_type="application/json")


def path_of(scope: Mapping[str, Any]) -> str:
    """Return the path of a request within this application, wherever a proxy or a mount offers it."""
    path: str = scope["path"]
    root = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def error_answer(error: RequestError, path: str) -> Response:
    """Return an error as the clients of a path read it.

    Args:
        error: The error.
        path: The path of the request within the application.
    """
    value: dict[str, Any] = {"error": printable(str(error))}
    if not path.startswith(PROTOCOLS):
        value["status"] = error.status
    return json_answer(value, error.status, error.headers)
