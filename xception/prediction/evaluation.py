"""Evaluation of a classifier: how often it is right, and which classes it confuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..console.html import preformatted
from ..console.progress import Verbose
from ..console.text import align_columns
from ..data.class_names import ClassNames
from ..data.failures import Failure, FailureLog, OnError
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, ScalingArgument
from ..graph.budget import check_memory
from .classifier import ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from .labels import label_photographs
from .report import class_table, confusion_table, count_confusions, mistake_table, optional

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

TOP = 5  #: classes among which the top-5 accuracy looks; with five classes it would always be 1
Z_95 = 1.959964  #: standard deviations of a normal distribution's central 95 %

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
class Evaluation:
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
        low, high = self.accuracy_interval
        figures = [
            ("photographs", f"{len(self)}: {self.correct} right"),
            ("accuracy", f"{self.accuracy:.3f}, 95 % interval {low:.3f} to {high:.3f}"),
            ("largest class", f"{self.largest_class_share:.3f} of the photographs"),
            ("balanced accuracy", f"{self.balanced_accuracy:.3f}"),
        ]
        if self.in_top_5 is not None:
            figures.append(("top-5 accuracy", optional(self.top_5_accuracy)))
        if self.second_class_scores is not None:
            figures.append(("AUC", optional(self.auc)))
        per_class = self.per_class
        occurring = [index for index, row in enumerate(per_class) if row.support or row.predicted]
        rows = [per_class[index] for index in occurring]
        lines = align_columns(figures)
        lines += ["", *class_table((row.class_name, row.support, row.predicted, row.correct) for row in rows)]
        names = [row.class_name for row in rows]
        counts = self.confusion[np.ix_(occurring, occurring)].tolist()
        lines += ["", *confusion_table(names, counts, "the JSON")]
        mistakes = [
            (m.score, m.path or f"photograph {m.index}", m.label, m.class_name) for m in self.mistakes()
        ]
        if mistakes:
            lines += ["", "most confident mistakes", *mistake_table(mistakes)]
        return "\n".join(lines)

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
        """Wilson's 95 % interval of the accuracy.

        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
        """
        n, p = len(self), self.accuracy
        center = p + Z_95**2 / (2 * n)
        margin = Z_95 * np.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
        scale = 1 + Z_95**2 / n
        return max(0.0, float(center - margin) / scale), min(1.0, float(center + margin) / scale)

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
        if self.second_class_scores is None or not 0 < self.labels.sum() < len(self):
            return None
        _, inverse, counts = np.unique(self.second_class_scores, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # from 1; equal scores share their mean
        positive = int(self.labels.sum())
        above = ranks[self.labels == 1].sum() - positive * (positive + 1) / 2
        return float(above / (positive * (len(self) - positive)))

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

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as a dict that JSON can hold; undefined ones are None.

        The confusion matrix has only the classes that occur as labels or predictions.
        """
        occurring = np.union1d(self.labels, self.predicted)
        return {
            "photographs": len(self),
            "correct": self.correct,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "largest_class_share": self.largest_class_share,
            "balanced_accuracy": self.balanced_accuracy,
            "top_5_accuracy": self.top_5_accuracy,
            "auc": self.auc,
            "per_class": [metrics._asdict() for metrics in self.per_class],
            "confusion": {
                "class_names": [self.class_names[index][1] for index in occurring],
                "counts": self.confusion[np.ix_(occurring, occurring)].tolist(),
            },
            "mistakes": [asdict(mistake) for mistake in self.mistakes()],
            "failures": [{"path": failure.path, "error": str(failure)} for failure in self.failures],
        }


def evaluate(
    images: ImagesLike,
    labels: Iterable[str | int] | None = None,
    model: ModelArgument = None,
    *,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Evaluation:
    """Measure how often a classifier is right.

    Args:
        images: A folder with a sub-folder of photographs per class, whose name is the label; or
            photographs as `predict` takes them, together with `labels`.
        labels: The class of each photograph, in order: its name, its id, or its index.
        model: A Model, a Classifier, or the path of a model file. By default Xception with the ImageNet
            classifier.
        class_names: As for `predict`.
        scaling: As for `predict`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        from_logits: As for `predict`.
        output_name: As for `predict`.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        Accuracy with its 95 % interval, balanced accuracy, precision and recall of each class, the
        confusion matrix, and the most confident mistakes. `print` shows it as a table.

    Raises:
        TypeError: An argument is of another type.
        ValueError: There are no labels, a label is not a class of the model, labels and photographs
            differ in number, or a score is not finite; and what `predict` raises.
        OSError: A photograph or model file cannot be read.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
        >>> classifier = xception.Classifier(model, class_names=["cat", "cup"])
        >>> photographs = ["examples/chelsea.jpg", "examples/coffee.jpg"]
        >>> evaluation = evaluate(photographs, ["cat", "cup"], classifier)
        >>> len(evaluation), evaluation.accuracy in (0.0, 0.5, 1.0)
        (2, True)
    """
    check_no_model("evaluate(images, labels, model)", images=images, labels=labels)
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
    )  # fmt: skip
    check_memory("the confusion matrix", 8 * len(classifier.class_names) ** 2)
    log = FailureLog(on_error)
    photographs, truth = label_photographs(images, labels, classifier.class_names, log)
    paths: list[str | None] = []  # of the photographs that could be read
    indices: list[int] = []
    parts: list[tuple[Any, ...]] = []
    for photograph, scores in classifier.stream_photographs(photographs, len(truth), log, verbose):
        if not np.isfinite(scores).all():
            name = photograph.path or f"photograph {photograph.index}"
            raise ValueError(f"{name}: the model's scores are not finite (NaN or infinity)")
        label, order = truth[photograph.index], np.argsort(-scores, kind="stable")  # (classes,)
        parts.append((label, order[0], scores[order[0]], label in order[:TOP], scores[-1]))
        paths.append(photograph.path)
        indices.append(photograph.index)
    if not parts:
        raise ValueError("there are no photographs to evaluate: none could be read")
    expected, predicted, best, in_top, last = map(np.array, zip(*parts, strict=True))
    count = len(classifier.class_names)
    return Evaluation(
        classifier.class_names, expected, predicted, best,
        in_top if count > TOP else None, last if count == 2 else None, paths, indices, log.failures,
    )  # fmt: skip
