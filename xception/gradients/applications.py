"""Gradient rules of the layers that Keras's published models define for themselves."""

from __future__ import annotations

from ..kernels import Array
from ..layers import CustomScaleLayer, LayerScale, Parameters
from .rules import backward, parameter_gradients, sum_channels, sum_to_shape


@backward.register
def backward_layer_scale(layer: LayerScale, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy * parameters["gamma"]


@parameter_gradients.register
def layer_scale_parameter_gradients(
    layer: LayerScale, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    return {"gamma": sum_channels(dy * x)}


@backward.register
def backward_custom_scale(
    layer: CustomScaleLayer, parameters: Parameters, dy: Array, x: Array, residual: Array
) -> tuple[Array, Array]:
    return sum_to_shape(dy, x.shape), sum_to_shape(dy * layer.scale, residual.shape)
