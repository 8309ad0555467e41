"""Images to what a network takes, within the model: scales and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import Array
from .base import (
    Layer,
    Numbers,
    Parameter,
    Parameters,
    Shape,
    array_axes,
    axes,
    channels_last,
    choice,
    flag,
    number,
    numbers,
    sizes,
    whole,
)


@dataclass(frozen=True)
class Rescaling(Layer):
    """x · scale + offset. Either may be a number, or one for each channel."""

    scale: Numbers
    offset: Numbers = 0.0

    def __post_init__(self) -> None:
        numbers(self, "scale", "offset")

    def output_shape(self, *inputs: Shape) -> Shape:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            shape = np.shape(value)
            ends = inputs[0][len(inputs[0]) - len(shape) :]
            if len(shape) > len(inputs[0]) or any(
                size not in (1, end) for size, end in zip(shape, ends, strict=True)
            ):
                raise ValueError(f"its {name}, of shape {shape}, does not fit an input of shape {inputs[0]}")
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        dtype = inputs[0].dtype
        return inputs[0] * np.asarray(self.scale, dtype) + np.asarray(self.offset, dtype)


@dataclass(frozen=True)
class Normalization(Layer):
    """(x − mean) / √variance for each place along the axes, or with `invert` the way back.

    mean and variance are settings; or else parameters, with the count of what they were made from,
    which is not used.
    """

    axis: int | tuple[int, ...] | None = -1
    mean: Numbers | None = None
    variance: Numbers | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        axes(self, optional=True)
        flag(self, "invert")
        if (self.mean is None) != (self.variance is None):
            raise ValueError("mean and variance must be given together")
        if self.mean is not None:
            numbers(self, "mean", "variance")
            if np.min(np.asarray(self.variance)) < 0:
                raise ValueError("variance must be at least 0")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shape = self._kept(inputs[0])
        if self.mean is not None:
            return {}
        return {
            "mean": Parameter(shape, "zeros", trainable=False),
            "variance": Parameter(shape, "ones", trainable=False),
            "count": Parameter((), "zeros", trainable=False),
        }

    def output_shape(self, *inputs: Shape) -> Shape:
        kept = self._kept(inputs[0])
        for value in (self.mean, self.variance):
            shape = () if value is None else np.shape(value)
            ends = kept[len(kept) - len(shape) :]
            if len(shape) > len(kept) or any(
                size not in (1, end) for size, end in zip(shape, ends, strict=True)
            ):
                raise ValueError(f"its mean and variance, of shape {shape}, do not fit {kept}")
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        mean, deviation = self.statistics(parameters, x)
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def _kept(self, shape: Shape) -> tuple[int, ...]:
        """The sizes along the axes."""
        kept = [shape[axis - 1] for axis in self._axes(shape)]
        known = tuple(size for size in kept if size is not None)
        if len(known) < len(kept):
            raise ValueError(f"needs known sizes along axis {self.axis}, got an input of shape {shape}")
        return known

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        return array_axes(() if self.axis is None else self.axis, shape)

    def statistics(self, parameters: Parameters, x: Array) -> tuple[Array, Array]:
        """Mean and standard deviation, with an axis for each of x."""
        kept = self._axes(x.shape[1:])
        sizes = tuple(x.shape[axis] for axis in kept)
        shape = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
        given: tuple[Any, Any] = self.mean, self.variance
        if self.mean is None:
            given = parameters["mean"], parameters["variance"]
        mean, variance = (
            np.broadcast_to(np.asarray(value, x.dtype), sizes).reshape(shape) for value in given
        )
        return mean, np.maximum(np.sqrt(variance), 1e-7)  # Keras's fuzz


@dataclass(frozen=True)
class Resizing(Layer):
    """(h, w, c) -> (height, width, c).

    crop_to_aspect_ratio: of the middle of the image, as large as its shape allows.
    pad_to_aspect_ratio: of the image with a border of fill_value, as small as its shape allows.
    """

    height: int
    width: int
    interpolation: str = "bilinear"
    crop_to_aspect_ratio: bool = False
    pad_to_aspect_ratio: bool = False
    fill_mode: str = "constant"
    fill_value: float = 0.0
    antialias: bool = False
    data_format: str | None = None

    def __post_init__(self) -> None:
        whole(self, "height", "width")
        choice(self, "interpolation", kernels.INTERPOLATIONS)
        choice(self, "fill_mode", ("constant",))
        flag(self, "crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")
        number(self, "fill_value")
        channels_last(self)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other")

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.height, self.width, sizes(inputs[0])[-1]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        if self.crop_to_aspect_ratio:
            x = _crop_to_ratio(x, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            # As much above as below, in Keras: an odd pixel is left out.
            above = max(x.shape[2] * self.height // self.width - x.shape[1], 0) // 2
            left = max(x.shape[1] * self.width // self.height - x.shape[2], 0) // 2
            border = ((0, 0), (above, above), (left, left), (0, 0))
            x = np.pad(x, border, constant_values=self.fill_value)
        return kernels.resize(x, (self.height, self.width), self.interpolation, self.antialias)


@dataclass(frozen=True)
class CenterCrop(Layer):
    """The middle (height, width, c) of an image; of smaller ones, the middle of that shape, enlarged."""

    height: int
    width: int
    data_format: str | None = None

    def __post_init__(self) -> None:
        whole(self, "height", "width")
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.height, self.width, sizes(inputs[0])[-1]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        _, h, w, _ = inputs[0].shape
        if h >= self.height and w >= self.width:
            return _middle(inputs[0], self.height, self.width)
        return kernels.resize(_crop_to_ratio(inputs[0], self.height, self.width), (self.height, self.width))


def _crop_to_ratio(x: Array, height: int, width: int) -> Array:
    """The middle of a map, as large as the ratio height : width allows."""
    _, h, w, _ = x.shape
    return _middle(x, max(min(h, w * height // width), 1), max(min(w, h * width // height), 1))


def _middle(x: Array, height: int, width: int) -> Array:
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    return x[:, top : top + height, left : left + width]
