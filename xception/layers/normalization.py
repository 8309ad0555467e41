"""Normalization by the statistics, or the length, of what is normalized. Channels come last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .batch_normalization import check_normalization, gamma_and_beta
from .costs import OPERATIONS_PER_ELEMENT, elementwise_cost, reduction_cost
from .penalized import Penalized
from .shapes import array_axes, check_channel_axis, fully_known
from .validation import check_axes, check_bool, check_int, check_number, store_setting


@dataclass(frozen=True)
class LayerNormalization(Penalized):
    """Layer normalization over the channels of each pixel, or over other axes. The shape does not change.

    y = gamma · (x − mean) / √(variance + epsilon) + beta

    The parameters are `gamma` and `beta`, with the sizes of the normalized axes: (c,).

    Ba et al., "Layer normalization" (2016).

    Attributes:
        epsilon: Added to the variance, at least 0.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        axis: Axis or axes that are normalized together, counted with the batch axis as 0.
        rms_scaling: Whether only to divide by the deviation: y = gamma · x / √(variance + epsilon). Keras has
            deprecated it.
    """

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int | tuple[int, ...] = -1
    rms_scaling: bool = False
    penalized: ClassVar[tuple[str, ...]] = ("beta", "gamma")

    def __post_init__(self) -> None:
        check_number(self, "epsilon", minimum=0)
        check_bool(self, "center", "scale", "rms_scaling")
        _check_axes(self)
        self.check_penalties()

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shape = _sizes_along(self.axis, inputs[0])
        names = ["gamma"] * (self.scale or self.rms_scaling) + ["beta"] * (
            self.center and not self.rms_scaling
        )
        return {name: Parameter(shape, "ones" if name == "gamma" else "zeros") for name in names}

    def cost(self, *inputs: Sizes) -> Cost:
        return _statistics_cost(self.axis, inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        axes = array_axes(self.axis, x.shape[1:])
        if self.rms_scaling:
            y = x / np.sqrt(x.var(axis=axes, keepdims=True) + self.epsilon)
        else:
            y = _standardize(x, axes, self.epsilon)
        return _scale_and_shift(y, along_axes(parameters, axes, x.ndim))


@dataclass(frozen=True)
class RMSNormalization(Layer):
    """Division by the root mean square of the channels, or of other axes. The shape does not change.

    y = scale · x / √(mean(x²) + epsilon)

    The parameter `scale` has the sizes of the normalized axes: (c,).

    Zhang and Sennrich, "Root mean square layer normalization" (NeurIPS 2019).

    Attributes:
        epsilon: Added to the mean square, at least 0.
        axis: Axis or axes that are normalized together, counted with the batch axis as 0.
    """

    epsilon: float = 1e-6
    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        check_number(self, "epsilon", minimum=0)
        _check_axes(self)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return {"scale": Parameter(_sizes_along(self.axis, inputs[0]), "ones")}

    def cost(self, *inputs: Sizes) -> Cost:
        return _statistics_cost(self.axis, inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        axes = array_axes(self.axis, x.shape[1:])
        return x / self.root(x) * along_axes(parameters, axes, x.ndim)["scale"]

    def root(self, x: Array) -> Array:
        """Return the root mean square, with the normalized axes kept at size 1.

        Args:
            x: An input, with a batch axis.
        """
        axes = array_axes(self.axis, x.shape[1:])
        return np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + self.epsilon)


@dataclass(frozen=True)
class GroupNormalization(Penalized):
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
    penalized: ClassVar[tuple[str, ...]] = ("beta", "gamma")

    def __post_init__(self) -> None:
        check_normalization(self)
        check_int(self, "groups", minimum=-1)
        if self.groups == 0:
            raise ValueError("groups must be a positive integer or -1, got 0")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = check_channel_axis(self.axis, inputs[0])
        if self.groups > 0 and c % self.groups:
            raise ValueError(f"{c} channels cannot be divided into {self.groups} groups")
        return gamma_and_beta(c, self.scale, self.center)

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


class DivisionByNorm(Layer):
    """Base class of the division of vectors by their norm, or by `epsilon` if that is larger.

    Attributes:
        axis: Axis or axes along which the norm is taken, counted with the batch axis as 0.
        order: 2 for the Euclidean length, 1 for the sum of magnitudes.
        epsilon: Smallest norm to divide by.
    """

    axis: int | tuple[int, ...]
    order: int = 2
    epsilon: float = 1e-12

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])  # raises ValueError if there is no such axis
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 2, 4 * OPERATIONS_PER_ELEMENT, 2) + reduction_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        with np.errstate(all="ignore"):  # without epsilon, zeros become NaN
            return inputs[0] / np.maximum(self.norm(inputs[0]), self.epsilon).astype(inputs[0].dtype)

    def norm(self, x: Array) -> Array:
        """Return the norm of each vector, with the axes kept at size 1.

        Args:
            x: An input, with a batch axis.
        """
        axes = array_axes(self.axis, x.shape[1:])
        if self.order == 1:
            return np.abs(x).sum(axis=axes, keepdims=True)
        return np.sqrt(np.square(x).sum(axis=axes, keepdims=True))


@dataclass(frozen=True)
class UnitNormalization(DivisionByNorm):
    """Scaling of vectors to Euclidean length 1. The shape does not change.

    Attributes:
        axis: Axis or axes along which the length is taken, counted with the batch axis as 0.
    """

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        check_axes(self)


# --- shared by the classes above ------------------------------------------------------------


def along_axes(parameters: Parameters, axes: tuple[int, ...], rank: int) -> dict[str, Array]:
    """Return parameters that vary along some axes of an array, with size 1 along its other axes.

    Args:
        parameters: Arrays with the sizes of the axes.
        axes: Axes of the array, ascending.
        rank: Number of axes of the array.
    """
    others = tuple(axis for axis in range(rank) if axis not in axes)
    return {name: np.expand_dims(x, others) for name, x in parameters.items()}


def _check_axes(layer: LayerNormalization | RMSNormalization) -> None:
    """Check one axis or several; store a list of one, as Keras writes it, as an integer."""
    check_axes(layer)
    if isinstance(layer.axis, tuple) and len(layer.axis) == 1:
        store_setting(layer, "axis", layer.axis[0])


def _sizes_along(axes: int | tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    """Return the sizes of some axes, on which the shapes of parameters depend."""
    sizes = fully_known(tuple(shape[axis - 1] for axis in array_axes(axes, shape)))
    if sizes is None:
        raise ValueError(f"needs known sizes along its axes {axes}, got an input of shape {shape}")
    return sizes


def _statistics_cost(axes: int | tuple[int, ...], shape: Sizes) -> Cost:
    """Return the cost of a normalization by statistics of the input along some axes."""
    cost = elementwise_cost(shape, 2, 10 * OPERATIONS_PER_ELEMENT, 4)
    # One inner loop for each row, whichever axes are summed, and at least one for each statistic.
    others = (size for axis, size in enumerate(shape, 1) if axis not in array_axes(axes, shape))
    return cost + reduction_cost(shape, 2) + reduction_cost((*others, 1), 2)


def _standardize(x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    """Return (x − mean) / √(variance + epsilon), with the statistics of `x` itself along `axes`."""
    y = x - x.mean(axis=axes, keepdims=True)
    y /= np.sqrt(np.square(y).mean(axis=axes, keepdims=True) + epsilon)
    return y


def _scale_and_shift(y: Array, parameters: Parameters) -> Array:
    if "gamma" in parameters:
        y = y * parameters["gamma"]
    return y + parameters["beta"] if "beta" in parameters else y
