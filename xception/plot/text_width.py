"""Widths of text that a browser will draw, estimated: no font is known here."""

from __future__ import annotations

import unicodedata

#: Of the size of the font, as in DejaVu Sans, which is wide.
NARROW, ORDINARY, CAPITAL, WIDE, FULL = 0.36, 0.61, 0.7, 0.95, 1.05
NARROW_CHARACTERS = frozenset(" .,:;'|!ijlIftr()[]-/")
WIDE_CHARACTERS = frozenset("mwMW@%…")


def width_of(text: str, size: float) -> float:
    """Return about how many pixels a text is wide.

    Args:
        text: The text.
        size: The size of the font, in pixels.
    """
    return size * sum(map(_share, text))


def shorten(text: str, size: float, width: float) -> str:
    """Return a text that is no wider than `width` pixels: of a longer one, its beginning, "…" and its end."""
    if width_of(text, size) <= width:
        return text
    remaining = width - width_of("…", size)
    head = tail = ""
    text = text[: int(width)] + text[-int(width) :]  # a name from a file may have megabytes
    for start, end in zip(text, reversed(text), strict=True):
        if len(head) + len(tail) + 1 >= len(text) or width_of(f"{head}{start}{tail}", size) > remaining:
            break
        head += start
        if width_of(f"{head}{end}{tail}", size) > remaining:
            break
        tail = f"{end}{tail}"
    return f"{head}…{tail}"


def _share(character: str) -> float:
    if character in NARROW_CHARACTERS:
        return NARROW
    if character in WIDE_CHARACTERS:
        return WIDE
    if character.isupper():
        return CAPITAL
    return FULL if unicodedata.east_asian_width(character) in "WF" else ORDINARY


def wrap(text: str, size: float, width: float) -> list[str]:
    """Return a text as lines that are no wider than `width` pixels, unless a single word is."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and width_of(f"{lines[-1]} {word}", size) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
