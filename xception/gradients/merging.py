"""Several inputs to one: a gradient for each, in the input's own shape."""

from __future__ import annotations

from functools import reduce
from itertools import accumulate

import numpy as np

from ..kernels import Array
from ..layers import Add, Average, Concatenate, Maximum, Minimum, Multiply, Parameters, Subtract
from .rules import backward, fit

Gradients = tuple[Array, ...]


@backward.register
def add(layer: Add, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    return _fitted([dy] * len(inputs), inputs)


@backward.register
def subtract(layer: Subtract, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    return _fitted([dy, -dy], inputs)


@backward.register
def average(layer: Average, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    return _fitted([dy / len(inputs)] * len(inputs), inputs)


@backward.register
def multiply(layer: Multiply, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    """Each times all the others."""
    aligned = layer.aligned(*inputs)
    return _fitted(
        [reduce(np.multiply, aligned[:place] + aligned[place + 1 :], dy) for place in range(len(inputs))],
        inputs,
    )


@backward.register
def extreme(layer: Maximum | Minimum, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    """All to the greatest, or least; of several that are equal, to the first."""
    y = layer.forward(parameters, *inputs)
    undecided, parts = np.ones(y.shape, bool), []
    for x in layer.aligned(*inputs):
        parts.append(dy * (undecided & (x == y)))
        undecided &= x != y
    return _fitted(parts, inputs)


@backward.register
def concatenate(layer: Concatenate, parameters: Parameters, dy: Array, *inputs: Array) -> Gradients:
    ends = list(accumulate(x.shape[layer.axis] for x in inputs))
    return tuple(np.split(dy, ends[:-1], axis=layer.axis))


def _fitted(parts: list[Array], inputs: Gradients) -> Gradients:
    """Without the axes that an input of fewer got behind the batch's, and the copies it was made into."""
    return tuple(
        fit(part, (len(x), *(1,) * (part.ndim - x.ndim), *x.shape[1:])).reshape(x.shape)
        for part, x in zip(parts, inputs, strict=True)
    )
