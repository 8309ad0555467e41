"""Gradient rules of dense and identity layers, and of arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels import Array
from ..layers import Arithmetic, Dense, Identity, Input, Parameters
from ..layers.core import UNARY as UNARY_OPERATIONS
from .activations import backward_epilogue
from .rules import backward, bias_gradient, matmul_last_axis, parameter_gradients, sum_to_shape


@backward.register
def backward_dense(layer: Dense, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(…, units) -> (…, c)"""
    return matmul_last_axis(backward_epilogue(layer, parameters, dy, x), parameters["kernel"].T)


@parameter_gradients.register
def dense_parameter_gradients(layer: Dense, parameters: Parameters, dy: Array, x: Array) -> dict[str, Array]:
    dy = backward_epilogue(layer, parameters, dy, x)
    kernel = x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, layer.units)  # (c, units)
    return {"kernel": kernel} | bias_gradient(layer, dy)


@backward.register
def backward_identity(layer: Identity | Input, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy


# --- arithmetic -----------------------------------------------------------------------------


@backward.register
def backward_arithmetic(
    layer: Arithmetic, parameters: Parameters, dy: Array, *inputs: Array
) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):  # infinity and NaN are valid results, as in Keras
        if layer.operation in UNARY_OPERATIONS:
            return (UNARY.get(layer.operation, _constant)(dy, inputs[0]),)
        x, y = layer.operands(*inputs)
        parts: tuple[Array, ...] = BINARY.get(layer.operation, _constants)(dy, x, y)
    if layer.constant is not None:
        parts = parts[1:] if layer.constant_first else parts[:1]
    return tuple(sum_to_shape(part, x.shape) for part, x in zip(parts, inputs, strict=True))


def _constant(dy: Array, x: Array) -> Array:
    """Return dL/dx of a function that is constant almost everywhere, such as a comparison."""
    return np.zeros_like(x)


def _constants(dz: Array, x: Array, y: Array) -> tuple[Array, Array]:
    return np.zeros_like(dz), np.zeros_like(dz)


#: dL/dx for y = f(x). All others are constant almost everywhere.
UNARY: dict[str, Callable[[Array, Array], Array]] = {
    "negative": lambda dy, x: -dy,
    "absolute": lambda dy, x: dy * np.sign(x),
    "square": lambda dy, x: dy * 2 * x,
    "sqrt": lambda dy, x: dy / (2 * np.sqrt(x)),
    "exp": lambda dy, x: dy * np.exp(x),
    "log": lambda dy, x: dy / x,
    "rsqrt": lambda dy, x: -dy / (2 * x * np.sqrt(x)),
    "reciprocal": lambda dy, x: -dy / np.square(x),
    "expm1": lambda dy, x: dy * np.exp(x),
    "log1p": lambda dy, x: dy / (1 + x),
    "sin": lambda dy, x: dy * np.cos(x),
    "cos": lambda dy, x: -dy * np.sin(x),
}
#: (dL/dx, dL/dy) for z = f(x, y). Of two equal operands, the first is the maximum or minimum.
BINARY: dict[str, Callable[[Array, Array, Array], tuple[Array, ...]]] = {
    "add": lambda dz, x, y: (dz, dz),
    "subtract": lambda dz, x, y: (dz, -dz),
    "multiply": lambda dz, x, y: (dz * y, dz * x),
    "divide": lambda dz, x, y: (dz / y, -dz * x / np.square(y)),
    "divide_no_nan": lambda dz, x, y: (
        np.where(y == 0, 0, dz / y),
        np.where(y == 0, 0, -dz * x / np.square(y)),
    ),
    "mod": lambda dz, x, y: (dz, -dz * np.floor(x / y)),
    "power": lambda dz, x, y: (dz * y * np.power(x, y - 1), dz * _safe_log(x) * np.power(x, y)),
    "maximum": lambda dz, x, y: (dz * (x >= y), dz * (x < y)),
    "minimum": lambda dz, x, y: (dz * (x <= y), dz * (x > y)),
}


def _safe_log(x: Array) -> Array:
    """Return log(x), or 0 where x is not positive, as TensorFlow does in the gradient of powers."""
    return np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0).astype(x.dtype)
