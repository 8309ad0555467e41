"""Gradient rules of normalization.

Where the mean and variance depend on the input, they contribute to the gradient. Those of batch normalization
are the moving ones here, which do not; for the statistics of the batch see `steps/batch_statistics.py`.
"""

from __future__ import annotations

import numpy as np

from ..kernels import Array
from ..layers import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Parameters,
    RMSNormalization,
    array_axes,
)
from ..layers.normalization import DivisionByNorm, along_axes
from .rules import backward, parameter_gradients, sum_channels, sum_other_axes


@backward.register
def backward_batch_normalization(
    layer: BatchNormalization, parameters: Parameters, dy: Array, x: Array
) -> Array:
    scale, _ = layer.scale_and_offset(parameters)  # (c,)
    return dy * scale


@parameter_gradients.register
def batch_normalization_parameter_gradients(
    layer: BatchNormalization, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    deviation = np.sqrt(parameters["moving_variance"] + layer.epsilon)  # (c,)
    # Subtracting the mean first loses fewer digits than Σ dy·x − mean · Σ dy.
    gamma = {"gamma": sum_channels(dy * (x - parameters["moving_mean"])) / deviation} if layer.scale else {}
    return gamma | ({"beta": sum_channels(dy)} if layer.center else {})


@backward.register
def backward_layer_normalization(
    layer: LayerNormalization, parameters: Parameters, dy: Array, x: Array
) -> Array:
    axes = array_axes(layer.axis, x.shape[1:])
    dy = _scaled(dy, along_axes(parameters, axes, x.ndim))
    if not layer.rms_scaling:
        return _backward_standardize(dy, x, axes, layer.epsilon)
    centered = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + layer.epsilon)
    return dy / deviation - centered * (dy * x).mean(axis=axes, keepdims=True) / deviation**3


@parameter_gradients.register
def layer_normalization_parameter_gradients(
    layer: LayerNormalization, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    axes = array_axes(layer.axis, x.shape[1:])
    standardized = layer.forward({}, x)
    return _sums_by_name(parameters, dy, standardized, axes)


@backward.register
def backward_rms_normalization(layer: RMSNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    axes = array_axes(layer.axis, x.shape[1:])
    dy = dy * along_axes(parameters, axes, x.ndim)["scale"]
    root = layer.root(x)
    return dy / root - x * (dy * x).mean(axis=axes, keepdims=True) / root**3


@parameter_gradients.register
def rms_normalization_parameter_gradients(
    layer: RMSNormalization, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    axes = array_axes(layer.axis, x.shape[1:])
    return {"scale": sum_other_axes(dy * (x / layer.root(x)), axes)}


@backward.register
def backward_group_normalization(
    layer: GroupNormalization, parameters: Parameters, dy: Array, x: Array
) -> Array:
    grouped = layer.grouped_shape(x)  # (n, pixels, groups, channels of a group)
    dy = _scaled(dy, parameters).reshape(grouped)
    return _backward_standardize(dy, x.reshape(grouped), (1, 3), layer.epsilon).reshape(x.shape)


@parameter_gradients.register
def group_normalization_parameter_gradients(
    layer: GroupNormalization, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    return _sums_by_name(parameters, dy, layer.forward({}, x), (x.ndim - 1,))


@backward.register
def backward_division_by_norm(layer: DivisionByNorm, parameters: Parameters, dy: Array, x: Array) -> Array:
    """y = x / |x| does not change when x grows, so the part of dy that is parallel to x drops out."""
    axes = array_axes(layer.axis, x.shape[1:])
    norm = layer.norm(x)
    divisor = np.maximum(norm, layer.epsilon).astype(dy.dtype)
    y = x / divisor
    direction = y if layer.order == 2 else np.sign(x)  # d|x| / dx
    parallel = direction * (dy * y).sum(axis=axes, keepdims=True)
    return (dy - np.where(norm >= layer.epsilon, parallel, 0)) / divisor


def _sums_by_name(
    parameters: Parameters, dy: Array, standardized: Array, axes: tuple[int, ...]
) -> dict[str, Array]:
    """Return the gradients of gamma and beta, of those that a layer has, which vary along some axes."""
    return {name: sum_other_axes(dy * standardized if name == "gamma" else dy, axes) for name in parameters}


def _scaled(dy: Array, parameters: Parameters) -> Array:
    return dy * parameters["gamma"] if "gamma" in parameters else dy


def _backward_standardize(dy: Array, x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    """Return dL/dx for y = (x − mean) / σ, σ = √(variance + epsilon), with the statistics of `x` itself.

    y changes neither when a constant is added to x nor, but for epsilon, when x − mean grows. So the
    constant part of dy and its part parallel to y drop out:

    dL/dx = (dy − mean(dy) − y · mean(dy · y)) / σ

    Ioffe and Szegedy (ICML 2015), section 3, in one formula.
    """
    centered = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + epsilon)
    y = centered / deviation
    constant, parallel = dy.mean(axis=axes, keepdims=True), (dy * y).mean(axis=axes, keepdims=True)
    return (dy - constant - y * parallel) / deviation
