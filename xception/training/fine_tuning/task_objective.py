"""Objective of fine-tuning for each task, and the figure by which epochs compete."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.class_names import as_class_names
from ...data.tasks import Task
from ...kernels import Array, elementwise
from ...prediction.rates import rank_auc, wilson_interval
from ..objectives.class_weights import weigh_classes
from ..objectives.losses import BinaryCrossentropy, CategoricalCrossentropy, Loss, MeanSquaredError
from ..regression.ridge_regression import RidgeRegression, TargetScaling
from ..regression.starting_heads import fit_head

#: The activation of the last layer.
HeadActivation = Literal["softmax", "sigmoid", "linear"]

ACTIVATIONS: dict[Task, HeadActivation] = {
    "classes": "softmax", "labels": "sigmoid", "regression": "linear",
}  # fmt: skip
#: The figure of each task by which epochs compete.
FIGURES: dict[Task, str] = {"classes": "accuracy", "labels": "mean AUC", "regression": "MAE"}

MIN_TRAINING = 2  #: photographs of a class: of one, no penalty can be chosen

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Figures:
    """How a model does on the validation photographs.

    Attributes:
        task: The task.
        value: The accuracy, the mean of the labels' AUC, or the mean absolute error; None where no label has
            photographs of both kinds.
        loss: The mean loss, without label smoothing and weights.
        count: The number of photographs.
        correct: Of classes, how many photographs were right.
    """

    task: Task
    value: float | None
    loss: float
    count: int
    correct: int | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{FIGURES[self.task]} –, loss {self.loss:.4f}"
        if self.correct is None:
            return f"{FIGURES[self.task]} {self.value:.4g}, loss {self.loss:.4f}"
        low, high = wilson_interval(self.correct, self.count)
        right = f"{self.correct} of {self.count}, 95 % interval {low:.3f} to {high:.3f}"
        return f"accuracy {self.value:.3f} ({right}), loss {self.loss:.4f}"

    @property
    def rank(self) -> tuple[float, float]:
        """Rank by which epochs compete: the figure, and of equal figures the lower loss."""
        if not np.isfinite(self.loss):
            return -np.inf, -np.inf  # never the best
        sign = -1.0 if self.task == "regression" else 1.0
        return (0.0 if self.value is None else sign * self.value), -self.loss

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a dict that JSON can hold."""
        return {"value": self.value, "loss": self.loss, "count": self.count, "correct": self.correct}

    @classmethod
    def from_dict(cls, task: Task, values: Mapping[str, Any]) -> Figures:
        """Return the figures of a dict from `to_dict`.

        Raises:
            KeyError: A figure is missing.
            TypeError: There are no figures.
            ValueError: A figure is not a number, or they are not those of the task.
        """
        value, correct, count = values["value"], values["correct"], as_count(values["count"])
        if (correct is None) == (task == "classes") or not count or (correct or 0) > count:
            raise ValueError(f"{correct!r:.80} of {count} are no figures of the task {task!r}")
        return cls(
            task, None if value is None else as_number(value), as_number(values["loss"]), count,
            None if correct is None else as_count(correct),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Objective:
    """Targets of the n photographs of a run, and the loss that they are learned by.

    Attributes:
        task: The task.
        names: (c,) the names of the classes, labels or targets.
        targets: (n, c) float64: one-hot classes, 0 or 1 for each label, or numbers.
        balanced: Of classes: whether each weighs the same, however many photographs it has.
        weights: The weight of the photographs of a class, or of those with a label, by name.
        label_smoothing: From 0 to 1; not of numbers.
        scaling: Of numbers: their standardization. The network learns standardized numbers.
    """

    task: Task
    names: tuple[str, ...]
    targets: Array = field(repr=False)
    balanced: bool = False
    weights: Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    scaling: TargetScaling | None = None

    @property
    def activation(self) -> HeadActivation:
        """What the last layer applies."""
        return ACTIVATIONS[self.task]

    @property
    def indices(self) -> Rows:
        """(n,) of classes: the index of each photograph's class."""
        return self.targets.argmax(axis=1)

    def solve(self, features: Array, rows: Rows, seed: int) -> tuple[Objective, Array, Array]:
        """Solve the head on the features of some photographs.

        Args:
            features: (n, d).
            rows: The photographs for training.
            seed: Decides the folds by which the penalty is chosen.

        Returns:
            The objective, with the scaling of the targets, and the kernel (d, c) and bias (c,), which give
            what the network learns: standard targets, of numbers.

        Raises:
            ValueError: There are too few photographs.
        """
        if self.task == "classes":
            self._check_counts(rows)
        targets = self.indices[rows] if self.task == "classes" else self.targets[rows]
        positive = None
        if self.task == "labels" and self.weights:
            positive = [self.weights.get(name, 1.0) for name in self.names]
        head = fit_head(
            self.task, features[rows], targets, self.names, balanced=self.balanced, positive_weights=positive,
            seed=seed,
        )  # fmt: skip
        if not isinstance(head, RidgeRegression):
            return self, head.kernel, head.bias
        return replace(self, scaling=head.scaling), *head.scaling.unfold(head.kernel, head.bias)

    def _check_counts(self, rows: Rows) -> None:
        counts = self.targets[rows].sum(axis=0)
        few = [f"{name} ({int(n)})" for name, n in zip(self.names, counts, strict=True) if n < MIN_TRAINING]
        if few:
            raise ValueError(
                f"every class needs at least {MIN_TRAINING} photographs to train, besides those to validate; "
                f"too few are left of {', '.join(few[:10])}. Add some, or leave the class out"
            )

    def fold(self, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """Return the parameters of the last layer of the finished model, from those that were trained."""
        return (kernel, bias) if self.scaling is None else self.scaling.fold(kernel, bias)

    def unfold(self, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """Return the parameters that were trained, from those of the finished model."""
        return (kernel, bias) if self.scaling is None else self.scaling.unfold(kernel, bias)

    def loss(self) -> Loss:
        """Return the loss that is trained. It takes logits."""
        if self.task == "classes":
            return CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)
        if self.task == "regression":
            return MeanSquaredError()
        positive = [float((self.weights or {}).get(name, 1.0)) for name in self.names]
        return BinaryCrossentropy(
            from_logits=True,
            label_smoothing=self.label_smoothing,
            positive_weight=positive if self.weights else 1.0,
        )

    def trained_targets(self) -> Array:
        """Return (n, c) float32, what the network learns."""
        standard = self.targets if self.scaling is None else self.scaling.standardize(self.targets)
        return standard.astype(np.float32)

    def class_weights(self, rows: Rows) -> Array | None:
        """Return (c,) how much each class weighs, with mean 1 over some photographs; None for 1 each.

        Args:
            rows: The photographs for training.
        """
        if self.task != "classes" or not (self.balanced or self.weights):
            return None
        counts = self.targets[rows].sum(axis=0)
        given: Any = "balanced" if self.balanced else dict(self.weights or {})
        return weigh_classes(given, counts, as_class_names(list(self.names)))

    def measure(self, outputs: Array, rows: Rows) -> Figures:
        """Return how well outputs fit the targets.

        Args:
            outputs: (len(rows), c) logits, or standard numbers.
            rows: The photographs.
        """
        targets, count = self.targets[rows], len(rows)
        if self.scaling is None:
            loss = float(self._plain_loss()(outputs, targets).mean())
        else:
            loss = float(self._plain_loss()(outputs, self.scaling.standardize(targets)).mean())
        answers = self.answers(outputs)  # where scores of the finished model are equal, they are so here
        if self.task == "classes":
            correct = int((answers.argmax(axis=1) == targets.argmax(axis=1)).sum())
            return Figures(self.task, correct / count, loss, count, correct)
        if self.task == "labels":
            return Figures(self.task, mean_auc(answers, targets), loss, count)
        errors = np.abs(answers - targets)
        return Figures(self.task, float(errors.mean()), loss, count)

    def answers(self, outputs: Array) -> Array:
        """Return what the finished model gives: probabilities, or numbers in the unit of the targets.

        Args:
            outputs: (n, c) logits, or standard numbers.
        """
        if self.task == "classes":
            return elementwise.softmax(outputs.copy())
        if self.task == "labels":
            return elementwise.sigmoid(outputs.copy())
        if self.scaling is None:
            return outputs
        return outputs.astype(np.float64) * self.scaling.deviation + self.scaling.center

    def _plain_loss(self) -> Loss:
        return replace(self, weights=None).loss().without_smoothing()


def mean_auc(outputs: Array, targets: Array) -> float | None:
    """Return the mean of the labels' areas under the ROC curve; None if it is undefined for all of them.

    Args:
        outputs: (n, c).
        targets: (n, c) 0 or 1.
    """
    areas = [rank_auc(y, truth == 1) for y, truth in zip(outputs.T, targets.T, strict=True)]
    defined = [area for area in areas if area is not None]
    return float(np.mean(defined)) if defined else None


def as_count(value: object) -> int:
    """Return a number from a file; raise ValueError unless it is an integer of at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected a count, got {value!r:.80}")
    return value


def as_number(value: object) -> float:
    """Return a number from a file, which may be infinite or NaN; raise ValueError if it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # of a large integer
            return float(value)
    raise ValueError(f"expected a number, got {value!r:.80}")


def check_weights(weights: Mapping[str, float] | None, names: tuple[str, ...], task: Task) -> None:
    """Check the weights of classes or labels.

    Args:
        weights: By name.
        names: The names that there are.
        task: The task.

    Raises:
        TypeError: `weights` is no dict.
        ValueError: A name is unknown, a weight is not a positive number, or the task is regression.
    """
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise TypeError(f"class_weight must be a dict of weights by name, got {type(weights).__name__}")
    if task == "regression":
        raise ValueError("class_weight applies to classes and labels, and the task is 'regression'")
    unknown = [str(name) for name in weights if name not in names]
    if unknown:
        raise ValueError(f"class_weight names {', '.join(unknown[:5])}; there are {', '.join(names[:20])}")
    for name, weight in weights.items():
        if not isinstance(weight, int | float) or not 0 < weight < np.inf:
            raise ValueError(f"class_weight[{name!r}] must be a positive number, got {weight!r:.80}")
