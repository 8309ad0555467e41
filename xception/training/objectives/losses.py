"""Losses: how far the outputs of a model are from the targets, and the gradient of that.

Each gives a number for each example; the loss of a batch is their mean. The formulas are those of Keras 3.15,
`losses/losses.py` and `backend/tensorflow/nn.py`, computed in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import Array
from ...layers.validation import as_bool, as_float, as_nested_floats
from .named import get_named
from .probabilities import clip_probabilities, is_within_clip, log_softmax, sigmoid
from .targets import as_indices, as_targets, check_outputs, smooth


@dataclass(frozen=True)
class Loss(ABC):
    """Base class of losses.

    Attributes:
        activation: The layer whose inputs are the logits of this loss; None for a loss without logits.
    """

    activation: ClassVar[Literal["softmax", "sigmoid"] | None] = None
    default_name: ClassVar[str]

    def __post_init__(self) -> None:
        for item in fields(self):
            if check := _CHECKS.get(item.name):
                object.__setattr__(self, item.name, check(item.name, getattr(self, item.name)))

    @abstractmethod
    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        """Compute the loss of each example.

        Args:
            outputs: What the model gave, (n, c).
            y: The targets; their shape depends on the loss.

        Returns:
            (n,), float64.

        Raises:
            ValueError: The shapes do not fit.
        """

    @abstractmethod
    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        """Compute the gradient of each example's loss with respect to its outputs.

        Args:
            outputs: What the model gave, (n, c).
            y: The targets; their shape depends on the loss.

        Returns:
            (n, c), in the type of `outputs`. Nothing is divided by n.

        Raises:
            ValueError: The shapes do not fit.
        """

    def without_smoothing(self) -> Loss:
        """Return this loss without label smoothing, as it is used in validation. Keras smooths there too."""
        return self

    def settings_unknown_to_keras(self) -> tuple[str, ...]:
        """Return the settings that differ from what Keras 3.15 can be told in a file."""
        return ()

    def get_config(self) -> dict[str, Any]:
        """Return the settings, as Keras's `get_config` does."""
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"name": self.default_name, "reduction": "sum_over_batch_size", **own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a loss from what Keras's `get_config` returned.

        Args:
            config: The settings by name.

        Raises:
            ValueError: A setting is unknown here, or has a value that cannot be used.
        """
        known = {item.name for item in fields(cls)}
        for name, value in config.items():
            if name in known or name in ("name", "dtype"):
                continue
            if value not in _IGNORED.get(name, ()):
                raise ValueError(f"{cls.__name__} has no setting {name}={value!r:.100}")
        return cls(**{name: value for name, value in config.items() if name in known})


#: How settings are checked: they may come from a file.
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "from_logits": as_bool,
    "label_smoothing": lambda name, value: as_float(name, value, 0, 1),
    "positive_weight": as_nested_floats,
}
#: Settings of Keras that have one meaning here.
_IGNORED: dict[str, tuple[object, ...]] = {
    "reduction": ("sum_over_batch_size", "mean"),
    "axis": (-1, 1),
    "ignore_class": (None,),
}


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """Cross-entropy of one class among c, for targets (n, c): one-hot, or the share of each class.

    Probabilities are normalized to the sum 1 and then clipped, as in Keras. Logits are neither, so that a
    wrong answer keeps its gradient however sure it is.

    Args:
        from_logits: Whether the outputs are the inputs of a softmax. By default they are probabilities.
        label_smoothing: From 0 to 1. Targets become y (1 − e) + e / c.
    """

    activation = "softmax"
    default_name = "categorical_crossentropy"

    from_logits: bool = False
    label_smoothing: float = 0.0

    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        targets = self._targets(outputs, y)
        if self.from_logits:
            return -(targets * log_softmax(outputs)).sum(axis=1)
        p = outputs.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        return -(targets * np.log(clip_probabilities(p))).sum(axis=1)

    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        targets = self._targets(outputs, y)
        if self.from_logits:
            dy = np.exp(log_softmax(outputs)) * targets.sum(axis=1, keepdims=True) - targets
        else:
            total = outputs.sum(axis=1, keepdims=True, dtype=np.float64)
            p = outputs / total
            dp = np.where(is_within_clip(p), -targets / clip_probabilities(p), 0)
            dy = (dp - (dp * p).sum(axis=1, keepdims=True)) / total
        return dy.astype(outputs.dtype)

    def without_smoothing(self) -> Loss:
        return replace(self, label_smoothing=0.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": -1}

    def _targets(self, outputs: Array, y: ArrayLike) -> Array:
        return smooth(as_targets(outputs, y), self.label_smoothing, outputs.shape[1])


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy of one class among c, for targets (n,) or (n, 1): the index of each one's class.

    Probabilities are clipped and then normalized to the sum 1, as in Keras.

    Args:
        from_logits: Whether the outputs are the inputs of a softmax. By default they are probabilities.
        label_smoothing: From 0 to 1. Targets become y (1 − e) + e / c, as in `CategoricalCrossentropy`.
            Keras 3.15 has no smoothing for indices.
    """

    activation = "softmax"
    default_name = "sparse_categorical_crossentropy"

    from_logits: bool = False
    _: KW_ONLY
    label_smoothing: float = 0.0

    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        targets = self._targets(outputs, y)
        return -(targets * log_softmax(self._logits(outputs))).sum(axis=1)

    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        targets = self._targets(outputs, y)
        dy = np.exp(log_softmax(self._logits(outputs))) - targets
        if not self.from_logits:
            dy = np.where(is_within_clip(outputs), dy / clip_probabilities(outputs), 0)
        return dy.astype(outputs.dtype)

    def without_smoothing(self) -> Loss:
        return replace(self, label_smoothing=0.0)

    def settings_unknown_to_keras(self) -> tuple[str, ...]:
        return ("label_smoothing for labels that are indices",) if self.label_smoothing else ()

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "ignore_class": None}
        if not self.label_smoothing:
            del config["label_smoothing"]
        return config

    def _logits(self, outputs: Array) -> Array:
        return outputs if self.from_logits else np.log(clip_probabilities(outputs))

    def _targets(self, outputs: Array, y: ArrayLike) -> Array:
        indices = as_indices(y, *check_outputs(outputs))
        targets = np.zeros(outputs.shape)
        targets[np.arange(len(indices)), indices] = 1
        return smooth(targets, self.label_smoothing, outputs.shape[1])


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """Mean cross-entropy of c labels that each apply or not, for targets (n, c) from 0 to 1; (n,) if c is 1.

    Args:
        from_logits: Whether the outputs are the inputs of a sigmoid. By default they are probabilities.
        label_smoothing: From 0 to 1. Targets become y (1 − e) + e / 2.
        positive_weight: How much an example that has the label counts, relative to one that has not: a
            number, or one for each of the c labels. Keras has no such setting.
    """

    activation = "sigmoid"
    default_name = "binary_crossentropy"

    from_logits: bool = False
    label_smoothing: float = 0.0
    _: KW_ONLY
    positive_weight: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.ndim(self.positive_weight) > 1 or np.min(self.positive_weight) < 0:
            raise ValueError(
                "positive_weight must be a number of at least 0, or one for each label; "
                f"got {self.positive_weight!r:.100}"
            )

    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        targets, weights = self._targets(outputs, y)
        if self.from_logits:
            z = outputs.astype(np.float64)
            losses = weights * targets * np.logaddexp(0, -z) + (1 - targets) * np.logaddexp(0, z)
        else:
            p = clip_probabilities(outputs)
            losses = -weights * targets * np.log(p) - (1 - targets) * np.log1p(-p)
        return losses.mean(axis=1)

    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        targets, weights = self._targets(outputs, y)
        if self.from_logits:
            p = sigmoid(outputs)
            dy = (1 - targets) * p - weights * targets * (1 - p)
        else:
            p = clip_probabilities(outputs)
            dy = np.where(is_within_clip(outputs), (1 - targets) / (1 - p) - weights * targets / p, 0)
        return (dy / outputs.shape[1]).astype(outputs.dtype)

    def without_smoothing(self) -> Loss:
        return replace(self, label_smoothing=0.0)

    def settings_unknown_to_keras(self) -> tuple[str, ...]:
        return ("positive_weight",) if np.any(np.asarray(self.positive_weight) != 1) else ()

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "axis": -1}
        if not self.settings_unknown_to_keras():
            del config["positive_weight"]
        return config

    def _targets(self, outputs: Array, y: ArrayLike) -> tuple[Array, Array]:
        """Return the smoothed targets (n, c), and the weights of positive labels, () or (c,)."""
        weights = np.asarray(self.positive_weight, dtype=np.float64)
        if weights.ndim and len(weights) != outputs.shape[1]:
            raise ValueError(
                f"positive_weight has {len(weights)} numbers, but the model has {outputs.shape[1]} labels"
            )
        return smooth(as_targets(outputs, y), self.label_smoothing, 2), weights


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Mean of the squared errors of c numbers, for targets (n, c); (n,) if c is 1."""

    default_name = "mean_squared_error"

    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        return np.square(outputs - as_targets(outputs, y)).mean(axis=1)

    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        errors = outputs - as_targets(outputs, y)
        return (errors * (2 / outputs.shape[1])).astype(outputs.dtype)


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """Mean of the absolute errors of c numbers, for targets (n, c); (n,) if c is 1."""

    default_name = "mean_absolute_error"

    def __call__(self, outputs: Array, y: ArrayLike) -> Array:
        return np.abs(outputs - as_targets(outputs, y)).mean(axis=1)

    def gradient(self, outputs: Array, y: ArrayLike) -> Array:
        errors = outputs - as_targets(outputs, y)
        return (np.sign(errors) / outputs.shape[1]).astype(outputs.dtype)


_CLASSES: tuple[type[Loss], ...] = (
    CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy, MeanSquaredError,
    MeanAbsoluteError,
)  # fmt: skip
#: The losses by the names that Keras has for them.
LOSSES: dict[str, type[Loss]] = {
    **{kind.default_name: kind for kind in _CLASSES},
    **{kind.__name__: kind for kind in _CLASSES},
    "bce": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
}


def get_loss(identifier: object) -> Loss:
    """Return a loss.

    Args:
        identifier: A `Loss`, a name of Keras such as "sparse_categorical_crossentropy" or "mse", or Keras's
            `{"class_name": …, "config": …}`.

    Raises:
        TypeError: It is none of these.
        ValueError: No loss has this name, or a setting is unknown.
    """
    return get_named(identifier, Loss, LOSSES, "loss")
