"""Contact sheet of the mistakes of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..data.class_names import as_class_names
from ..data.failures import Failure
from ..layers.validation import as_int
from ..prediction.decoding import DEFAULT_THRESHOLD
from ..prediction.evaluation import Evaluation, Mistake
from ..prediction.label_evaluation import LabelEvaluation, LabelMistake
from ..prediction.regression_evaluation import NumberError, RegressionEvaluation
from ..training.fine_tuning.report import FineTuning, Validation
from .figures import TEXT_POINTS, TITLE_INCHES, as_figure, expected, legible, make_tiles, set_title
from .photograph_tile import read_small, show_photograph
from .text_width import width_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

MAX_TILES = 48  #: of a sheet; more could not be looked at together
COLUMNS = 4
TILE_INCHES = 1.7
MAX_ASPECT = 4 / 3  #: of height to width; photographs that are higher are shown smaller
LINE_INCHES = TILE_INCHES - 0.1  #: of a line above a photograph

AnyEvaluation: TypeAlias = "Evaluation | LabelEvaluation | RegressionEvaluation"
AnyMistake: TypeAlias = "Mistake | LabelMistake | NumberError"


def mistakes(
    evaluation: AnyEvaluation | Validation | FineTuning, n: int = 12, *, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw a contact sheet of the worst mistakes, the worst first: what is right, and what the model said.

    These are the wrong classes or labels that the model was most certain of, or the largest errors of
    numbers. Many of the worst are wrong labels of photographs. Photographs are read again from their paths;
    those that did not come from a file, or cannot be read any more, are empty tiles.

    Args:
        evaluation: What `evaluate` or `fine_tune` returns; of the latter, the photographs for validation.
        n: How many at most, 48 or fewer.
        fig: A figure to draw in. None: a new one.

    Returns:
        The figure, which says so if there are no mistakes. A notebook shows it.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: `evaluation` is something else.
        ValueError: `n` is not an integer from 1 to 48.
    """
    n = as_int("n", n)
    if n > MAX_TILES:
        raise ValueError(f"n must be from 1 to {MAX_TILES}, got {n}")
    evaluation = _as_evaluation(evaluation)
    found = _find(evaluation, n)
    columns = min(len(found), COLUMNS) or 1
    rows = math.ceil(len(found) / columns)
    numbers = {name: number for number, (_, name) in enumerate(evaluation.class_names)}
    titles = [_describe(mistake, numbers) for mistake in found]
    photographs = [read_small(mistake.path) for mistake in found]
    sizes = [(1, 1) if pixels is None else pixels.shape[:2] for pixels in photographs]
    aspect = min(max((height / width for height, width in sizes), default=1.0), MAX_ASPECT)
    row_height = TILE_INCHES * aspect + TITLE_INCHES * max(map(len, titles), default=0)
    figure = as_figure(fig, TILE_INCHES * columns + 0.2, row_height * max(rows, 1) + 0.1)
    if not found:
        figure.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=9)
        return figure
    tiles = [tile for row in make_tiles(figure, rows, columns) for tile in row]
    for tile, mistake, pixels, lines in zip(tiles, found, photographs, titles, strict=False):
        show_photograph(tile, pixels, mistake.index)
        set_title(tile, "\n".join(lines))
    return figure


def _find(evaluation: AnyEvaluation, n: int) -> Sequence[AnyMistake]:
    if isinstance(evaluation, RegressionEvaluation):
        return evaluation.largest_errors(n)
    return evaluation.mistakes(n)


def _as_evaluation(evaluation: AnyEvaluation | Validation | FineTuning) -> AnyEvaluation:
    """Return an evaluation; of a fine-tuning what `evaluate` would return, as far as mistakes need it."""
    if isinstance(evaluation, Evaluation | LabelEvaluation | RegressionEvaluation):
        return evaluation
    validation = evaluation.validation if isinstance(evaluation, FineTuning) else evaluation
    if not isinstance(validation, Validation):
        raise expected("what evaluate or fine_tune returns", evaluation)
    names, outputs, targets = as_class_names(validation.names), validation.outputs, validation.targets
    where = validation.paths, validation.indices, list[Failure]()
    if validation.task == "regression":
        return RegressionEvaluation(names, targets.astype(np.float64), outputs, *where)
    if validation.task == "labels":
        return LabelEvaluation(names, targets == 1, outputs, DEFAULT_THRESHOLD, *where)
    return Evaluation(
        names, targets.argmax(axis=1), outputs.argmax(axis=1), outputs.max(axis=1), None, None, *where
    )


def _describe(mistake: AnyMistake, numbers: Mapping[str, int]) -> list[str]:
    """Return the lines above a photograph: what is right, and what the model said."""

    def fit(line: str, name: str) -> str:
        """Return a line with a name, which is cut if the line were too long."""
        room = LINE_INCHES - width_of(line.format(""), TEXT_POINTS) / 72
        return line.format(legible(name, numbers[name], TEXT_POINTS, room))

    if isinstance(mistake, Mistake):
        taken = fit("taken for {}", mistake.class_name)
        return [fit("{}", mistake.label), taken, f"score {mistake.score:.3f}"]
    if isinstance(mistake, LabelMistake):
        right = fit("{}" if mistake.has_label else "without {}", mistake.class_name)
        return [right, f"score {mistake.score:.3f}"]
    return [fit(f"{{}} {mistake.target:.4g}", mistake.name), f"predicted {mistake.predicted:.4g}"]
