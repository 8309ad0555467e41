"""Gradient rules of normalization, and batch normalization by the statistics of the batch.

Where the mean and variance depend on the input, they contribute to the gradient. In batch normalization they
do so only in training, and there only if the statistics are not frozen.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """With the moving statistics, which do not depend on the batch."""
    mean, variance = parameters["moving_mean"], parameters["moving_variance"]
    return batch_sums(layer, dy, x, mean, variance).parameter_gradients(layer)


# --- statistics of the batch ----------------------------------------------------------------


@dataclass(frozen=True)
class BatchSums:
    """Sums over the pixels of a batch, for y = gamma · x̂ + beta with x̂ = (x − mean) / √(variance + epsilon).

    Attributes:
        gamma: Σ dy · x̂ (c,), the gradient of gamma.
        beta: Σ dy (c,), the gradient of beta.
        pixels: Number of pixels.
    """

    gamma: Array
    beta: Array
    pixels: int

    def __add__(self, other: BatchSums) -> BatchSums:
        """Return the sums of two parts of a batch together."""
        return BatchSums(self.gamma + other.gamma, self.beta + other.beta, self.pixels + other.pixels)

    def parameter_gradients(self, layer: BatchNormalization) -> dict[str, Array]:
        """Return the gradients of the parameters that a layer has.

        Args:
            layer: The layer.
        """
        gamma = {"gamma": self.gamma} if layer.scale else {}
        return gamma | ({"beta": self.beta} if layer.center else {})


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each channel, each (c,).

    Args:
        x: The activations of a whole batch (n, …, c).
    """
    count = x.size // x.shape[-1]
    mean = sum_channels(x) / count
    return mean, sum_channels(np.square(x - mean)) / count


def normalize_batch(
    layer: BatchNormalization, parameters: Parameters, x: Array, mean: Array, variance: Array
) -> Array:
    """Normalize by the statistics of a batch, as Keras does in training.

    Args:
        layer: The layer.
        parameters: The arrays of the layer. Its moving statistics are not read.
        x: The activations of a batch, or of a part of it (n, …, c).
        mean: Mean of the batch (c,).
        variance: Biased variance of the batch (c,).

    Returns:
        The output (n, …, c).
    """
    return layer.forward({**parameters, "moving_mean": mean, "moving_variance": variance}, x)


def batch_sums(layer: BatchNormalization, dy: Array, x: Array, mean: Array, variance: Array) -> BatchSums:
    """Return the sums that the gradients of the parameters are, and that the gradient of the input needs.

    Args:
        layer: The layer.
        dy: dL/dy (n, …, c) of a batch, or of a part of it.
        x: The input (n, …, c).
        mean: The mean by which it was normalized (c,).
        variance: The variance (c,).
    """
    # Subtracting the mean first loses fewer digits than Σ dy·x − mean · Σ dy.
    products = sum_channels(dy * (x - mean))
    gamma = products / np.sqrt(variance + layer.epsilon)
    return BatchSums(gamma, sum_channels(dy), x.size // x.shape[-1])


def backward_batch_statistics(
    layer: BatchNormalization,
    parameters: Parameters,
    dy: Array,
    x: Array,
    mean: Array,
    variance: Array,
    sums: BatchSums | None = None,
) -> Array:
    """Propagate dL/dy through `normalize_batch`. The statistics depend on the input, so that they contribute.

    dL/dx = gamma · (dy − mean(dy) − x̂ · mean(dy · x̂)) / √(variance + epsilon)

    Ioffe and Szegedy (ICML 2015), section 3, in one formula.

    Args:
        layer: The layer.
        parameters: The arrays of the layer. Its moving statistics are not read.
        dy: dL/dy (n, …, c) of a batch, or of a part of it.
        x: The input (n, …, c).
        mean: Mean of the batch (c,).
        variance: Biased variance of the batch (c,).
        sums: Those of the whole batch; by default those of `dy` and `x`.

    Returns:
        dL/dx (n, …, c).
    """
    if sums is None:
        sums = batch_sums(layer, dy, x, mean, variance)
    inverse = 1 / np.sqrt(variance + layer.epsilon)  # (c,)
    scale = inverse * parameters["gamma"] if layer.scale else inverse
    dx = x - mean
    dx *= -inverse * sums.gamma / sums.pixels
    dx -= sums.beta / sums.pixels
    dx += dy
    dx *= scale
    return dx


# --- statistics of each example -------------------------------------------------------------


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
