"""Report of a fit: the model and its cross-validation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console.html import preformatted
from ..console.text_layout import PLAIN, TextLayout
from ..data.failures import Failure
from ..models.model import Model
from ..prediction.report import confusion_table, mistake_table
from .regression.softmax_regression import SoftmaxRegression

MAX_LEAST_SURE = 5  #: photographs that the text lists


@dataclass(frozen=True, eq=False)
class FitReport:
    """What `fit_with_report` returns, for n photographs that could be read.

    Attributes:
        model: The model, which takes pixels 0…255 and has the names of its classes.
        regression: The classifier on features, and its cross-validation.
        paths: (n,) the path of each photograph; None for those that did not come from a file.
        indices: (n,) the position of each among the photographs that were given, from 0.
        labels: (n,) the name of each one's class.
        failures: What could not be read, where `on_error="skip"`.
        notes: What was left out of the folders, as the warnings said.
    """

    model: Model
    regression: SoftmaxRegression
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    labels: list[str] = field(repr=False)
    failures: list[Failure]
    notes: list[str]

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        regression, count = self.regression, len(self.paths)
        correct = int((regression.predicted == regression.labels).sum())
        how = "leave-one-out" if regression.folds == count else f"{regression.folds} stratified folds"
        accuracy = f"cross-validated accuracy {regression.accuracy:.3f}"
        lines = [
            f"{accuracy}: {correct} of {count} photographs right, {how}",
            "",
            *confusion_table(
                regression.class_names, regression.confusion.tolist(), "regression.confusion", layout
            ),
            "",
            "least sure",
        ]
        rows = []
        for i in regression.least_sure(MAX_LEAST_SURE):
            own = regression.probabilities[i, regression.labels[i]]
            name = regression.class_names[regression.predicted[i]]
            mistake = "" if name == self.labels[i] else f", taken for {name}"
            photograph = self.paths[i] or f"photograph {self.indices[i]}"
            rows.append((own, photograph, f"{self.labels[i]}{mistake}"))
        return "\n".join(lines + mistake_table(rows, layout))

    def _repr_html_(self) -> str:
        return preformatted(str(self))
