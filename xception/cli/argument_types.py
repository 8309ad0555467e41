"""Types of arguments: each parses a text, or says what is expected."""

from __future__ import annotations

import argparse

#: Of an integer; Python refuses to read one of thousands.
MAX_DIGITS = 18


def positive_int(text: str) -> int:
    """Parse a positive integer."""
    if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:  # also of NaN
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def optional_bool(text: str) -> bool | None:
    """Parse "yes", "no", or "auto"."""
    values = {"auto": None, "yes": True, "no": False}
    if text not in values:
        raise argparse.ArgumentTypeError(f"expected auto, yes or no, got {text!r}")
    return values[text]


def name_list(text: str) -> list[str]:
    """Parse names separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between them, got {text!r}")
    return names
