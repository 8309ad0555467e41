"""Tables of an evaluation: rates with their counts, the confusion matrix, the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..console.text import align_columns

MAX_CONFUSION_CLASSES = 20  #: a wider matrix does not fit a terminal
UNDEFINED = "–"


def share(part: int, whole: int) -> str:
    """Return "0.750 (3 of 4)"; a dash where there is nothing to divide by."""
    return f"{part / whole:.3f} ({part} of {whole})" if whole else UNDEFINED


def optional(value: float | None) -> str:
    """Return a number with three decimals; a dash for None."""
    return UNDEFINED if value is None else f"{value:.3f}"


def class_table(rows: Iterable[tuple[str, int, int, int]]) -> list[str]:
    """Return a line per class, from (name, support, predicted, correct)."""
    cells = [
        (name, share(correct, predicted), share(correct, support), str(support))
        for name, support, predicted, correct in rows
    ]
    return align_columns([("class", "precision", "recall", "support"), *cells])


def count_confusions(
    labels: NDArray[np.signedinteger], predicted: NDArray[np.signedinteger], classes: int
) -> NDArray[np.intp]:
    """Return the confusion matrix (classes, classes) of class indices (n,): a row per label."""
    counts = np.zeros((classes, classes), np.intp)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def confusion_table(names: Sequence[str], counts: Sequence[Sequence[int]], source: str) -> list[str]:
    """Return the lines of a confusion matrix.

    Args:
        names: Names of the classes.
        counts: How many photographs of the row's class were taken for the column's.
        source: Where to find a matrix that is too wide to be shown: "the JSON".
    """
    if len(names) > MAX_CONFUSION_CLASSES:
        return [f"confusion matrix of {len(names)} classes: too wide for a table, see {source}"]
    width = max((len(str(count)) for row in counts for count in row), default=1)
    width = max(width, len(str(len(names) - 1)))
    longest = max(map(len, names))
    header = " ".join(f"{number:>{width}}" for number in range(len(names)))
    lines = ["confusion: a row for each label, a column for what it was taken for"]
    lines.append(f"{'':>{width}} {'':<{longest}}  {header}")
    for number, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = " ".join(f"{count or '.':>{width}}" for count in row)
        lines.append(f"{number:>{width}} {name:<{longest}}  {cells}")
    return lines


def mistake_table(rows: Iterable[tuple[float, str, str, str]]) -> list[str]:
    """Return a line per mistake, from (score, path, label, class taken for)."""
    return [f"  {score:6.3f}  {path}  ({label}, taken for {name})" for score, path, label, name in rows]
