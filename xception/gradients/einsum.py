"""Gradient rules of layers that are given by an einsum equation."""

from __future__ import annotations

import numpy as np

from ..kernels import Array
from ..layers import Einsum, EinsumDense, Parameters
from ..layers.operations.equations import Equation
from .activations import backward_epilogue
from .rules import backward


@backward.register
def backward_einsum(layer: Einsum, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    equation = layer.equation(*(x.shape[1:] for x in inputs))
    return tuple(backward_equation(equation, dy, *inputs))


@backward.register
def backward_einsum_dense(layer: EinsumDense, parameters: Parameters, dy: Array, x: Array) -> Array:
    dy = backward_epilogue(layer, parameters, dy, x)
    return backward_equation(layer.parsed(x.shape[1:]), dy, x, parameters["kernel"], operands=1)[0]


def backward_equation(
    equation: Equation, dy: Array, *arrays: Array, operands: int | None = None
) -> list[Array]:
    """Return dL/dx of the first operands of an equation.

    A product is linear in each operand, so its transpose is an equation too: that of dy and the other
    operand. Along axes that were summed in one operand alone, the gradient is constant.

    Args:
        equation: The equation.
        dy: dL/dy.
        *arrays: All operands.
        operands: Number of operands whose gradients are returned. None stands for all.
    """
    gradients = []
    for i, (labels, x) in enumerate(zip(equation.operands[:operands], arrays, strict=False)):
        others = [j for j in range(len(arrays)) if j != i]
        factors = (equation.output, *(equation.operands[j] for j in others))
        present = "".join(label for label in labels if label in "".join(factors))
        part = Equation(factors, present).forward(dy, *(arrays[j] for j in others))
        summed = tuple(axis for axis, label in enumerate(labels) if label not in present)
        gradients.append(np.broadcast_to(np.expand_dims(part, summed), x.shape) if summed else part)
    return gradients
