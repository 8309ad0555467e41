"""Metrics: figures of an epoch, accumulated over its batches. Names and arguments are those of Keras 3.15."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import Array
from ...layers.validation import as_float, as_int
from ...prediction.rates import rank_auc
from .losses import LOSSES, Loss
from .named import get_named
from .targets import as_indices, as_targets, check_outputs, is_one_hot

Direction = Literal["max", "min"]


class Metric(ABC):
    """Base class of metrics.

    Args:
        name: What the metric is called in logs.

    Attributes:
        direction: Whether the best figure is the largest ("max") or the smallest ("min").
        name: What the metric is called in logs.
    """

    default_name: ClassVar[str]
    direction: Direction = "max"

    def __init__(self, name: str | None = None) -> None:
        self.name = name or self.default_name
        self.reset()

    def update(self, outputs: Array, y: ArrayLike) -> None:
        """Add a batch.

        Args:
            outputs: (n, c): probabilities, those of a softmax or a sigmoid, or numbers. Not logits.
            y: The targets: (n,) class indices, or (n, c).

        Raises:
            ValueError: The shapes or labels do not fit, or an output is NaN or infinite.
        """
        check_outputs(outputs)
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"{self.name}: the outputs of example {int(finite.argmin())} of the batch are not finite"
            )
        self._add(outputs, y)

    @abstractmethod
    def reset(self) -> None:
        """Forget all batches."""

    @abstractmethod
    def result(self) -> float:
        """Return the figure of all batches; NaN where it is undefined."""

    @abstractmethod
    def _add(self, outputs: Array, y: ArrayLike) -> None:
        """Add a batch of finite outputs."""

    def get_config(self) -> dict[str, Any]:
        """Return the settings, as Keras's `get_config` does."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a metric from what `get_config` returned.

        Args:
            config: The settings by name.

        Raises:
            ValueError: A setting is unknown or has a value that cannot be used.
        """
        try:
            return cls(**{name: value for name, value in config.items() if name != "dtype"})
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None


class MeanMetric(Metric):
    """Base class of means over examples."""

    def reset(self) -> None:
        self._total, self._count = 0.0, 0

    def result(self) -> float:
        return self._total / self._count if self._count else math.nan

    def _add(self, outputs: Array, y: ArrayLike) -> None:
        values = self._values(outputs, y)
        self._total += float(values.sum(dtype=np.float64))
        self._count += len(values)

    @abstractmethod
    def _values(self, outputs: Array, y: ArrayLike) -> NDArray[Any]:
        """Return the value of each example, (n,)."""


class MeanLoss(MeanMetric):
    """The mean of a loss over examples: mean absolute error, for instance.

    Args:
        loss: The loss.
        name: What the metric is called in logs; by default Keras's name of the loss.
    """

    direction = "min"

    def __init__(self, loss: Loss, name: str | None = None) -> None:
        super().__init__(name or loss.default_name)
        self.loss = loss

    def _values(self, outputs: Array, y: ArrayLike) -> NDArray[Any]:
        return self.loss(outputs, y)


class Accuracy(MeanMetric):
    """The share of examples whose class has the highest score; of equal scores the first one counts.

    With one output, the class is 1 where the output is above 0.5. Targets are indices (n,), or one-hot
    (n, c). Several labels at once have no such accuracy: see `BinaryAccuracy` and `AUC`.

    Args:
        name: What the metric is called in logs.
    """

    default_name = "accuracy"

    def _values(self, outputs: Array, y: ArrayLike) -> NDArray[Any]:
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > 0.5) == (as_targets(outputs, y)[:, 0] > 0.5)
        return outputs.argmax(axis=1) == _true_classes(outputs, y)


class CategoricalAccuracy(Accuracy):
    """`Accuracy` under Keras's name for one-hot labels."""

    default_name = "categorical_accuracy"


class SparseCategoricalAccuracy(Accuracy):
    """`Accuracy` under Keras's name for labels that are indices."""

    default_name = "sparse_categorical_accuracy"


class BinaryAccuracy(MeanMetric):
    """The share of labels that are right, for targets (n, c) of several labels that each apply or not.

    It rewards a model that never finds a rare label: `AUC` does not.

    Args:
        name: What the metric is called in logs.
        threshold: A label applies where the output is above it.
    """

    default_name = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = as_float("threshold", threshold, 0, 1)

    def _values(self, outputs: Array, y: ArrayLike) -> NDArray[Any]:
        return ((outputs > self.threshold) == (as_targets(outputs, y) > 0.5)).mean(axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.threshold}


class TopKCategoricalAccuracy(MeanMetric):
    """The share of examples whose class has one of the k highest scores; of equal scores the first ones.

    Args:
        k: How many scores.
        name: What the metric is called in logs.
    """

    default_name = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = as_int("k", k)

    def _values(self, outputs: Array, y: ArrayLike) -> NDArray[Any]:
        indices = _true_classes(outputs, y)[:, None]
        own = np.take_along_axis(outputs, indices, axis=1)
        before = (outputs > own) | ((outputs == own) & (np.arange(outputs.shape[1]) < indices))
        return before.sum(axis=1) < self.k

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """`TopKCategoricalAccuracy` under Keras's name for labels that are indices."""

    default_name = "sparse_top_k_categorical_accuracy"


class AUC(Metric):
    """The area under the ROC curve of each label, exactly, and its mean over the labels.

    It is the probability that an example with the label scores higher than one without; equal scores count
    half. Labels that all examples have, or none, are undefined and left out of the mean. Keras approximates
    the curve by 200 thresholds, and pools all labels unless `multi_label=True`.

    Targets are 0 or 1 for each label (n, c), or class indices (n,): then each class is a label; with two
    classes both have the same area, except for rounding.

    Args:
        name: What the metric is called in logs.
    """

    default_name = "auc"

    def reset(self) -> None:
        self._scores: list[Array] = []
        self._targets: list[NDArray[np.bool_]] = []

    def _add(self, outputs: Array, y: ArrayLike) -> None:
        classes = outputs.shape[1]
        if np.ndim(y) == 1 and classes > 1:
            targets = as_indices(y, len(outputs), classes)[:, None] == np.arange(classes)
        else:
            targets = as_targets(outputs, y) > 0.5
        self._scores.append(outputs.copy())
        self._targets.append(targets)

    def per_label(self) -> list[float | None]:
        """Return the area of each label; None where it is undefined."""
        if not self._scores:
            return []
        scores, targets = np.concatenate(self._scores), np.concatenate(self._targets)
        return [rank_auc(scores[:, i], targets[:, i]) for i in range(scores.shape[1])]

    def result(self) -> float:
        defined = [area for area in self.per_label() if area is not None]
        return math.fsum(defined) / len(defined) if defined else math.nan


def _true_classes(outputs: Array, y: ArrayLike) -> NDArray[np.int64]:
    """Return the classes (n,) of targets that are indices (n,) or one-hot (n, c)."""
    count, classes = outputs.shape
    labels = np.asarray(y)
    if labels.shape != outputs.shape:
        return as_indices(labels, count, classes)
    one_hot = is_one_hot(labels)
    if not one_hot.all():
        raise ValueError(
            f"expected one class for each example, but the labels of example {int(one_hot.argmin())} are not "
            "one-hot: use AUC or BinaryAccuracy for several labels at once"
        )
    return labels.argmax(axis=1)


_CLASSES: tuple[type[Metric], ...] = (
    Accuracy, CategoricalAccuracy, SparseCategoricalAccuracy, BinaryAccuracy, TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy, AUC,
)  # fmt: skip
#: The metrics by the names that Keras has for them, without those that are means of losses.
METRICS: dict[str, type[Metric]] = {
    **{kind.default_name: kind for kind in _CLASSES},
    **{kind.__name__: kind for kind in _CLASSES},
    "acc": Accuracy,
}


def get_metric(identifier: object) -> Metric:
    """Return a metric.

    Args:
        identifier: A `Metric`, a `Loss` (its mean), a name of either, such as "accuracy" or "mae", or Keras's
            `{"class_name": …, "config": …}`. A metric that is given by name has that name in logs.

    Raises:
        TypeError: It is none of these.
        ValueError: No metric has this name, or a setting is unknown.
    """
    if isinstance(identifier, Loss):
        return MeanLoss(identifier)
    if isinstance(identifier, str) and identifier in LOSSES:
        return MeanLoss(LOSSES[identifier](), identifier)
    metric = get_named(identifier, Metric, METRICS, "metric")
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
