"""Why a request is not answered: each reason with its HTTP status."""

from __future__ import annotations


class RequestError(Exception):
    """A request that is not answered as it was meant.

    Attributes:
        status: The HTTP status.
        reason: A word for metrics.
        headers: Headers of the answer.
    """

    status = 400
    reason = "bad_request"

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class NotFoundError(RequestError):
    """There is no such path, model or version."""

    status, reason = 404, "not_found"


class MethodError(RequestError):
    """The path takes another method."""

    status, reason = 405, "method"


class TooSlowError(RequestError):
    """The request took longer than the limit."""

    status, reason = 408, "time"


class TooLargeError(RequestError):
    """The body is larger than the limit."""

    status, reason = 413, "body_size"


class CodingError(RequestError):
    """The body is compressed by another method than gzip and deflate."""

    status, reason = 415, "content_encoding"


class HostError(RequestError):
    """The request is for another host, or from a page of another origin."""

    status, reason = 403, "host"


class TokenError(RequestError):
    """The token is missing or wrong."""

    status, reason = 401, "token"

    def __init__(self, message: str) -> None:
        super().__init__(message, {"WWW-Authenticate": "Bearer"})


class UnsupportedError(RequestError):
    """A part of a protocol that this server does not have."""

    status, reason = 501, "unsupported"


class OverloadedError(RequestError):
    """The server has as much to do as it takes in."""

    status, reason = 503, "overloaded"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message, {"Retry-After": str(retry_after)})
