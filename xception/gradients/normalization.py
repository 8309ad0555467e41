"""Gradient rules of normalization.

Except in batch normalization, the mean and variance depend on the input, so they contribute to the gradient.
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
from .rules import backward, parameter_gradients, sum_channels


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
    """With the moving statistics, which do not depend on the batch."""
    mean, variance = parameters["moving_mean"], parameters["moving_variance"]
    return _gamma_and_beta(layer, dy, x, mean, variance)


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


@backward.register
def backward_rms_normalization(layer: RMSNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    axes = array_axes(layer.axis, x.shape[1:])
    dy = dy * along_axes(parameters, axes, x.ndim)["scale"]
    root = layer.root(x)
    return dy / root - x * (dy * x).mean(axis=axes, keepdims=True) / root**3


@backward.register
def backward_group_normalization(
    layer: GroupNormalization, parameters: Parameters, dy: Array, x: Array
) -> Array:
    grouped = layer.grouped_shape(x)  # (n, pixels, groups, channels of a group)
    dy = _scaled(dy, parameters).reshape(grouped)
    return _backward_standardize(dy, x.reshape(grouped), (1, 3), layer.epsilon).reshape(x.shape)


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


def _gamma_and_beta(
    layer: BatchNormalization, dy: Array, x: Array, mean: Array, variance: Array
) -> dict[str, Array]:
    """Return the gradients of gamma and beta, given the statistics (c,) of the normalization."""
    gradients = {}
    if layer.scale:
        # Subtracting the mean first loses fewer digits than Σ dy·x − mean · Σ dy.
        gradients["gamma"] = sum_channels(dy * (x - mean)) / np.sqrt(variance + layer.epsilon)
    if layer.center:
        gradients["beta"] = sum_channels(dy)
    return gradients


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
