"""Text of CSV files, which spreadsheets, terminals and programs read.

File names and class names come from strangers. A spreadsheet takes a cell that begins with `=` for a
formula, an escape sequence moves a terminal's cursor, and a name that is not UTF-8 cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

#: What a cell begins with that is a formula to some spreadsheet; some skip the white space before it.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.ASCII)

#: Halves of characters, which UTF-8 cannot hold.
_SURROGATE = re.compile("[\ud800-\udfff]")

#: The same, and control characters except tab and the ends of lines.
_UNWRITABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_QUOTED = re.compile('[",;\t\r\n]|^ | $')


def writable(text: str) -> str:
    r"""Return text that UTF-8 can hold and a terminal can show, with tabs and ends of lines.

    Bytes of a name that are not UTF-8 and control characters are escaped:

        >>> print(writable("caf\udce9 \x1b[2J"))
        caf\xe9 \x1b[2J
    """
    return _UNWRITABLE.sub(_escape, text)


def as_utf8(text: str) -> str:
    r"""Return text that UTF-8 can hold: other bytes of a name are escaped, as `\xff`."""
    return _SURROGATE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def path_cell(path: str) -> str:
    """Return the path of a file as a cell. Before what would be a formula stands `./`."""
    path = writable(path)
    return quote(f"./{path}" if _FORMULA.match(path) else path)


def text_cell(text: str) -> str:
    """Return text as a cell. Before what would be a formula stands an apostrophe; numbers stay."""
    text = writable(text)
    return quote(f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text)


def quote(text: str) -> str:
    """Return a cell in quotes if it holds what separates cells or rows, in any country."""
    if not _QUOTED.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def format_row(cells: Sequence[object], path_columns: Container[int] = (0,)) -> str:
    """Return a line of CSV.

    Args:
        cells: Numbers, text, and None for an empty cell.
        path_columns: The columns that hold paths.
    """
    texts: Iterable[str] = ("" if cell is None else str(cell) for cell in cells)
    line = ",".join(path_cell(text) if i in path_columns else text_cell(text) for i, text in enumerate(texts))
    return f"{line}\n" if line else '""\n'
