"""Activation functions, as Keras defines them.

Each takes an array of any shape and returns an array of the same shape and floating-point type
(`linear` returns its argument). None emits overflow warnings, however large its input.
"""

from __future__ import annotations

import math

import numpy as np

from .geometry import Array

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

Axis = int | tuple[int, ...]


# --- rectifiers -----------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """Return max(x, 0).

    Args:
        x: An array of any shape.

    Returns:
        A new array of the shape and type of `x`.
    """
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def bounded_relu(x: Array, max_value: float | None, negative_slope: float, threshold: float) -> Array:
    """Return Keras's ReLU layer.

    Args:
        x: An array of any shape.
        max_value: Upper bound of the result, or None.
        negative_slope: Slope below the threshold.
        threshold: Values above it are kept (up to `max_value`); the others become
            negative_slope · (x − threshold).

    Returns:
        A new array of the shape and type of `x`.
    """
    y = np.where(x > threshold, x, 0)
    if max_value is not None:
        y = np.minimum(y, max_value)
    return y + negative_slope * np.minimum(x - threshold, 0) if negative_slope else y


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


def selu(x: Array) -> Array:
    return SELU_SCALE * elu(x, SELU_ALPHA)


def gelu(x: Array) -> Array:
    """Return x · Φ(x), with Φ the normal CDF: exact, not the tanh approximation."""
    from scipy.special import erfc  # 1 + erf would cancel where Φ is small

    return 0.5 * x * erfc(x * -math.sqrt(0.5))


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def hard_silu(x: Array) -> Array:
    return x * hard_sigmoid(x)


def mish(x: Array) -> Array:
    return x * np.tanh(softplus(x))


def softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


def squareplus(x: Array) -> Array:
    return (x + np.hypot(x, 2)) / 2


def sparse_plus(x: Array) -> Array:
    return np.where(x < 1, np.square(np.clip(x, -1, 1) + 1) / 4, x)


# --- bounded --------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)).

    Args:
        x: An array of any shape.

    Returns:
        A new array of the shape and type of `x`, between 0 and 1.
    """
    from scipy.special import expit  # does not overflow for either sign

    return expit(x)


def hard_sigmoid(x: Array) -> Array:
    return np.clip(x + 3, 0, 6) / 6


def hard_sigmoid_keras2(x: Array) -> Array:
    """Return Keras 2's variant, which is steeper than Keras 3's."""
    return np.clip(x * 0.2 + 0.5, 0, 1)


def sparse_sigmoid(x: Array) -> Array:
    return np.clip(x / 2 + 0.5, 0, 1)


def hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def softsign(x: Array) -> Array:
    return x / (np.abs(x) + 1)


# --- unbounded ------------------------------------------------------------------------------


def linear(x: Array) -> Array:
    return x


def exponential(x: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is the right result
        return np.exp(x)


def log_sigmoid(x: Array) -> Array:
    return -softplus(-x)


def tanh_shrink(x: Array) -> Array:
    return x - np.tanh(x)


def soft_shrink(x: Array) -> Array:
    return x - np.clip(x, -0.5, 0.5)


def hard_shrink(x: Array) -> Array:
    return np.where(np.abs(x) > 0.5, x, 0)


# --- along an axis --------------------------------------------------------------------------


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return exp(x), normalized to a sum of 1.

    Args:
        x: Logits.
        axis: Axis or axes along which the result sums to 1.

    Returns:
        A new array of the shape and type of `x`.
    """
    y = np.exp(x - x.max(axis=axis, keepdims=True))  # largest exponent 0: no overflow
    y /= y.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: Array) -> Array:
    y = x - x.max(axis=-1, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    return y
