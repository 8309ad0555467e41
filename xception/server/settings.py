"""What a server may take in, and whom it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """Limits and safety of a server.

    Attributes:
        name: The model's name in paths and answers.
        version: The model's version; None if it has none.
        batching: Whether photographs of requests that wait are computed together. Without it, each request is
            computed by itself, and its numbers are those of `predict` to the last bit.
        max_batch: Photographs that are computed together.
        max_wait_seconds: How long a batch waits for requests that are being read.
        max_photographs: Photographs in the server at once, of all requests; more are refused.
        max_held_bytes: Bytes of bodies and decoded photographs in the server at once.
        max_body_bytes: Bytes of one body, decompressed.
        max_seconds: How long a request may take, from its first byte.
        stuck_seconds: How long one computation may take until the server says that it is dead.
        token: What clients must send as "Authorization: Bearer TOKEN"; None if nothing.
        allowed_hosts: Host names that requests may be for; None for any.
        cors_origins: Origins of web pages on other hosts that may call; "*" for all.
        allow_metrics: Whether /metrics is open without the token.
    """

    name: str = "xception"
    version: str | None = None
    batching: bool = True
    max_batch: int = 8
    max_wait_seconds: float = 0.004
    max_photographs: int = 64
    max_held_bytes: int = 256 << 20
    max_body_bytes: int = 32 << 20
    max_seconds: float = 60.0
    stuck_seconds: float = 120.0
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] | None = LOOPBACK_HOSTS
    cors_origins: tuple[str, ...] = ()
    allow_metrics: bool = True

    def __post_init__(self) -> None:
        for name in ("max_batch", "max_photographs", "max_held_bytes", "max_body_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if not self.name or "/" in self.name:
            raise ValueError(f"name must be a text without '/', got {self.name!r}")
