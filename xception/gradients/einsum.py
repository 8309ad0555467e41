"""Gradient rules of layers that are given by an einsum equation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernels import Array
from ..layers import Einsum, EinsumDense, Parameters
from ..layers.operations.equations import Equation
from .activations import backward_epilogue
from .rules import backward, parameter_gradients, sum_to_shape


@backward.register
def backward_einsum(layer: Einsum, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    equation = layer.equation(*(x.shape[1:] for x in inputs))
    return tuple(backward_equation(equation, dy, *inputs))


@backward.register
def backward_einsum_dense(layer: EinsumDense, parameters: Parameters, dy: Array, x: Array) -> Array:
    dy = backward_epilogue(layer, parameters, dy, x)
    return backward_equation(layer.parsed(x.shape[1:]), dy, x, parameters["kernel"], operands=[0])[0]


@parameter_gradients.register
def einsum_dense_parameter_gradients(
    layer: EinsumDense, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    dy = backward_epilogue(layer, parameters, dy, x)
    equation = layer.parsed(x.shape[1:])
    gradients = {"kernel": backward_equation(equation, dy, x, parameters["kernel"], operands=[1])[0]}
    if layer.bias_axes is not None:
        shape = parameters["bias"].shape  # of the last axes, with size 1 where the bias does not vary
        terms = sum_to_shape(dy, (1,) * (dy.ndim - len(shape)) + shape)
        gradients["bias"] = terms.reshape(shape)
    return gradients


def backward_equation(
    equation: Equation, dy: Array, *arrays: Array, operands: Sequence[int] | None = None
) -> list[Array]:
    """Return dL/dx of the operands of an equation.

    A product is linear in each operand, so its transpose is an equation too: that of dy and the other
    operand. Along axes that were summed in one operand alone, the gradient is constant.

    Args:
        equation: The equation.
        dy: dL/dy.
        *arrays: All operands.
        operands: Positions of the operands whose gradients are returned. None stands for all.
    """
    gradients = []
    for i in range(len(arrays)) if operands is None else operands:
        labels, x = equation.operands[i], arrays[i]
        others = [j for j in range(len(arrays)) if j != i]
        factors = (equation.output, *(equation.operands[j] for j in others))
        present = "".join(label for label in labels if label in "".join(factors))
        part = Equation(factors, present).forward(dy, *(arrays[j] for j in others))
        summed = tuple(axis for axis, label in enumerate(labels) if label not in present)
        gradients.append(np.broadcast_to(np.expand_dims(part, summed), x.shape) if summed else part)
    return gradients
