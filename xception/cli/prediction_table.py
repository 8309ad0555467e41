"""Predictions of a photograph as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ..console.tables import GAP, cut_middle
from ..console.text import count_columns
from ..console.text_layout import TextLayout
from ..data.class_names import ClassNames
from ..data.imagenet import Prediction
from ..errors import escape_controls

MAX_NAME_COLUMNS = 32  #: to which names are filled up, so that what follows is aligned; few are longer
MIN_PATH_COLUMNS = 20  #: to which a path is cut at most; a narrower terminal breaks the line
NO_LABEL = "no label reaches the threshold"


class PredictionTable:
    """Lines of photographs, each printed before the next one is known.

    Args:
        class_names: (class id, class name) of each class. Ids are shown if they are more than an index.
        layout: That of the stream.
        is_regression: Whether scores are numbers of any size.
        is_single: Whether a photograph has one line: score, class, path. Else its path is a line of its own.
    """

    def __init__(
        self, class_names: ClassNames, layout: TextLayout, is_regression: bool, is_single: bool
    ) -> None:
        self._layout, self._is_single = layout, is_single
        self._score_columns = 8 if is_regression else 6
        self._id_columns = 0
        if any(class_id not in (str(index), name) for index, (class_id, name) in enumerate(class_names)):
            self._id_columns = max(count_columns(class_id) for class_id, _ in class_names)
        longest = max((count_columns(escape_controls(name)) for _, name in class_names), default=0)
        self._name_columns = min(longest, MAX_NAME_COLUMNS)

    def format(self, path: str, predictions: Sequence[Prediction]) -> str:
        """Return the lines of a photograph, best class first."""
        path = escape_controls(path)
        if self._is_single:
            cells = self._cells(predictions[0]) if predictions else NO_LABEL
            padding = " " * (self._columns_before_path() - count_columns(cells))
            return f"{cells}{padding}{' ' * GAP}{self._cut(path, self._columns_before_path() + GAP)}\n"
        lines = [self._layout.paint(self._cut(path, 0), "bold")]
        lines += [f"    {self._cells(prediction)}" for prediction in predictions]
        if not predictions:
            lines.append(f"    {NO_LABEL}")
        return "\n".join(lines) + "\n"

    def _columns_before_path(self) -> int:
        ids = self._id_columns + GAP if self._id_columns else 0
        return self._score_columns + GAP + ids + self._name_columns

    def _cells(self, prediction: Prediction) -> str:
        class_id, name, score = prediction
        cells = [f"{score:{self._score_columns}.4f}"]
        if self._id_columns:
            cells.append(f"{class_id:<{self._id_columns}}")
        return (" " * GAP).join([*cells, escape_controls(name)])

    def _cut(self, path: str, used: int) -> str:
        """Return a path cut in the middle to what a terminal has left."""
        if self._layout.width is None:
            return path
        return cut_middle(path, max(self._layout.width - used, MIN_PATH_COLUMNS), self._layout)
