"""Gradient rules of activations.

At a kink, where several values are defensible, the derivative is TensorFlow's: ReLU's at 0 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import Array, elementwise
from ..kernels.elementwise import (
    GELU_CUBIC,
    GELU_SCALE,
    SELU_ALPHA,
    SELU_SCALE,
    Axis,
    hard_sigmoid,
    normal_cdf,
    sigmoid,
    softmax,
    softplus,
)
from ..layers import ELU, Activation, LeakyReLU, Parameters, PReLU, ReLU, Softmax, ThresholdedReLU, array_axes
from .rules import backward, parameter_gradients, sum_to_shape

# --- derivatives of the functions in `layers.ACTIVATIONS` -----------------------------------


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0)))


def _sigmoid(x: Array) -> Array:
    return sigmoid(x) * sigmoid(-x)


def _gelu(x: Array) -> Array:
    """Φ(x) + x · φ(x), with the distribution function Φ and the density φ of the normal distribution."""
    return normal_cdf(x) + x * np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)


def _gelu_tanh(x: Array) -> Array:
    x = np.clip(x, -20, 20)  # beyond, the derivative is 0 or 1
    u = 2 * GELU_SCALE * x * (1 + GELU_CUBIC * np.square(x))
    return sigmoid(u) + x * _sigmoid(u) * 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * np.square(x))


def _silu(x: Array) -> Array:
    return sigmoid(x) + x * _sigmoid(x)


def _hard_silu(x: Array) -> Array:
    return hard_sigmoid(x) + x * (np.abs(x) < 3) / 6


def _mish(x: Array) -> Array:
    t = np.tanh(softplus(x))
    return t + x * (1 - np.square(t)) * sigmoid(x)


#: dy/dx of every elementwise function. linear, softmax and log_softmax have rules of their own.
DERIVATIVES: dict[str, Callable[[Array], NDArray[Any]]] = {
    "relu": lambda x: x > 0,
    "sigmoid": _sigmoid,
    "tanh": lambda x: 1 - np.square(np.tanh(x)),
    "relu6": lambda x: (x > 0) & (x < 6),
    "leaky_relu": lambda x: np.where(x > 0, 1, 0.2),
    "elu": _elu,
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "celu": _elu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "swish": _silu,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "mish": _mish,
    "softplus": sigmoid,
    "softsign": lambda x: 1 / np.square(1 + np.abs(x)),
    "squareplus": lambda x: (1 + x / np.hypot(x, 2)) / 2,
    "exponential": elementwise.exponential,
    "hard_sigmoid": lambda x: (np.abs(x) < 3) / 6,
    "hard_sigmoid_keras2": lambda x: (np.abs(x) < 2.5) * 0.2,
    "hard_tanh": lambda x: np.abs(x) < 1,
    "log_sigmoid": lambda x: sigmoid(-x),
    "soft_shrink": lambda x: np.abs(x) > 0.5,
    "hard_shrink": lambda x: np.abs(x) > 0.5,
    "tanh_shrink": lambda x: np.square(np.tanh(x)),
    "sparse_plus": lambda x: np.where(x < 1, (np.clip(x, -1, 1) + 1) / 2, 1),
    "sparse_sigmoid": lambda x: (np.abs(x) < 1) * 0.5,
}


def backward_activation(activation: Any, dy: Array, x: Array) -> Array:
    """Return dL/dx for y = activation(x).

    Args:
        activation: A name in `layers.ACTIVATIONS`, or a layer that stands for one.
        dy: dL/dy.
        x: The input of the activation.
    """
    if not isinstance(activation, str):
        return backward(activation, {}, dy, x)  # type: ignore[return-value]  # one input, one gradient
    if activation == "linear":
        return dy
    if activation == "softmax":
        return _softmax(dy, x, -1)
    if activation == "log_softmax":
        return dy - softmax(x) * dy.sum(axis=-1, keepdims=True)
    return _scaled(dy, DERIVATIVES[activation](x))


def backward_epilogue(layer: Any, parameters: Parameters, dy: Array, x: Array) -> Array:
    """Propagate dL/dy of a convolution or dense layer to the input of its activation.

    The bias needs no rule, since its derivative is 1. The input of the activation is computed once
    more from `x`, unless the activation is linear.

    Args:
        layer: A layer with a setting `activation`.
        parameters: The arrays of the layer.
        dy: dL/dy.
        x: The input of the layer.
    """
    if layer.activation == "linear":
        return dy
    before_activation = replace(layer, activation="linear").forward(parameters, x)
    return backward_activation(layer.activation, dy, before_activation)


def _scaled(dy: Array, derivative: NDArray[Any]) -> Array:
    """Return dy · derivative in the floating-point type of `dy`."""
    return dy * derivative.astype(dy.dtype, copy=False)


def _softmax(dy: Array, x: Array, axis: Axis) -> Array:
    """dyᵢ/dxⱼ = yᵢ · (δᵢⱼ − yⱼ)"""
    y = softmax(x, axis)
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


# --- layers ---------------------------------------------------------------------------------


@backward.register
def backward_activation_layer(layer: Activation, parameters: Parameters, dy: Array, x: Array) -> Array:
    return backward_activation(layer.activation, dy, x)


@backward.register
def backward_relu(layer: ReLU, parameters: Parameters, dy: Array, x: Array) -> Array:
    max_value = math.inf if layer.max_value is None else layer.max_value
    return _scaled(dy, np.where(x > layer.threshold, x < max_value, layer.negative_slope))


@backward.register
def backward_leaky_relu(layer: LeakyReLU, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _scaled(dy, np.where(x > 0, 1, layer.negative_slope))


@backward.register
def backward_prelu(layer: PReLU, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _scaled(dy, np.where(x > 0, 1, parameters["alpha"]))


@parameter_gradients.register
def prelu_parameter_gradients(layer: PReLU, parameters: Parameters, dy: Array, x: Array) -> dict[str, Array]:
    return {"alpha": sum_to_shape(dy * np.minimum(x, 0), (1, *parameters["alpha"].shape))[0]}


@backward.register
def backward_elu(layer: ELU, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _scaled(dy, _elu(x, layer.alpha))


@backward.register
def backward_thresholded_relu(layer: ThresholdedReLU, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _scaled(dy, x > layer.theta)


@backward.register
def backward_softmax(layer: Softmax, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _softmax(dy, x, array_axes(layer.axis, x.shape[1:]))
