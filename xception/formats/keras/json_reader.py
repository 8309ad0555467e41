"""JSON texts in model files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import ModelFileError
from ..limits import MAX_REASON_CHARACTERS, MAX_TEXT_BYTES


def read_json_object(text: bytes | str, location: str, unique_keys: bool = False) -> dict[str, Any]:
    """Parse a JSON text that must hold an object.

    Args:
        text: The text.
        location: Where it stands, for messages.
        unique_keys: Refuse objects that have a key twice, of which programs read different ones.

    Returns:
        The object.

    Raises:
        ModelFileError: The text is longer than MAX_TEXT_BYTES, is not JSON, or holds something else.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise ModelFileError(f"{location}: has {len(text):,} bytes; at most {MAX_TEXT_BYTES:,} are read")
    try:
        value = json.loads(text, object_pairs_hook=_as_unique if unique_keys else None)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{location}: is not valid JSON ({summarize_error(error)})") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{location}: should hold a JSON object, found {type(value).__name__}")
    return value


def _as_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; raise ValueError if it has a key twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return value


def summarize_error(error: BaseException) -> str:
    """Return an error's message on one line, of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_REASON_CHARACTERS else f"{text[:MAX_REASON_CHARACTERS]}…"


def unwrap_array(value: Any) -> Any:
    """Return the nested lists of an array or tensor in a config; anything else unchanged."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        return config.get("value") if isinstance(config, Mapping) else None
    return value
