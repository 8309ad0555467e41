"""JSON text, with null for the numbers that JSON lacks."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON, with null for NaN and infinity.

    The text is ASCII: other characters, and bytes of a file's name that are not UTF-8, are escaped.

    Args:
        value: Numbers, text, None, and lists and dicts of these.
        indent: Spaces per level; None for a single line.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
