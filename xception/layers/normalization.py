"""Normalisation along the channels, which come last."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..kernels import Array
from .base import (
    Layer,
    Parameter,
    Parameters,
    Shape,
    array_axes,
    axes,
    check_last,
    flag,
    last_axis,
    number,
    whole,
)


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """gamma · (x − moving_mean) / √(moving_variance + epsilon) + beta, along the last axis."""

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1

    def __post_init__(self) -> None:
        _check(self)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shape = (check_last(self.axis, inputs[0]),)
        return _scale_and_offset(self, shape) | {
            "moving_mean": Parameter(shape, "zeros", trainable=False),
            "moving_variance": Parameter(shape, "ones", trainable=False),
        }

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        scale, offset = self.scale_and_offset(parameters)  # (c,)
        return inputs[0] * scale + offset

    def scale_and_offset(self, parameters: Parameters) -> tuple[Array, Array]:
        """Return (scale, offset), each (c,), with which the layer computes x · scale + offset.

        Both have the floating-point type of the parameters.
        """
        scale = 1 / np.sqrt(parameters["moving_variance"] + self.epsilon)
        if self.scale:
            scale = scale * parameters["gamma"]
        offset = -parameters["moving_mean"] * scale
        return scale, offset + parameters["beta"] if self.center else offset


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """gamma · (x − mean) / √(variance + epsilon) + beta, of each pixel's own channels."""

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1
    rms_scaling: bool = False

    def __post_init__(self) -> None:
        _check(self)
        flag(self, "rms_scaling")
        if self.rms_scaling:
            raise ValueError("rms_scaling is not known here: Keras itself has given it up")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return _scale_and_offset(self, (check_last(self.axis, inputs[0]),))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return _affine(_standard(inputs[0], -1, self.epsilon), parameters)


@dataclass(frozen=True)
class GroupNormalization(Layer):
    """gamma · (x − mean) / √(variance + epsilon) + beta, of each example's groups of channels.

    groups: -1 for one a channel, which is instance normalisation.
    """

    groups: int = 32
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "groups", least=-1)
        if self.groups == 0:
            raise ValueError("groups must be a whole number from 1, or -1, got 0")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = check_last(self.axis, inputs[0])
        if self.groups > 0 and c % self.groups:
            raise ValueError(f"{c} channels cannot be shared out among {self.groups} groups")
        return _scale_and_offset(self, (c,))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        n, *pixels, c = x.shape
        groups = c if self.groups == -1 else self.groups
        grouped = x.reshape(n, math.prod(pixels), groups, c // groups)
        return _affine(_standard(grouped, (1, 3), self.epsilon).reshape(x.shape), parameters)


@dataclass(frozen=True)
class UnitNormalization(Layer):
    """x, divided by its length along the axis or axes."""

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        axes(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        along = array_axes(self.axis, inputs[0].shape[1:])
        length = np.sqrt(np.square(inputs[0]).sum(axis=along, keepdims=True))
        return inputs[0] / np.maximum(length, 1e-12)


# --- what they share ------------------------------------------------------------------------

Normalizing = BatchNormalization | LayerNormalization | GroupNormalization


def _check(layer: Normalizing) -> None:
    number(layer, "epsilon", least=0)
    flag(layer, "center", "scale")
    last_axis(layer)


def _scale_and_offset(layer: Normalizing, shape: tuple[int, ...]) -> dict[str, Parameter]:
    gamma = {"gamma": Parameter(shape, "ones")} if layer.scale else {}
    beta = {"beta": Parameter(shape, "zeros")} if layer.center else {}
    return gamma | beta


def _standard(x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    y = x - x.mean(axis=axes, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=axes, keepdims=True) + epsilon)
    return y


def _affine(y: Array, parameters: Parameters) -> Array:
    if "gamma" in parameters:
        y = y * parameters["gamma"]
    return y + parameters["beta"] if "beta" in parameters else y
