"""Softmax and sigmoid for losses and metrics, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...kernels import Array

#: Keras's `backend.epsilon()`: probabilities are clipped to at least this, and at most 1 minus this.
PROBABILITY_EPSILON = 1e-7


def log_softmax(logits: Array) -> Array:
    """Return the logarithm of the softmax of each row, in float64.

    Args:
        logits: (n, c).
    """
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z


def sigmoid(logits: Array) -> Array:
    """Return 1 / (1 + exp(−x)) in float64, without overflow."""
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def clip_probabilities(p: Array) -> Array:
    """Return probabilities in float64, clipped as Keras does before it takes their logarithm."""
    return np.clip(p.astype(np.float64), PROBABILITY_EPSILON, 1 - PROBABILITY_EPSILON)


def is_within_clip(p: Array) -> NDArray[np.bool_]:
    """Return True where `clip_probabilities` changes nothing, so that a gradient passes."""
    return (p >= PROBABILITY_EPSILON) & (p <= 1 - PROBABILITY_EPSILON)
