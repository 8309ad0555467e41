"""Weights of classes in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.class_names import ClassNames
from ...kernels import Array
from ...prediction.labels import match_labels

#: {index or name of a class: weight}, or "balanced": n / (c · nₖ) for class k with nₖ of n examples.
ClassWeights = Mapping[int | str, float] | Literal["balanced"]


def weigh_classes(given: ClassWeights, counts: NDArray[Any], class_names: ClassNames | None = None) -> Array:
    """Return the weight of each class, such that the mean over all examples is 1.

    Keras divides a batch's loss by the number of its examples, not by their weight. Weights with the mean 1
    therefore leave the learning rate alone.

    Args:
        given: The weights. A class that is not given weighs 1 beside them, as in Keras.
        counts: (c,) how many examples each class has.
        class_names: The model's classes, to look up names.

    Returns:
        (c,), float32.

    Raises:
        TypeError: `given` is neither a dict nor "balanced".
        ValueError: A class is unknown, or a weight is negative, not finite, or zero for all examples.
    """
    if given == "balanced":
        weights = np.divide(counts.sum(), len(counts) * counts, out=np.ones(len(counts)), where=counts > 0)
    elif isinstance(given, Mapping):
        weights = np.ones(len(counts))
        for label, weight in given.items():
            weights[_find(label, len(counts), class_names)] = _checked(label, weight)
    else:
        raise TypeError(f"class_weight must be a dict {{class: weight}} or 'balanced', got {given!r:.80}")
    weights = weights / (weights.max() or 1.0)  # so that sums of large ones do not overflow
    total = float((weights * counts).sum())
    if not total:
        raise ValueError("class_weight gives every example the weight 0")
    return (weights * (counts.sum() / total)).astype(np.float32)


def describe_weights(weights: Array, class_names: ClassNames | None = None) -> str:
    """Return "class weights, of mean 1: cat 0.83, dog 1.25"."""
    names = [str(i) for i in range(len(weights))] if class_names is None else [n for _, n in class_names]
    listed = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(names, weights, strict=True))
    return f"class weights, of mean 1: {listed}"


def _find(label: int | str, count: int, class_names: ClassNames | None) -> int:
    is_index = isinstance(label, int | np.integer) and not isinstance(label, bool)
    if is_index and 0 <= int(label) < count:
        return int(label)
    if isinstance(label, str) and class_names is not None:
        return match_labels([label], class_names)[0]
    raise ValueError(f"class_weight: no class {label!r:.80}; the model has {count}, from 0 to {count - 1}")


def _checked(label: int | str, weight: float) -> float:
    value = float(weight)
    if not 0 <= value < np.inf:
        raise ValueError(f"class_weight: the weight of {label!r:.80} must be at least 0, got {weight!r:.80}")
    return value
