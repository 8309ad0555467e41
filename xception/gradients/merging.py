"""Gradient rules of layers with several inputs: one gradient for each, in the input's own shape."""

from __future__ import annotations

from functools import reduce
from itertools import accumulate

import numpy as np

from ..kernels import Array
from ..layers import Add, Average, Concatenate, Maximum, Minimum, Multiply, Parameters, Subtract
from .rules import backward, sum_to_shape

Arrays = tuple[Array, ...]


@backward.register
def backward_add(layer: Add, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    return _unbroadcast([dy] * len(inputs), inputs)


@backward.register
def backward_subtract(layer: Subtract, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    return _unbroadcast([dy, -dy], inputs)


@backward.register
def backward_average(layer: Average, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    return _unbroadcast([dy / len(inputs)] * len(inputs), inputs)


@backward.register
def backward_multiply(layer: Multiply, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    """The gradient of each factor is dy times the product of the others."""
    factors = layer.aligned(*inputs)
    parts = [reduce(np.multiply, factors[:i] + factors[i + 1 :], dy) for i in range(len(factors))]
    return _unbroadcast(parts, inputs)


@backward.register
def backward_extremum(layer: Maximum | Minimum, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    """The gradient goes to the input that is the maximum or minimum; of several, to the first."""
    y = layer.forward(parameters, *inputs)
    unclaimed, parts = np.ones(y.shape, bool), []
    for x in layer.aligned(*inputs):
        parts.append(dy * (unclaimed & (x == y)))
        unclaimed &= x != y
    return _unbroadcast(parts, inputs)


@backward.register
def backward_concatenate(layer: Concatenate, parameters: Parameters, dy: Array, *inputs: Array) -> Arrays:
    ends = list(accumulate(x.shape[layer.axis] for x in inputs))
    return tuple(np.split(dy, ends[:-1], axis=layer.axis))


def _unbroadcast(parts: list[Array], inputs: Arrays) -> Arrays:
    """Sum each gradient along the axes on which its input was broadcast, and drop the axes that were added.

    An input of lower rank got its new axes after the batch axis: see `Merge.aligned`.
    """
    return tuple(
        sum_to_shape(part, (len(x), *(1,) * (part.ndim - x.ndim), *x.shape[1:])).reshape(x.shape)
        for part, x in zip(parts, inputs, strict=True)
    )
