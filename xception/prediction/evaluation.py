"""Evaluation of a classifier: how often it is right, and which classes it confuses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..console.html import preformatted
from ..console.tables import Column, lay_out_facts
from ..console.text_layout import PLAIN, TextLayout
from ..data.class_names import ClassNames
from ..data.failures import Failure
from .pictured import WithMistakes
from .rates import rank_auc, wilson_interval
from .report import (
    class_table,
    confusion_table,
    count_confusions,
    lay_out_rates,
    mistake_table,
    optional,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 5  #: classes among which the top-5 accuracy looks; with five classes it would always be 1
#: Scores of the second of two classes that may decide instead of 0.5.
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Indices = NDArray[np.intp]


class ClassMetrics(NamedTuple):
    """Counts and rates of one class.

    Attributes:
        class_id: Its id.
        class_name: Its name.
        support: Photographs of the class.
        predicted: Photographs that were taken for the class.
        correct: Photographs of the class that were taken for it.
        precision: correct / predicted; None if none was predicted.
        recall: correct / support; None if there is no photograph of the class.
    """

    class_id: str
    class_name: str
    support: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None


class ThresholdMetrics(NamedTuple):
    """Recall of two classes if a photograph is taken for the second from a score on.

    Attributes:
        threshold: The score of the second class.
        first_recall: The share of the first class's photographs below it; None without photographs.
        second_recall: The share of the second class's photographs that reach it; None without photographs.
    """

    threshold: float
    first_recall: float | None
    second_recall: float | None


@dataclass(frozen=True)
class Mistake:
    """A photograph that was taken for another class.

    Attributes:
        path: Its path; None if it did not come from a file.
        index: Its position among the photographs that were given, from 0.
        label: The class that it belongs to.
        class_name: The class that it was taken for.
        score: That class's score.
    """

    path: str | None
    index: int
    label: str
    class_name: str
    score: float


@dataclass(frozen=True, eq=False)
class Evaluation(WithMistakes):
    """What `xception.evaluate` returns, for n photographs and c classes.

    Attributes:
        class_names: (class id, class name) of each class that the model knows.
        labels: (n,) the index of each photograph's class.
        predicted: (n,) the index of the class with the highest score; of equal ones the first.
        scores: (n,) that class's score.
        in_top_5: (n,) whether the right class is among the five best; None with five classes or fewer.
        second_class_scores: (n,) the scores of the second of two classes; None with more.
        paths: The path of each photograph; None for those that did not come from a file.
        indices: The position of each among the photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`.
    """

    class_names: ClassNames = field(repr=False)
    labels: Indices = field(repr=False)
    predicted: Indices = field(repr=False)
    scores: NDArray[np.float32] = field(repr=False)
    in_top_5: NDArray[np.bool_] | None = field(repr=False)
    second_class_scores: NDArray[np.float32] | None = field(repr=False)
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    failures: list[Failure]

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        low, high = self.accuracy_interval
        figures = [
            ("photographs", f"{len(self)}: {self.correct} right"),
            ("accuracy", f"{self.accuracy:.3f}, 95 % interval {low:.3f} to {high:.3f}"),
            ("largest class", f"{self.largest_class_share:.3f} of the photographs"),
            ("balanced accuracy", f"{self.balanced_accuracy:.3f}"),
        ]
        if self.in_top_5 is not None:
            figures.append(("top-5 accuracy", layout.spell(optional(self.top_5_accuracy))))
        if self.second_class_scores is not None:
            figures.append(("AUC", layout.spell(optional(self.auc))))
        per_class = self.per_class
        occurring = [index for index, row in enumerate(per_class) if row.support or row.predicted]
        rows = [per_class[index] for index in occurring]
        counted = [(row.class_name, row.support, row.predicted, row.correct) for row in rows]
        lines = [*lay_out_facts(figures, layout), "", *class_table(counted, layout)]
        names = [row.class_name for row in rows]
        counts = self.confusion[np.ix_(occurring, occurring)].tolist()
        lines += ["", *confusion_table(names, counts, "the JSON", layout)]
        if self.second_class_scores is not None:
            lines += ["", *self._threshold_table(layout)]
        mistakes = [
            (m.score, m.path or f"photograph {m.index}", f"{m.label}, taken for {m.class_name}")
            for m in self.mistakes()
        ]
        if mistakes:
            lines += ["", "most confident mistakes", *mistake_table(mistakes, layout)]
        return "\n".join(lines)

    def _threshold_table(self, layout: TextLayout) -> list[str]:
        first, second = (name for _, name in self.class_names)
        rows = [(f"{row.threshold:g}", *map(optional, row[1:])) for row in self.thresholds]
        columns = [Column(heading) for heading in (f"{second} from", f"recall of {first}", f"of {second}")]
        return lay_out_rates(columns, rows, layout)

    def __repr__(self) -> str:
        return f"<Evaluation: {self.correct} of {len(self)} photographs right, {len(self.failures)} failures>"

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    @property
    def correct(self) -> int:
        """How many photographs were right."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """The share of photographs that were right, 0…1."""
        return self.correct / len(self)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(self.correct, len(self))

    @property
    def largest_class_share(self) -> float:
        """The share of the class with most photographs: the accuracy of always answering with it."""
        return float(np.bincount(self.labels).max() / len(self))

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that there are photographs of."""
        return float(np.mean([metrics.recall for metrics in self.per_class if metrics.recall is not None]))

    @property
    def top_5_accuracy(self) -> float | None:
        """The share of photographs whose class is among the five best; None with five classes or fewer."""
        return None if self.in_top_5 is None else float(self.in_top_5.mean())

    @property
    def auc(self) -> float | None:
        """The area under the ROC curve, for two classes; None for more, or if one has no photographs.

        It is the probability that a photograph of the second class gets a higher score for it than one
        of the first; equal scores count half. Exact, by ranks (Mann and Whitney, 1947).
        """
        if self.second_class_scores is None:
            return None
        return rank_auc(self.second_class_scores, self.labels == 1)

    @property
    def thresholds(self) -> list[ThresholdMetrics]:
        """What two classes get if other scores than 0.5 decide; empty for more classes."""
        if self.second_class_scores is None:
            return []
        counts = np.bincount(self.labels, minlength=2).tolist()
        metrics = []
        for threshold in THRESHOLDS:
            taken = self.second_class_scores >= np.float32(threshold)
            correct = int((~taken & (self.labels == 0)).sum()), int((taken & (self.labels == 1)).sum())
            rates = [r / n if n else None for r, n in zip(correct, counts, strict=True)]
            metrics.append(ThresholdMetrics(threshold, *rates))
        return metrics

    @property
    def confusion(self) -> Indices:
        """(c, c): how many photographs of the row's class were taken for the column's."""
        return count_confusions(self.labels, self.predicted, len(self.class_names))

    @property
    def per_class(self) -> list[ClassMetrics]:
        """Precision, recall, and counts of each class."""
        count = len(self.class_names)
        support = np.bincount(self.labels, minlength=count)
        predicted = np.bincount(self.predicted, minlength=count)
        correct = np.bincount(self.labels[self.labels == self.predicted], minlength=count)
        return [
            ClassMetrics(*name, s, p, r, r / p if p else None, r / s if s else None)
            for name, s, p, r in zip(
                self.class_names, support.tolist(), predicted.tolist(), correct.tolist(), strict=True
            )
        ]

    def mistakes(self, count: int = 10) -> list[Mistake]:
        """Return the `count` wrong predictions with the highest scores, highest first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        wrong = wrong[np.argsort(-self.scores[wrong], kind="stable")][:count]
        return [
            Mistake(
                self.paths[i], self.indices[i], self.class_names[self.labels[i]][1],
                self.class_names[self.predicted[i]][1], float(self.scores[i]),
            )
            for i in wrong
        ]  # fmt: skip

    def plot(self) -> Figure:
        """Draw the confusion matrix with matplotlib. See `xception.plot.confusion`.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        """
        from .. import plot  # a higher room

        return plot.confusion(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as a dict that JSON can hold; undefined ones are None.

        The confusion matrix has only the classes that occur as labels or predictions.
        """
        occurring = np.union1d(self.labels, self.predicted)
        return {
            "task": "classes",
            "photographs": len(self),
            "correct": self.correct,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "largest_class_share": self.largest_class_share,
            "balanced_accuracy": self.balanced_accuracy,
            "top_5_accuracy": self.top_5_accuracy,
            "auc": self.auc,
            "thresholds": [metrics._asdict() for metrics in self.thresholds],
            "per_class": [metrics._asdict() for metrics in self.per_class],
            "confusion": {
                "class_names": [self.class_names[index][1] for index in occurring],
                "counts": self.confusion[np.ix_(occurring, occurring)].tolist(),
            },
            "mistakes": [asdict(mistake) for mistake in self.mistakes()],
            "failures": [{"path": failure.path, "error": str(failure)} for failure in self.failures],
        }
