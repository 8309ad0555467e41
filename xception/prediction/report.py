"""Tables of an evaluation: shares with their counts, the confusion matrix, the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..console.text import align_columns

MAX_CONFUSION_CLASSES = 20  #: a wider matrix does not fit a terminal; the JSON has it whole
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


def confusion_table(names: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """Return the matrix of counts, with a row per label and a column per prediction."""
    if len(names) > MAX_CONFUSION_CLASSES:
        return [f"confusion matrix of {len(names)} classes: too wide for a table, see the JSON"]
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
