"""Report of a fit: the model, and how well cross-validation says it will do."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console.html import preformatted
from ..data.failures import Failure
from ..models.model import Model
from ..prediction.report import MAX_CONFUSION_CLASSES, confusion_table
from .softmax_regression import SoftmaxRegression

LEAST_SURE_SHOWN = 5


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
        notes: What is odd about the folders, in words; warnings said it, too.
    """

    model: Model
    regression: SoftmaxRegression
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    labels: list[str] = field(repr=False)
    failures: list[Failure]
    notes: list[str]

    def __str__(self) -> str:
        regression, count = self.regression, len(self.paths)
        correct = int((regression.predicted == regression.labels).sum())
        how = "leave-one-out" if regression.folds == count else f"{regression.folds} stratified folds"
        accuracy = f"cross-validated accuracy {regression.accuracy:.3f}"
        lines = [
            f"{accuracy}: {correct} of {count} photographs right, {how}",
            "",
            *self._confusion(),
            "",
            "least sure",
        ]
        for i in regression.least_sure(LEAST_SURE_SHOWN):
            own = regression.probabilities[i, regression.labels[i]]
            name = regression.class_names[regression.predicted[i]]
            mistake = "" if name == self.labels[i] else f", taken for {name}"
            photograph = self.paths[i] or f"photograph {self.indices[i]}"
            lines.append(f"  {own:6.3f}  {photograph}  ({self.labels[i]}{mistake})")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def _confusion(self) -> list[str]:
        names = self.regression.class_names
        if len(names) > MAX_CONFUSION_CLASSES:
            return [f"confusion matrix of {len(names)} classes: too wide, see regression.confusion"]
        return confusion_table(names, self.regression.confusion.tolist())
