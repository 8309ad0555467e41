"""Targets of training: class names, indices, one-hot rows, several labels or numbers, for a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.class_names import ClassNames
from ...prediction.labels import match_labels
from .losses import BinaryCrossentropy, CategoricalCrossentropy, Loss, SparseCategoricalCrossentropy
from .targets import as_indices, is_one_hot

MAX_SUM_ERROR = 1e-3  #: of the shares of the classes in a row, which are often float16 or rounded


def prepare_targets(y: Any, loss: Loss, units: int, class_names: ClassNames | None = None) -> NDArray[Any]:
    """Check the targets of a loss, and convert them to the form that it takes.

    Cross-entropy of classes takes names, indices and one-hot rows, whichever form its name says.

    Args:
        y: Targets of n examples: class names, indices (n,) or (n, 1), or rows (n, units).
        loss: The loss.
        units: The number of the model's outputs.
        class_names: The model's classes, to look up names.

    Returns:
        int64 (n,) for `SparseCategoricalCrossentropy`; float32 (n, units) for any other loss.

    Raises:
        TypeError: The targets are no array.
        ValueError: A target is not valid; the message names its position and what is allowed.
    """
    array = np.asarray(y)
    if array.dtype == object and array.size and all(isinstance(label, str) for label in array.flat):
        array = array.astype(str)
    if array.dtype.kind == "U":
        array = _indices_of_names(array, loss, units, class_names)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"labels must be names or numbers, got an array of {array.dtype}")
    if array.ndim == 0:
        raise TypeError(f"expected a target for each example, got {y!r:.80}")
    if isinstance(loss, SparseCategoricalCrossentropy):
        return _as_class_indices(array, units)
    if isinstance(loss, CategoricalCrossentropy):
        return _as_shares(array, units)
    if array.ndim == 1 and units == 1:
        array = array[:, np.newaxis]
    if array.shape != (len(array), units):
        hint = "; each row says which labels an example has" if isinstance(loss, BinaryCrossentropy) else ""
        raise ValueError(f"expected targets of shape (n, {units}), got {array.shape}{hint}")
    if isinstance(loss, BinaryCrossentropy):
        _check_all(array, (array >= 0) & (array <= 1), "must lie between 0 and 1")
    _check_all(array, np.isfinite(array), "must be finite")
    return array.astype(np.float32)


def class_indices(targets: NDArray[Any]) -> NDArray[Any]:
    """Return the class (n,) of each example.

    Args:
        targets: From `prepare_targets`: indices (n,), shares (n, c), of which the largest counts, or 0 or 1
            (n, 1).
    """
    if targets.ndim == 1:
        return targets
    return targets.argmax(axis=1) if targets.shape[1] > 1 else np.rint(targets[:, 0]).astype(np.int64)


def _indices_of_names(
    labels: NDArray[Any], loss: Loss, units: int, class_names: ClassNames | None
) -> NDArray[Any]:
    """Return the indices of classes that are given by name."""
    if class_names is None:
        raise ValueError(
            "labels are names, but the model does not know its classes: set model.class_names = [names, in "
            "the order of the outputs]"
        )
    is_binary = isinstance(loss, BinaryCrossentropy) and units == 1
    if not is_binary and not isinstance(loss, CategoricalCrossentropy | SparseCategoricalCrossentropy):
        raise ValueError(f"labels are names, but {loss.default_name} takes numbers")
    return np.array(match_labels([str(label) for label in labels.ravel()], class_names)).reshape(-1)


def _as_class_indices(labels: NDArray[Any], units: int) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == units > 1:
        _check_one_hot(labels)
        return labels.argmax(axis=1)
    return as_indices(labels, len(labels), units)


def _as_shares(labels: NDArray[Any], units: int) -> NDArray[Any]:
    if labels.ndim == 1 or labels.shape[1:] == (1,):
        return np.eye(units, dtype=np.float32)[as_indices(labels, len(labels), units)]
    if labels.shape != (len(labels), units):
        raise ValueError(f"expected labels of shape (n, {units}), or n indices, got {labels.shape}")
    if np.isin(labels, (0, 1)).all():
        _check_one_hot(labels)
    _check_all(labels, (labels >= 0) & (labels <= 1), "must lie between 0 and 1")
    sums = labels.sum(axis=1, dtype=np.float64)
    _check_rows(np.abs(sums - 1) <= MAX_SUM_ERROR, sums, "the shares of its classes must sum to 1, not")
    return labels.astype(np.float32)


def _check_one_hot(labels: NDArray[Any]) -> None:
    rule = "an example has one class. For several labels at once use binary_crossentropy; ones in its row:"
    _check_rows(is_one_hot(labels), (labels == 1).sum(axis=1), rule)


def _check_rows(is_valid: NDArray[Any], values: NDArray[Any], rule: str) -> None:
    if not is_valid.all():
        position = int(np.argmin(is_valid))
        raise ValueError(f"label at position {position}: {rule} {values[position]:g}")


def _check_all(targets: NDArray[Any], is_valid: NDArray[Any], rule: str) -> None:
    """Raise ValueError naming the first target that is not valid."""
    if not is_valid.all():
        position = int(np.argmin(is_valid.reshape(len(targets), -1).all(axis=1)))
        value = targets[position][~is_valid[position]][0]
        raise ValueError(f"target {value:g} at position {position} {rule}")
