"""Image preprocessing layers: scaling of values, and resizing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from .. import kernels
from ..kernels import Array, Interpolation
from .base import KERAS_EPSILON, Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_ELEMENT, elementwise_cost, resize_cost
from .shapes import array_axes, as_map_shape, broadcasts_to, fully_known
from .validation import (
    NestedFloats,
    check_axes,
    check_bool,
    check_channels_last,
    check_choice,
    check_int,
    check_number,
    check_numbers,
)


@dataclass(frozen=True)
class Rescaling(Layer):
    """Rescaling of values: x · scale + offset. The shape does not change.

    Attributes:
        scale: A factor, or one for each channel.
        offset: A number to add, or one for each channel.
    """

    scale: NestedFloats
    offset: NestedFloats = 0.0

    def __post_init__(self) -> None:
        check_numbers(self, "scale", "offset")

    def output_shape(self, *inputs: Shape) -> Shape:
        for name, array in zip(("scale", "offset"), self._constants, strict=True):
            if not broadcasts_to(array.shape, inputs[0]):
                raise ValueError(
                    f"its {name}, of shape {array.shape}, does not fit an input of shape {inputs[0]}"
                )
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 1, 2 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        scale, offset = (array.astype(inputs[0].dtype) for array in self._constants)
        return inputs[0] * scale + offset

    @cached_property
    def _constants(self) -> tuple[Array, Array]:
        """(scale, offset) as arrays, converted once: a file can list many numbers."""
        return np.asarray(self.scale, np.float64), np.asarray(self.offset, np.float64)


@dataclass(frozen=True)
class Normalization(Layer):
    """Normalization of features by fixed statistics: (x − mean) / √variance. The shape does not change.

    The statistics are the settings `mean` and `variance`. If these are None, they are the parameters of
    the same names, whose shape is the input's sizes along `axis`. The parameter `count`, of shape (), is
    the number of samples that Keras computed them from; it is not used.

    Attributes:
        axis: Axis or axes along which each index has its own statistics, counted with the batch axis as
            0. None for one mean and one variance of all values.
        mean: Mean, or nested lists of means. Given if and only if `variance` is.
        variance: Variance, or nested lists of variances, each at least 0.
        invert: Whether to compute the inverse, mean + x · √variance.
    """

    axis: int | tuple[int, ...] | None = -1
    mean: NestedFloats | None = None
    variance: NestedFloats | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        check_axes(self, optional=True)
        check_bool(self, "invert")
        if (self.mean is None) != (self.variance is None):
            raise ValueError("mean and variance must be given together")
        if self.mean is not None:
            check_numbers(self, "mean", "variance")
            if np.min(np.asarray(self.variance)) < 0:
                raise ValueError(f"variance must be at least 0, got {np.min(np.asarray(self.variance))}")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shape = self._statistics_shape(inputs[0])
        if self.mean is not None:
            return {}
        return {
            "mean": Parameter(shape, "zeros", trainable=False),
            "variance": Parameter(shape, "ones", trainable=False),
            "count": Parameter((), "zeros", trainable=False),
        }

    def output_shape(self, *inputs: Shape) -> Shape:
        expected = self._statistics_shape(inputs[0])
        for name, array in zip(("mean", "variance"), self._constants, strict=False):
            if not broadcasts_to(array.shape, expected):
                raise ValueError(
                    f"its {name}, of shape {array.shape}, does not fit sizes {expected} along axis "
                    f"{self.axis}"
                )
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 2, 3 * OPERATIONS_PER_ELEMENT, 3)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        mean, deviation = self.statistics(parameters, x)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def statistics(self, parameters: Parameters, x: Array) -> tuple[Array, Array]:
        """Return (mean, standard deviation), which broadcast to `x`.

        Args:
            parameters: The arrays of the layer. Not used if the statistics are settings.
            x: An input, with a batch axis.
        """
        axes = self._array_axes(x.shape[1:])
        sizes = tuple(x.shape[axis] for axis in axes)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
        given = self._constants or (parameters["mean"], parameters["variance"])
        mean, variance = (
            np.broadcast_to(np.asarray(value, x.dtype), sizes).reshape(shape) for value in given
        )
        return mean, np.maximum(np.sqrt(variance), KERAS_EPSILON)

    @cached_property
    def _constants(self) -> tuple[Array, ...]:
        """(mean, variance) of the settings as arrays, converted once; empty if they are parameters."""
        if self.mean is None:
            return ()
        return np.asarray(self.mean, np.float64), np.asarray(self.variance, np.float64)

    def _statistics_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the sizes along the axes for an input of this shape."""
        sizes = fully_known(tuple(shape[axis - 1] for axis in self._array_axes(shape)))
        if sizes is None:
            raise ValueError(f"needs known sizes along axis {self.axis}, got an input of shape {shape}")
        return sizes

    def _array_axes(self, shape: Shape) -> tuple[int, ...]:
        return array_axes(() if self.axis is None else self.axis, shape)


@dataclass(frozen=True)
class Resizing(Layer):
    """Resizing of images: (h, w, c) -> (height, width, c).

    Attributes:
        height: Height of the output, in pixels.
        width: Width of the output, in pixels.
        interpolation: One of `kernels.INTERPOLATIONS`.
        crop_to_aspect_ratio: Whether to crop the image to the output's aspect ratio first.
        pad_to_aspect_ratio: Whether to pad the image to the output's aspect ratio first.
        fill_mode: "constant", the only supported mode.
        fill_value: Value of the padding.
        antialias: Whether to widen the interpolation's kernel when an axis shrinks.
        data_format: "channels_last", the only supported format.
    """

    height: int
    width: int
    interpolation: Interpolation = "bilinear"
    crop_to_aspect_ratio: bool = False
    pad_to_aspect_ratio: bool = False
    fill_mode: Literal["constant"] = "constant"
    fill_value: float = 0.0
    antialias: bool = False
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_int(self, "height", "width")
        check_choice(self, "interpolation", kernels.INTERPOLATIONS)
        check_choice(self, "fill_mode", ("constant",))
        check_bool(self, "crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
        check_number(self, "fill_value")
        check_channels_last(self)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other")

    def output_shape(self, *inputs: Shape) -> Shape:
        _, _, c = as_map_shape(inputs[0])
        return self.height, self.width, c

    def cost(self, *inputs: Sizes) -> Cost:
        (h, w, c), size, padding = inputs[0], (self.height, self.width), Cost(0, 0)
        if self.pad_to_aspect_ratio:
            rows, columns = self._border(inputs[0])
            h, w = h + 2 * rows, w + 2 * columns
            padding = elementwise_cost((h, w, c))
        return padding + resize_cost((h, w, c), size, self.interpolation, self.antialias)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        if self.crop_to_aspect_ratio:
            x = _crop_to_aspect_ratio(x, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            rows, columns = self._border(x.shape[1:])
            border = ((0, 0), (rows, rows), (columns, columns), (0, 0))
            x = np.pad(x, border, constant_values=self.fill_value)
        return kernels.resize(x, (self.height, self.width), self.interpolation, self.antialias)

    def _border(self, shape: Sizes) -> tuple[int, int]:
        """Return the rows above and below, and the columns left and right, that give the aspect ratio."""
        # Keras pads both sides alike, so an odd pixel of padding is dropped.
        h, w, _ = shape
        rows = max(w * self.height // self.width - h, 0) // 2
        return rows, max(h * self.width // self.height - w, 0) // 2


@dataclass(frozen=True)
class CenterCrop(Layer):
    """The center of an image: (h, w, c) -> (height, width, c).

    An image smaller than the output is cropped to the output's aspect ratio and enlarged, as in Keras.

    Attributes:
        height: Height of the output, in pixels.
        width: Width of the output, in pixels.
        data_format: "channels_last", the only supported format.
    """

    height: int
    width: int
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_int(self, "height", "width")
        check_channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        _, _, c = as_map_shape(inputs[0])
        return self.height, self.width, c

    def cost(self, *inputs: Sizes) -> Cost:
        h, w, c = inputs[0]
        return resize_cost((h, w, c), (self.height, self.width), "bilinear")

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        _, h, w, _ = inputs[0].shape
        if h >= self.height and w >= self.width:
            return _center(inputs[0], self.height, self.width)
        x = _crop_to_aspect_ratio(inputs[0], self.height, self.width)
        return kernels.resize(x, (self.height, self.width))


def _crop_to_aspect_ratio(x: Array, height: int, width: int) -> Array:
    """Return the largest center of `x` with the aspect ratio of (height, width)."""
    _, h, w, _ = x.shape
    return _center(x, max(min(h, w * height // width), 1), max(min(w, h * width // height), 1))


def _center(x: Array, height: int, width: int) -> Array:
    """(n, h, w, c) -> (n, height, width, c), a copy: a view would keep all of `x` in memory."""
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    return x[:, top : top + height, left : left + width].copy()
