"""Color, width and characters of a stream, decided in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TextIO

#: Of the eight colors that every terminal has, those in use, and bold. Never the only sign of anything.
Paint = Literal["bold", "red", "green", "yellow"]
CODES: dict[Paint, int] = {"bold": 1, "red": 31, "green": 32, "yellow": 33}

MAX_COLUMNS_DIGITS = 5  #: of COLUMNS; more is no width
DEFAULT_COLUMNS = 80  #: of a terminal that does not tell its width
#: What an encoding must have for them to be used; each has a replacement in ASCII.
BEYOND_ASCII: dict[str, str | int | None] = {"…": "...", "×": "x", "−": "-", "–": "-"}


@dataclass(frozen=True)
class TextLayout:
    """How text is laid out.

    Attributes:
        color: Whether text is painted.
        width: The most columns of a line; None for as many as a table needs.
        unicode: Whether the characters of `BEYOND_ASCII` may be used.
    """

    color: bool = False
    width: int | None = None
    unicode: bool = True

    def paint(self, text: str, paint: Paint) -> str:
        """Return text in a color, or as it is. Escape what it quotes before."""
        return f"\x1b[{CODES[paint]}m{text}\x1b[0m" if self.color and text else text

    def spell(self, text: str) -> str:
        """Return the library's own words in characters that can be printed."""
        return text if self.unicode else text.translate(str.maketrans(BEYOND_ASCII))


#: Of `str()`, files and notebooks: the whole text.
PLAIN = TextLayout()


def layout_of(stream: TextIO) -> TextLayout:
    """Return the layout for a stream.

    Color: none if NO_COLOR is set, else if FORCE_COLOR is, else on a terminal that is not dumb. Width: that
    of a terminal, or COLUMNS; without both, as much as is needed, for programs that read it.

    Args:
        stream: Such as `sys.stdout`.
    """
    is_terminal = _is_terminal(stream)
    if os.environ.get("NO_COLOR"):
        color = False
    else:
        color = bool(os.environ.get("FORCE_COLOR")) or (is_terminal and os.environ.get("TERM") != "dumb")
    return TextLayout(color, _width(stream, is_terminal), _encodes(stream, "".join(BEYOND_ASCII)))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # an object of a program without a console, or closed
        return False


def _width(stream: TextIO, is_terminal: bool) -> int | None:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and len(columns) <= MAX_COLUMNS_DIGITS and int(columns):
        return int(columns)
    if not is_terminal:
        return None
    # shutil.get_terminal_size would ask stdout only
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    except (AttributeError, OSError, ValueError):
        return DEFAULT_COLUMNS


def _encodes(stream: TextIO, characters: str) -> bool:
    try:
        characters.encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
