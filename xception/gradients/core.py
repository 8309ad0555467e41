"""Dense layers, what hands on its input, scales, and arithmetic."""

from __future__ import annotations

import numpy as np

from ..kernels import Array
from ..layers import Arithmetic, Dense, Identity, Input, Normalization, Parameters, Rescaling
from .activations import before_activation
from .rules import backward, fit, times


@backward.register
def dense(layer: Dense, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(…, units) -> (…, c)"""
    return times(before_activation(layer, parameters, dy, x), parameters["kernel"].T)


@backward.register
def identity(layer: Identity | Input, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy


@backward.register
def rescaling(layer: Rescaling, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy * np.asarray(layer.scale, dy.dtype)


@backward.register
def normalization(layer: Normalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    deviation = layer.statistics(parameters, x)[1]
    return dy * deviation if layer.invert else dy / deviation


# --- arithmetic -----------------------------------------------------------------------------


@backward.register
def arithmetic(layer: Arithmetic, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):  # infinite slopes are answers, as in Keras
        if layer.operation in UNARY:
            return (UNARY[layer.operation](dy, *inputs),)
        both = BINARY[layer.operation](dy, *layer.operands(*inputs))
    kept = both if layer.constant is None else both[int(layer.constant_first) :]
    return tuple(fit(part, x.shape) for part, x in zip(kept, inputs, strict=False))


UNARY = {
    "negative": lambda dy, x: -dy,
    "absolute": lambda dy, x: dy * np.sign(x),
    "square": lambda dy, x: dy * 2 * x,
    "sqrt": lambda dy, x: dy / (2 * np.sqrt(x)),
    "exp": lambda dy, x: dy * np.exp(x),
    "log": lambda dy, x: dy / x,
}
#: dL/dx and dL/dy for z = f(x, y). Of two that are equal, the first is taken for the greatest, or least.
BINARY = {
    "add": lambda dz, x, y: (dz, dz),
    "subtract": lambda dz, x, y: (dz, -dz),
    "multiply": lambda dz, x, y: (dz * y, dz * x),
    "divide": lambda dz, x, y: (dz / y, -dz * x / np.square(y)),
    "floor_divide": lambda dz, x, y: (np.zeros_like(dz), np.zeros_like(dz)),
    "power": lambda dz, x, y: (dz * y * np.power(x, y - 1), dz * _log(x) * np.power(x, y)),
    "maximum": lambda dz, x, y: (dz * (x >= y), dz * (x < y)),
    "minimum": lambda dz, x, y: (dz * (x <= y), dz * (x > y)),
}


def _log(x: Array) -> Array:
    """TensorFlow's way with powers of what is not positive: no change with the exponent."""
    return np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0).astype(x.dtype)
