"""Gradient rules of the layers for sequences: those of the layer for maps that computes them."""

from __future__ import annotations

from ..kernels import Array
from ..layers import Parameters
from ..layers.sequences.one_dimensional import Sequential1D
from .rules import backward, parameter_gradients


@backward.register
def backward_sequential(layer: Sequential1D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, t', c') -> (n, t, c)"""
    dx = backward(layer.counterpart_layer, layer.as_kernels(parameters), dy[:, None], layer.as_map(x))
    assert not isinstance(dx, tuple)  # one input, one gradient
    return dx[:, 0, layer.leading_zeros :]


@parameter_gradients.register
def sequential_parameter_gradients(
    layer: Sequential1D, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    gradients = parameter_gradients(
        layer.counterpart_layer, layer.as_kernels(parameters), dy[:, None], layer.as_map(x)
    )
    return {name: dw.reshape(parameters[name].shape) for name, dw in gradients.items()}
