"""Normalization layers. Channels come last."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..kernels import Array
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_ELEMENT, elementwise_cost, reduction_cost
from .shapes import array_axes, check_channel_axis
from .validation import check_axes, check_bool, check_int, check_last_axis, check_number


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Batch normalization by the moving statistics of each channel. The shape does not change.

    y = gamma · (x − moving_mean) / √(moving_variance + epsilon) + beta

    The parameters are `gamma`, `beta`, `moving_mean` and `moving_variance`, each (c,).

    Ioffe and Szegedy, "Batch normalization: Accelerating deep network training by reducing internal
    covariate shift" (ICML 2015), algorithm 2.

    Attributes:
        epsilon: Added to the variance, at least 0. Keras's default is 1e-3.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        axis: The channels' axis, which must be the last.
    """

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1

    def __post_init__(self) -> None:
        _check_shared_settings(self)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = check_channel_axis(self.axis, inputs[0])
        return _gamma_and_beta(self, c) | {
            "moving_mean": Parameter((c,), "zeros", trainable=False),
            "moving_variance": Parameter((c,), "ones", trainable=False),
        }

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 1, 2 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        scale, offset = self.scale_and_offset(parameters)  # (c,)
        return inputs[0] * scale + offset

    def scale_and_offset(self, parameters: Parameters) -> tuple[Array, Array]:
        """Return (scale, offset), each (c,), such that the layer computes x · scale + offset.

        Args:
            parameters: The arrays of the layer. The result has their floating-point type.
        """
        scale = 1 / np.sqrt(parameters["moving_variance"] + self.epsilon)
        if self.scale:
            scale = scale * parameters["gamma"]
        offset = -parameters["moving_mean"] * scale
        return scale, offset + parameters["beta"] if self.center else offset


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """Layer normalization over the channels of each pixel. The shape does not change.

    y = gamma · (x − mean) / √(variance + epsilon) + beta

    The parameters are `gamma` and `beta`, each (c,).

    Ba et al., "Layer normalization" (2016).

    Attributes:
        epsilon: Added to the variance, at least 0.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        axis: The channels' axis, which must be the last.
        rms_scaling: False; Keras has deprecated it, and it is not supported.
    """

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1
    rms_scaling: bool = False

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_bool(self, "rms_scaling")
        if self.rms_scaling:
            raise ValueError("rms_scaling is not supported; Keras has deprecated it")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return _gamma_and_beta(self, check_channel_axis(self.axis, inputs[0]))

    def cost(self, *inputs: Sizes) -> Cost:
        cost = elementwise_cost(inputs[0], 2, 10 * OPERATIONS_PER_ELEMENT, 4)
        return cost + reduction_cost(inputs[0], 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return _scale_and_shift(_standardize(inputs[0], -1, self.epsilon), parameters)


@dataclass(frozen=True)
class GroupNormalization(Layer):
    """Group normalization over the pixels of each group of channels. The shape does not change.

    y = gamma · (x − mean) / √(variance + epsilon) + beta

    The parameters are `gamma` and `beta`, each (c,).

    Wu and He, "Group normalization" (ECCV 2018).

    Attributes:
        groups: Number of groups, or -1 for as many as channels, which is instance normalization.
        epsilon: Added to the variance, at least 0.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        axis: The channels' axis, which must be the last.
    """

    groups: int = 32
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_int(self, "groups", minimum=-1)
        if self.groups == 0:
            raise ValueError("groups must be a positive integer or -1, got 0")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = check_channel_axis(self.axis, inputs[0])
        if self.groups > 0 and c % self.groups:
            raise ValueError(f"{c} channels cannot be divided into {self.groups} groups")
        return _gamma_and_beta(self, c)

    def cost(self, *inputs: Sizes) -> Cost:
        *pixels, c = inputs[0]
        cost = elementwise_cost(inputs[0], 2, 10 * OPERATIONS_PER_ELEMENT, 4)
        return cost + reduction_cost((*pixels, c if self.groups == -1 else self.groups, 1), 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        y = _standardize(x.reshape(self.grouped_shape(x)), (1, 3), self.epsilon)
        return _scale_and_shift(y.reshape(x.shape), parameters)

    def grouped_shape(self, x: Array) -> tuple[int, int, int, int]:
        """Return (n, pixels, groups, channels of a group), the shape in which statistics are taken.

        Args:
            x: An input (n, …, c).
        """
        n, *pixels, c = x.shape
        groups = c if self.groups == -1 else self.groups
        return n, math.prod(pixels), groups, c // groups


@dataclass(frozen=True)
class UnitNormalization(Layer):
    """Scaling of vectors to Euclidean length 1. The shape does not change.

    Attributes:
        axis: Axis or axes along which the length is taken, counted with the batch axis as 0.
    """

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        check_axes(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])  # raises ValueError if there is no such axis
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 2, 4 * OPERATIONS_PER_ELEMENT, 2) + reduction_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0] / self.norm(inputs[0])

    def norm(self, x: Array) -> Array:
        """Return the length of each vector, at least 1e-12 as in Keras, with the axes kept at size 1.

        Args:
            x: An input, with a batch axis.
        """
        axes = array_axes(self.axis, x.shape[1:])
        return np.maximum(np.sqrt(np.square(x).sum(axis=axes, keepdims=True)), 1e-12)


# --- shared by the classes above ------------------------------------------------------------

Normalizing = BatchNormalization | LayerNormalization | GroupNormalization


def _check_shared_settings(layer: Normalizing) -> None:
    check_number(layer, "epsilon", minimum=0)
    check_bool(layer, "center", "scale")
    check_last_axis(layer)


def _gamma_and_beta(layer: Normalizing, c: int) -> dict[str, Parameter]:
    gamma = {"gamma": Parameter((c,), "ones")} if layer.scale else {}
    beta = {"beta": Parameter((c,), "zeros")} if layer.center else {}
    return gamma | beta


def _standardize(x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    """Return (x − mean) / √(variance + epsilon), with the statistics of `x` itself along `axes`."""
    y = x - x.mean(axis=axes, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=axes, keepdims=True) + epsilon)
    return y


def _scale_and_shift(y: Array, parameters: Parameters) -> Array:
    if "gamma" in parameters:
        y = y * parameters["gamma"]
    return y + parameters["beta"] if "beta" in parameters else y
