"""Gradient rules of the layers that Keras's published models define for themselves."""

from __future__ import annotations

from ..kernels import Array
from ..layers import CustomScaleLayer, LayerScale, Parameters
from .rules import backward, sum_to_shape


@backward.register
def backward_layer_scale(layer: LayerScale, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy * parameters["gamma"]


@backward.register
def backward_custom_scale(
    layer: CustomScaleLayer, parameters: Parameters, dy: Array, x: Array, residual: Array
) -> tuple[Array, Array]:
    return sum_to_shape(dy, x.shape), sum_to_shape(dy * layer.scale, residual.shape)
