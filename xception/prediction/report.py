"""Tables of an evaluation: rates with their counts, the confusion matrix, the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..console.tables import GAP, MIN_CUT_COLUMNS, Column, cut_middle, lay_out_table
from ..console.text import count_columns, terminal_safe
from ..console.text_layout import PLAIN, TextLayout

MAX_CONFUSION_CLASSES = 20  #: a wider matrix does not fit a terminal
UNDEFINED = "–"
MISTAKE_COLUMNS = (Column(is_number=True), Column(may_cut=True), Column())


def share(part: int, whole: int) -> str:
    """Return "0.750 (3 of 4)"; a dash where there is nothing to divide by."""
    return f"{part / whole:.3f} ({part} of {whole})" if whole else UNDEFINED


def optional(value: float | None) -> str:
    """Return a number with three decimals; a dash for None."""
    return UNDEFINED if value is None else f"{value:.3f}"


def class_table(rows: Iterable[tuple[str, int, int, int]], layout: TextLayout = PLAIN) -> list[str]:
    """Return a line per class, from (name, support, predicted, correct)."""
    columns = (Column("class", may_cut=True), *map(Column, ("precision", "recall")), Column("support", True))
    cells = [
        (name, share(correct, predicted), share(correct, support), str(support))
        for name, support, predicted, correct in rows
    ]
    return lay_out_rates(columns, cells, layout)


def lay_out_rates(columns: Sequence[Column], rows: Iterable[Sequence[str]], layout: TextLayout) -> list[str]:
    """Return a table whose cells may be `UNDEFINED`, which is spelled as the stream can print it."""
    spelled = [[layout.spell(cell) if cell == UNDEFINED else cell for cell in row] for row in rows]
    return lay_out_table(columns, spelled, layout)


def count_confusions(
    labels: NDArray[np.signedinteger], predicted: NDArray[np.signedinteger], classes: int
) -> NDArray[np.intp]:
    """Return the confusion matrix (classes, classes) of class indices (n,): a row per label."""
    counts = np.zeros((classes, classes), np.intp)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def confusion_table(
    names: Sequence[str], counts: Sequence[Sequence[int]], source: str, layout: TextLayout = PLAIN
) -> list[str]:
    """Return the lines of a confusion matrix.

    Args:
        names: Names of the classes.
        counts: How many photographs of the row's class were taken for the column's.
        source: Where to find a matrix that is too wide to be shown: "the JSON".
        layout: The width to keep to, if the names can be cut so far.
    """
    if len(names) > MAX_CONFUSION_CLASSES:
        return [f"confusion matrix of {len(names)} classes: too wide for a table, see {source}"]
    width = max((len(str(count)) for row in counts for count in row), default=1)
    width = max(width, len(str(len(names) - 1)))
    names = [terminal_safe(name).replace("\n", " ") for name in names]
    longest = max(map(count_columns, names))
    if layout.width is not None:
        room = layout.width - (width + 1) * (len(names) + 1) - GAP + 1
        longest = min(longest, max(room, MIN_CUT_COLUMNS))
    names = [cut_middle(name, longest, layout) for name in names]
    header = " ".join(f"{number:>{width}}" for number in range(len(names)))
    lines = ["confusion: a row for each label, a column for what it was taken for"]
    lines.append(f"{'':>{width}} {'':<{longest}}  {header}")
    for number, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = " ".join(f"{count or '.':>{width}}" for count in row)
        padding = " " * (longest - count_columns(name))
        lines.append(f"{number:>{width}} {name}{padding}  {cells}")
    return lines


def mistake_table(rows: Iterable[tuple[float, str, str]], layout: TextLayout = PLAIN) -> list[str]:
    """Return a line per mistake, from (score, path, what is wrong)."""
    cells = [(f"{score:.3f}", path, f"({mistake})") for score, path, mistake in rows]
    return lay_out_table(MISTAKE_COLUMNS, cells, layout, indent=2)
