"""Who may call, by the Host, Origin and token of a request; and one line of log for each."""

from __future__ import annotations

import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from .answers import error_answer, path_of
from .measuring import Metrics
from .problems import HostError, RequestError, TokenError
from .settings import ServerSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("xception.server")
#: Paths that are open without the token: probes have none.
OPEN_PATHS = ("/healthz", "/v2/health/live", "/v2/health/ready")
EXPOSED = "Retry-After, Inference-Header-Content-Length"


class Guard:
    """Checks each request before the application sees it, and logs and counts each answer.

    Args:
        application: The application.
        settings: Whom it answers.
        metrics: Counts answers.
        log_format: "text" or "json", one line for each request; None for no log.
    """

    def __init__(
        self, application: Application, settings: ServerSettings, metrics: Metrics, log_format: str | None
    ) -> None:
        self._application, self._settings, self._metrics = application, settings, metrics
        self._log_format = log_format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        start = time.monotonic()
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        scope["xception.reason"] = None
        origin = headers.get("origin")
        status = 500

        async def record(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._cors(origin)]
            await send(message)

        try:
            self._check(scope, headers)
            if scope["method"] == "OPTIONS" and self._allows(origin):
                await _answer_preflight(record)
            else:
                await self._application(scope, receive, record)
        except RequestError as error:
            scope["xception.reason"] = error.reason
            await error_answer(error, path_of(scope))(scope, receive, record)
        finally:
            self._metrics.count_answer(status, scope["xception.reason"])
            self._log(scope, headers, status, time.monotonic() - start)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise RequestError if the request may not be answered."""
        host = headers.get("host", "")
        allowed = self._settings.allowed_hosts
        if allowed is not None and _host_name(host) not in allowed:
            raise HostError(f"this server answers for {', '.join(allowed)}, not for {host[:100]!r}")
        origin = headers.get("origin")
        is_own = origin is None or urlsplit(origin).netloc == host
        if not is_own and not self._allows(origin):
            raise HostError(f"pages of {str(origin)[:100]!r} may not call this server; see --cors-origin")
        token = self._settings.token
        path = path_of(scope)
        is_open = path in OPEN_PATHS or path.endswith("/ready") or (
            path == "/metrics" and self._settings.allow_metrics
        )  # fmt: skip
        if token is None or is_open or scope["method"] == "OPTIONS":
            return
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise TokenError("a token is needed: Authorization: Bearer TOKEN")

    def _allows(self, origin: str | None) -> bool:
        """Return whether pages of an origin on another host may call."""
        return origin is not None and (
            "*" in self._settings.cors_origins or origin in self._settings.cors_origins
        )

    def _cors(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        if not self._allows(origin):
            return []
        return [
            (b"access-control-allow-origin", str(origin).encode("latin-1")), (b"vary", b"Origin"),
            (b"access-control-expose-headers", EXPOSED.encode()),
        ]  # fmt: skip

    def _log(self, scope: Scope, headers: dict[str, str], status: int, seconds: float) -> None:
        if self._log_format is None:
            return
        client = (scope.get("client") or ("-", 0))[0]
        record = {
            "client": client, "method": scope["method"], "path": scope["path"], "status": status,
            "seconds": round(seconds, 4), "bytes": headers.get("content-length", "-"),
            "reason": scope["xception.reason"],
        }  # fmt: skip
        if self._log_format == "json":
            log.info(json.dumps(record))
        else:
            reason = f" ({record['reason']})" if record["reason"] else ""
            log.info(
                "%s %s %s %d %.3f s%s",
                client,
                record["method"],
                ascii(record["path"])[1:-1],
                status,
                seconds,
                reason,
            )


async def _answer_preflight(send: Send) -> None:
    """Answer a browser that asks whether a page on another host may call."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, OPTIONS"),
        (b"access-control-allow-headers", b"Authorization, Content-Type, Inference-Header-Content-Length"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _host_name(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if host.count(":") == 1 else host
