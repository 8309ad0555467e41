"""Photographs and options of a request, as the server and the handler of AWS Lambda read them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ..errors import printable
from ..prediction.preprocessing import Preprocessor
from .problems import RequestError

MAX_TOP = 1000


def read_one(preprocessor: Preprocessor, content: bytes, index: int = 0, count: int = 1) -> Any:
    """Read a photograph as pixels.

    Args:
        preprocessor: Knows the size.
        content: The file.
        index: Its place in the request.
        count: How many photographs the request has.

    Raises:
        RequestError: It is none; the message says which, and why.
    """
    try:
        return preprocessor.load(io.BytesIO(content))
    except (OSError, ValueError) as error:
        which = f"photograph {index + 1} of {count}: " if count > 1 else ""
        raise RequestError(printable(f"{which}{_reason(error)}")) from None


def _reason(error: BaseException) -> str:
    """Return why a photograph cannot be read, as a sentence."""
    text = str(error)
    return f"the photograph {text.removeprefix('image: ')}" if text.startswith("image: ") else text


def read_top(options: Mapping[str, str]) -> int | None:
    """Return the option `top`: how many classes are named.

    Raises:
        RequestError: It is no such number.
    """
    text = options.get("top")
    if text is None:
        return None
    if not text.isdecimal() or not 0 < int(text) <= MAX_TOP:
        raise RequestError(f"top must be from 1 to {MAX_TOP}, got {text[:50]!r}")
    return int(text)
