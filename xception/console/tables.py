"""Tables and lists of facts as lines of text, within the width of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import escape_controls
from .text import count_columns
from .text_layout import PLAIN, TextLayout

GAP = 2  #: spaces between columns
MIN_CUT_COLUMNS = 9  #: to which a name or path is cut; less of it would say nothing
MIN_WRAP_COLUMNS = 30  #: into which sentences are wrapped; a narrower window wraps them itself


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Its heading; "" for none.
        is_number: Whether its cells are right-aligned.
        may_cut: Whether cells may be cut in the middle where a terminal is narrow.
    """

    heading: str = ""
    is_number: bool = False
    may_cut: bool = False


def lay_out_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], layout: TextLayout = PLAIN, indent: int = 0
) -> list[str]:
    """Return a table as lines: headings, if there are any, and a line for each row.

    Args:
        columns: Its columns.
        rows: The cells of each row. Control characters in them are escaped.
        layout: The width to keep to; cells that may not be cut are whole, even if they exceed it.
        indent: Spaces before each line.
    """
    cells = [[escape_controls(cell) for cell in row] for row in rows]
    headings = [escape_controls(column.heading) for column in columns]
    has_headings = any(headings)
    table = [headings, *cells] if has_headings else cells
    natural = [max(map(count_columns, column)) for column in zip(*table, strict=True)]
    widths = _fit(natural, columns, layout, indent) if table else []
    lines = [
        " " * indent
        + (" " * GAP)
        .join(
            _aligned(cut_middle(cell, width, layout), width, column.is_number)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        .rstrip()
        for row in table
    ]
    if has_headings:
        lines[0] = layout.paint(lines[0], "bold")
    return lines


def table_columns(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> int:
    """Return how many columns a table needs if nothing is cut."""
    return max((count_columns(line) for line in lay_out_table(columns, rows)), default=0)


def lay_out_facts(facts: Iterable[tuple[str, str]], layout: TextLayout = PLAIN) -> list[str]:
    """Return facts as lines: a name, and a text that is wrapped beside it where a terminal is narrow."""
    escaped = [(name, escape_controls(text)) for name, text in facts]
    indent = max((count_columns(name) for name, _ in escaped), default=0) + GAP
    lines = []
    for name, text in escaped:
        first, *rest = wrap(text, layout, indent) or [""]
        lines.append(f"{layout.paint(name, 'bold')}{' ' * (indent - count_columns(name))}{first}".rstrip())
        lines += [" " * indent + line for line in rest]
    return lines


def wrap(text: str, layout: TextLayout, indent: int = 0) -> list[str]:
    """Return a sentence as lines that leave room for an indent. Words, such as paths, stay whole."""
    if layout.width is None or layout.width - indent < MIN_WRAP_COLUMNS:
        return [text]
    return textwrap.wrap(
        text, layout.width - indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def lay_out_sentences(text: str, layout: TextLayout = PLAIN) -> list[str]:
    """Return lines of text; what is too long for a terminal goes on in the next line, indented."""
    lines = []
    for line in text.splitlines():
        stripped = escape_controls(line.lstrip())
        indent = " " * (len(line) - len(line.lstrip()))
        first, *others = wrap(stripped, layout, len(indent) + GAP) or [""]
        lines += [f"{indent}{first}", *(f"{indent}{' ' * GAP}{other}" for other in others)]
    return lines


def cut_middle(text: str, columns: int, layout: TextLayout = PLAIN) -> str:
    """Return a name or path within so many columns; both of its ends stay.

    >>> cut_middle("photographs/2024/holiday/beach_0001.jpg", 24)
    'photographs…ach_0001.jpg'
    """
    if count_columns(text) <= columns:
        return text
    dots = "…" if layout.unicode else "..."
    room = max(columns - len(dots), 2)
    head, tail = text[: room // 2], text[-(room - room // 2) :]
    while count_columns(head) > room // 2:
        head = head[:-1]
    while count_columns(tail) > room - room // 2:
        tail = tail[1:]
    return f"{head}{dots}{tail}"


def _aligned(cell: str, width: int, is_number: bool) -> str:
    padding = " " * (width - count_columns(cell))
    return f"{padding}{cell}" if is_number else f"{cell}{padding}"


def _fit(natural: Sequence[int], columns: Sequence[Column], layout: TextLayout, indent: int) -> list[int]:
    """Return widths of columns: the widest that may be cut gives way first."""
    widths = list(natural)
    if layout.width is None:
        return widths
    excess = indent + sum(widths) + GAP * (len(widths) - 1) - layout.width
    while excess > 0:
        candidates = [i for i, column in enumerate(columns) if column.may_cut and widths[i] > MIN_CUT_COLUMNS]
        if not candidates:
            break
        widths[max(candidates, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths
