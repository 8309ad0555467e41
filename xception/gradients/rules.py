"""One table for all layers, by their class; and what several rules share."""

from __future__ import annotations

from functools import singledispatch

from ..errors import NoGradientError
from ..kernels import Array
from ..layers import Layer, Parameters, Shape


@singledispatch
def backward(layer: Layer, parameters: Parameters, dy: Array, *inputs: Array) -> Array | tuple[Array, ...]:
    """dL/dy, and the inputs that y was computed from -> dL/dx, for several inputs one for each.

    Every rule keeps the floating-point type that it is given.
    """
    raise NoGradientError("no gradient is known here for this kind of layer")


def fit(dy: Array, shape: Shape) -> Array:
    """Where an input was repeated along an axis of size 1, all of its copies count: their sum."""
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and dy.shape[axis] > 1)
    return dy.sum(axis=repeated, keepdims=True) if repeated else dy


def times(dy: Array, matrix: Array) -> Array:
    """(…, c) · (c, d) -> (…, d) as one product: NumPy makes many small ones of it otherwise."""
    return (dy.reshape(-1, len(matrix)) @ matrix).reshape(*dy.shape[:-1], matrix.shape[1])
