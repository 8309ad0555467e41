"""Targets of training: labels and numbers, checked against the outputs that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels import Array


def as_indices(y: ArrayLike, count: int, classes: int) -> NDArray[np.int64]:
    """Return labels that are indices as an array (n,), int64.

    Args:
        y: The indices, (n,) or (n, 1). Floating-point numbers are accepted where they are whole.
        count: n.
        classes: The number of classes; indices are from 0 to classes − 1.

    Raises:
        ValueError: The shape does not fit, or a label is not an index. The message names its position.
    """
    labels = np.asarray(y)
    if labels.shape not in ((count,), (count, 1)):
        hint = ""
        if labels.shape == (count, classes):
            hint = "; one-hot labels need categorical_crossentropy"
        raise ValueError(f"labels must be {count} indices, got an array of shape {labels.shape}{hint}")
    labels = labels.reshape(count)
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"labels must be indices, got an array of {labels.dtype}")
    wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
    if wrong.any():
        position = int(wrong.argmax())
        raise ValueError(
            f"label {labels[position]} at position {position} is not a class: "
            f"the model has {classes}, so that indices are integers from 0 to {classes - 1}"
        )
    return labels.astype(np.int64)


def is_one_hot(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether each row of labels (n, c) is a single 1 among zeros, (n,)."""
    return ((labels == 0) | (labels == 1)).all(axis=1) & ((labels == 1).sum(axis=1) == 1)


def check_outputs(outputs: Array) -> tuple[int, int]:
    """Return (n, c) of outputs, or raise ValueError."""
    if outputs.ndim != 2:
        raise ValueError(f"a loss needs outputs of shape (n, c), got {outputs.shape}")
    return outputs.shape


def as_targets(outputs: Array, y: ArrayLike) -> Array:
    """Return targets as float64, in the shape of the outputs.

    Args:
        outputs: (n, c).
        y: (n, c); (n,) if c is 1.

    Raises:
        ValueError: The shapes do not fit.
    """
    count, width = check_outputs(outputs)
    targets = np.asarray(y, dtype=np.float64)
    if targets.shape == (count,) and width == 1:
        targets = targets[:, None]
    if targets.shape != outputs.shape:
        hint = "; labels that are indices need sparse_categorical_crossentropy" if targets.ndim == 1 else ""
        raise ValueError(
            f"targets of shape {targets.shape} do not fit outputs of shape {outputs.shape}{hint}"
        )
    return targets


def smooth(targets: Array, smoothing: float, classes: int) -> Array:
    """Return y (1 − e) + e / c.

    Args:
        targets: y.
        smoothing: e, from 0 to 1.
        classes: c.
    """
    return targets * (1 - smoothing) + smoothing / classes if smoothing else targets
