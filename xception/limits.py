"""Limits on memory, work and pixels that a file from a stranger may cause, set by the user."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

#: Weights and working memory together. The ImageNet classifier takes 0.2 GiB at 299×299 pixels, Xception's
#: base at 1024×1024 on two threads 0.6 GiB.
DEFAULT_MAX_MEMORY_BYTES = 5 << 28
#: Work for one image, in floating-point operations of a matrix product. Ten seconds on one thread of 100
#: GFLOP/s. Xception counts as 4.5e10 at 299×299 pixels, of which 1.7e10 are products.
DEFAULT_MAX_OPERATIONS = 10**12
#: Pixels of a photograph, as Pillow limits them: 13,377×13,377.
DEFAULT_MAX_PIXELS = 178_956_970

#: Features and activations that are kept for later calls: those of 1.3 million photographs, 2048 each.
DEFAULT_MAX_CACHE_BYTES = 10 << 30

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What one model or photograph may cost.

    Attributes:
        max_memory_bytes: A model's weights and the working memory of a prediction together, in bytes.
        max_operations: The work for one image, or one frame of a video, in floating-point operations of
            a matrix product. Slower operations count as several, by measured cost.
        max_pixels: Pixels of one photograph.
    """

    max_memory_bytes: int = DEFAULT_MAX_MEMORY_BYTES
    max_operations: int = DEFAULT_MAX_OPERATIONS
    max_pixels: int = DEFAULT_MAX_PIXELS


_requested: dict[str, int] = {}


def get_limits() -> Limits:
    """Return the limits that apply now.

    Each is the value from `set_limits`; else that of the environment variable XCEPTION_MAX_MEMORY (such
    as 2GB or 1.5GiB), XCEPTION_MAX_OPERATIONS or XCEPTION_MAX_PIXELS (such as 200000000 or 2e8); else
    1.25 GiB, 1e12 operations and 178,956,970 pixels.

    Raises:
        ValueError: An environment variable has another form.
    """
    values = {
        name: parse(os.environ[variable], variable)
        for name, variable, parse in (
            ("max_memory_bytes", "XCEPTION_MAX_MEMORY", parse_bytes),
            ("max_operations", "XCEPTION_MAX_OPERATIONS", parse_count),
            ("max_pixels", "XCEPTION_MAX_PIXELS", parse_count),
        )
        if name not in _requested and os.environ.get(variable, "").strip()
    }
    return replace(Limits(), **values, **_requested)


def set_limits(
    *, max_memory_bytes: int | None = None, max_operations: int | None = None, max_pixels: int | None = None
) -> None:
    """Set what one model or photograph may cost, from the next call on.

    Args:
        max_memory_bytes: Bytes of a model's weights and of the working memory of a prediction together.
            None: unchanged.
        max_operations: Floating-point operations for one image, or one frame of a video. None: unchanged.
        max_pixels: Pixels of one photograph. None: unchanged.

    Raises:
        ValueError: A limit is not a positive integer.

    Examples:
        >>> before = get_limits()
        >>> set_limits(max_memory_bytes=4 * 10**9)
        >>> get_limits().max_memory_bytes
        4000000000
        >>> set_limits(max_memory_bytes=before.max_memory_bytes)
    """
    given = {"max_memory_bytes": max_memory_bytes, "max_operations": max_operations, "max_pixels": max_pixels}
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    _requested.update(values)


def max_cache_bytes() -> int:
    """Return how many bytes of computed features and activations are kept for later calls.

    It is the environment variable XCEPTION_MAX_CACHE, such as 500MB or 10GiB; 0 keeps none. By default it
    is 10 GiB.

    Raises:
        ValueError: The environment variable has another form.
    """
    text = os.environ.get("XCEPTION_MAX_CACHE", "").strip()
    if not text:
        return DEFAULT_MAX_CACHE_BYTES
    try:
        return 0 if re.fullmatch("0+", text) else parse_bytes(text)
    except ValueError:
        raise ValueError(
            f"XCEPTION_MAX_CACHE must be a number of bytes such as 10GiB, or 0 for no cache, got {text!r:.60}"
        ) from None


def memory_advice(needed: int) -> str:
    """Return how to raise the limit of memory to a number of bytes, for an error message."""
    return (
        f"set_limits(max_memory_bytes={needed}), --max-memory {format_bytes(needed)} or XCEPTION_MAX_MEMORY"
    )


def parse_bytes(text: str, name: str = "a size") -> int:
    """Parse a number of bytes, such as "2GB", "1.5 GiB" or "1000000".

    Args:
        text: The number, with a unit or without.
        name: What it is, for the message.

    Raises:
        ValueError: It is not a positive number of bytes.
    """
    match = re.fullmatch(
        r"([0-9.]+(?:e\+?[0-9]{1,2})?)\s*([a-z]*)", text.strip()[:40], re.ASCII | re.IGNORECASE
    )
    unit = UNITS.get(match[2].upper()) if match else None
    try:
        if match is None or unit is None:
            raise ValueError
        size = int(match[1]) * unit if match[1].isdecimal() else int(float(match[1]) * unit)
        if size < 1:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{name} must be a number of bytes such as 2GB or 1.5GiB, got {text!r:.60}"
        ) from None
    return size


def parse_count(text: str, name: str = "a count") -> int:
    """Parse a positive integer, such as "200000000" or "2e8".

    Args:
        text: The number.
        name: What it is, for the message.

    Raises:
        ValueError: It is not a positive integer.
    """
    try:
        if not re.fullmatch(r"[0-9.]+(e\+?[0-9]{1,2})?", text.strip()[:40], re.ASCII | re.IGNORECASE):
            raise ValueError
        count = int(text) if text.strip().isdecimal() else float(text)
        if count < 1 or count != int(count):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{name} must be a positive integer such as 200000000 or 2e8, got {text!r:.60}"
        ) from None
    return int(count)


def format_bytes(size: int) -> str:
    """Return a text that `parse_bytes` reads as at least `size` bytes: "2.3GB", or "10GiB" if it is whole.

    Args:
        size: The number of bytes.
    """
    return _format(size, is_rounded_up=True)


def format_limit(size: int) -> str:
    """Return a text that `parse_bytes` reads as at most `size` bytes, so that no need equals its limit."""
    return _format(size, is_rounded_up=False)


def _format(size: int, is_rounded_up: bool) -> str:
    if size and size % 2**30 == 0:  # as a budget is given
        return f"{size >> 30}GiB"
    for unit, bytes_per_unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_per_unit:
            tenths = -(-size * 10 // bytes_per_unit) if is_rounded_up else size * 10 // bytes_per_unit
            return f"{tenths / 10:.1f}".removesuffix(".0") + unit
    return f"{size}B"
