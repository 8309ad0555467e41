"""Bodies of requests: counted while they are read, decompressed within the limit, and never on disk."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from .admission import Ticket
from .problems import CodingError, RequestError, TooLargeError, TooSlowError
from .settings import ServerSettings

#: zlib's windows: "deflate" is in practice with zlib's header, and sometimes without.
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def expected_length(headers: Mapping[str, str], settings: ServerSettings) -> int:
    """Return the length that a request states for its body; 0 if it states none.

    Raises:
        TooLargeError: It is beyond the limit.
        RequestError: It is no length.
    """
    text = headers.get("content-length")
    if text is None:
        return 0
    if not text.isdecimal():
        raise RequestError(f"Content-Length is no number: {text!r}")
    length = int(text)
    if length > settings.max_body_bytes:
        raise _too_large(settings)
    return length


async def read_body(
    stream: AsyncIterator[bytes], headers: Mapping[str, str], settings: ServerSettings, ticket: Ticket
) -> bytes:
    """Read a body to its end, and decompress it.

    Args:
        stream: Its parts, as they come.
        headers: The request's headers, in lower case.
        settings: The limits.
        ticket: Counts what the request holds.

    Raises:
        CodingError: It is compressed by another method than gzip and deflate.
        TooLargeError: It is larger than the limit, compressed or not.
        TooSlowError: It does not end in time.
        OverloadedError: The server holds as many bytes as it may.
        RequestError: It is not compressed as it says.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise CodingError(f"a body compressed by {coding!r} is not read: expected gzip, deflate, or none")
    content = bytearray()  # one block of memory: many small ones leave holes that are not given back
    try:
        async with asyncio.timeout(settings.max_seconds):
            async for part in stream:
                if len(content) + len(part) > settings.max_body_bytes:
                    raise _too_large(settings)
                ticket.add_bytes(len(part))
                content += part
    except TimeoutError:
        raise TooSlowError(f"the body did not end within {settings.max_seconds:g} seconds") from None
    body = bytes(content)
    if coding in ("identity", "") or not body:
        return body
    return _decompress(body, coding, settings, ticket)


def _too_large(settings: ServerSettings) -> TooLargeError:
    return TooLargeError(f"the body is larger than {settings.max_body_bytes:,} bytes, the most that is read")


def _decompress(body: bytes, coding: str, settings: ServerSettings, ticket: Ticket) -> bytes:
    """Decompress a body, which may not grow beyond the limit."""
    is_raw = coding == "deflate" and (body[0] & 0x0F) != 8
    window = GZIP if coding.endswith("gzip") else RAW if is_raw else ZLIB
    inflate = zlib.decompressobj(window)
    try:
        content = inflate.decompress(body, settings.max_body_bytes + 1)
    except zlib.error as error:
        raise RequestError(f"the body is not compressed by {coding} as its header says ({error})") from None
    if len(content) > settings.max_body_bytes:
        raise _too_large(settings)
    if not inflate.eof or inflate.unused_data:
        raise RequestError(f"the body compressed by {coding} is cut off, or goes on after its end")
    ticket.add_bytes(len(content) - len(body))
    return content


def compress(content: bytes, accepted: str) -> tuple[bytes, str | None]:
    """Compress an answer if the client asks for it. Returns the content and its coding.

    Args:
        content: The answer.
        accepted: The header Accept-Encoding.
    """
    codings = {coding.partition(";")[0].strip().lower() for coding in accepted.split(",")}
    if "gzip" in codings:
        deflate = zlib.compressobj(1, zlib.DEFLATED, GZIP)
        return deflate.compress(content) + deflate.flush(), "gzip"
    if "deflate" in codings:
        return zlib.compress(content, 1), "deflate"
    return content, None
