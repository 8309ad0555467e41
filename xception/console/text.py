"""Plain text for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import escape_controls


def terminal_safe(text: str) -> str:
    """Return text with every control character escaped, except the newline.

    Text that quotes a file could otherwise move the cursor or clear the window.
    """
    return escape_controls(text, keep="\n")


def align_columns(rows: Sequence[Sequence[str]], gap: int = 2) -> list[str]:
    """Return rows of cells as lines, each column as wide as its widest cell plus `gap` spaces."""
    widths = [max(map(count_columns, column)) + gap for column in zip(*rows, strict=True)]
    lines = (
        "".join(cell + " " * (width - count_columns(cell)) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [line.rstrip() for line in lines]


def count_columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two, accents none."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    widths = (1 + (east_asian_width(c) in "WF") for c in text if category(c) not in ("Mn", "Me", "Cf"))
    return sum(widths)


def list_some(items: Sequence[str], maximum: int, separator: str = ", ") -> str:
    """Return "a, b, c", or "a, b and 7 more" of a long list; with another separator, "a; b; and 7 more".

    Args:
        items: The items.
        maximum: How many are listed at most.
        separator: What stands between them.
    """
    listed = separator.join(items[:maximum])
    if len(items) <= maximum:
        return listed
    return f"{listed}{' ' if separator == ', ' else separator}and {len(items) - maximum:,} more"


def count_of(count: int, noun: str) -> str:
    """Return "1 photograph" or "3 photographs"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
