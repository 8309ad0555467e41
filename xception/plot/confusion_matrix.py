"""Confusion matrix as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..prediction.evaluation import Evaluation
from ..training.fine_tuning.report import FineTuning, Validation
from .figures import as_axes, expected, font_for, legible, show_values
from .text_width import width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COUNTED_CLASSES = 25  #: whose numbers stand in the cells; in more the numbers would not be legible
MAX_NAMED_CLASSES = 80  #: whose names stand at the edges
CELL_INCHES, MAX_INCHES = 0.45, 10.0
NAME_POINTS, SMALL_POINTS = 9, 6  #: of the letters of names
MAX_NAME_INCHES = 3.0
BRIGHT = 0.55  #: from this share on, numbers are dark


def confusion(evaluation: Evaluation | Validation | FineTuning, *, ax: Axes | None = None) -> Figure:
    """Draw a confusion matrix: a row for each class, a column for what its photographs were taken for.

    Colors are shares of the row, so that classes of different sizes can be compared; the diagonal is the
    recall. Numbers are counts. Classes that occur neither as labels nor as predictions are left out.

    Args:
        evaluation: What `evaluate` returns for a model of classes, or what `fine_tune` returns.
        ax: Axes to draw in. None: those of a new figure.

    Returns:
        The figure. A notebook shows it.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: `evaluation` has no confusion matrix.
        ValueError: It is of labels or numbers, or of no photographs.
    """
    names, counts = _read(evaluation)
    occurring = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if not len(occurring):
        raise ValueError("there are no photographs, expected at least one that was evaluated")
    counts = counts[np.ix_(occurring, occurring)]
    points = NAME_POINTS if len(occurring) <= MAX_COUNTED_CLASSES else SMALL_POINTS
    names = [legible(names[i], i, points, MAX_NAME_INCHES) for i in occurring.tolist()]
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    is_named = len(names) <= MAX_NAMED_CLASSES
    side = min(max(2.0, CELL_INCHES * len(names)), MAX_INCHES)
    edge = max(width_of(name, points) for name in names) / 72 if is_named else 0
    axes = as_axes(ax, side + edge + 1.8, side + edge + 0.6)
    image = show_values(axes, shares, 0.0, 1.0)
    if is_named:
        font = font_for("".join(names), points)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(names)), names, fontproperties=font, parse_math=False)
        axes.tick_params("x", rotation=90)
    if len(names) <= MAX_COUNTED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "black" if shares[row, column] > BRIGHT else "white"
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    figure: Any = axes.figure
    figure.colorbar(image, ax=axes, label="share of the class")
    return figure


def _read(evaluation: Any) -> tuple[list[str], Any]:
    """Return the names of the classes, and the matrix."""
    if isinstance(evaluation, FineTuning):
        evaluation = evaluation.validation
    if isinstance(evaluation, Validation):
        if evaluation.task != "classes":
            raise ValueError(f'the task is "{evaluation.task}", expected "classes": only these are confused')
        return list(evaluation.names), evaluation.confusion
    if not isinstance(evaluation, Evaluation):
        raise expected("an Evaluation", evaluation, "labels and numbers have no confusion matrix")
    return [name for _, name in evaluation.class_names], evaluation.confusion
