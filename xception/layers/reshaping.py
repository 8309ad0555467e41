"""Reshaping layers: new shapes for the same values, borders, repetition, and upsampling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .. import kernels
from ..kernels import Array, Interpolation, Pair
from .base import Cost, Layer, Parameters, Shape, Sizes
from .costs import elementwise_cost, resize_cost
from .shapes import as_map_shape, fully_known, pair
from .validation import (
    as_ints,
    check_border,
    check_channels_last,
    check_choice,
    check_int,
    check_pair,
    store_setting,
)

Border = tuple[Pair, Pair]  #: widths in pixels: ((top, bottom), (left, right))


@dataclass(frozen=True)
class Flatten(Layer):
    """Flattening to a vector, in row-major order: (h, w, c) -> (h · w · c,).

    Attributes:
        data_format: "channels_last", the only supported format.
    """

    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (_size(inputs[0]),)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].reshape(len(inputs[0]), math.prod(inputs[0].shape[1:]))


@dataclass(frozen=True)
class Reshape(Layer):
    """Reshaping to another shape of the same size, in row-major order: (…) -> target_shape.

    Attributes:
        target_shape: The output's shape, without the batch axis. One size may be -1, to be inferred.
    """

    target_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = as_ints("target_shape", self.target_shape, minimum=-1)
        if not sizes or 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(f"target_shape must hold positive integers and at most one -1, got {sizes}")
        store_setting(self, "target_shape", sizes)

    def output_shape(self, *inputs: Shape) -> Shape:
        size, target_size = _size(inputs[0]), math.prod(abs(size) for size in self.target_shape)
        if size is None:
            return tuple(None if target == -1 else target for target in self.target_shape)
        if size % target_size if -1 in self.target_shape else size != target_size:
            raise ValueError(f"an input of shape {inputs[0]} does not fit into {self.target_shape}")
        return tuple(size // target_size if target == -1 else target for target in self.target_shape)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        shape = fully_known(self.output_shape(x.shape[1:]))
        assert shape is not None  # because the input's is
        return x.reshape(len(x), *shape)


@dataclass(frozen=True)
class Permute(Layer):
    """Transposition of axes. (3, 1, 2) makes (h, w, c) -> (c, h, w).

    Attributes:
        dims: For each axis of the output, the axis of the input, counted from 1.
    """

    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        dims = as_ints("dims", self.dims)
        if not dims or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(f"dims must be a permutation of the axes from 1 on, got {dims}")
        store_setting(self, "dims", dims)

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != len(self.dims):
            raise ValueError(f"permutes {len(self.dims)} axes, got an input of shape {inputs[0]}")
        return tuple(inputs[0][axis - 1] for axis in self.dims)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].transpose(0, *self.dims)


@dataclass(frozen=True)
class RepeatVector(Layer):
    """Repetition of a vector: (c,) -> (n, c).

    Attributes:
        n: Number of repetitions.
    """

    n: int

    def __post_init__(self) -> None:
        check_int(self, "n")

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ValueError(f"takes vectors (c,), got an input of shape {inputs[0]}")
        return (self.n, *inputs[0])

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.repeat(inputs[0][:, None], self.n, axis=1)


@dataclass(frozen=True)
class ZeroPadding2D(Layer):
    """Padding with zeros: (h, w, c) -> (top + h + bottom, left + w + right, c).

    Attributes:
        padding: Width of the border in pixels: one integer, (vertical, horizontal), or
            ((top, bottom), (left, right)).
        data_format: "channels_last", the only supported format.
    """

    padding: int | Pair | Border = 1
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_border(self, "padding")
        check_channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _resized_by_border(inputs[0], self.padding, 1)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.pad(inputs[0], ((0, 0), *sides(self.padding), (0, 0)))


@dataclass(frozen=True)
class Cropping2D(Layer):
    """Removal of a border: (h, w, c) -> (h − top − bottom, w − left − right, c).

    Attributes:
        cropping: Width of the border in pixels: one integer, (vertical, horizontal), or
            ((top, bottom), (left, right)).
        data_format: "channels_last", the only supported format.
    """

    cropping: int | Pair | Border = 0
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_border(self, "cropping")
        check_channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _resized_by_border(inputs[0], self.cropping, -1)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (top, bottom), (left, right) = sides(self.cropping)
        _, h, w, _ = inputs[0].shape
        return inputs[0][:, top : h - bottom, left : w - right].copy()  # a view would keep the whole map


@dataclass(frozen=True)
class UpSampling2D(Layer):
    """Enlargement by whole factors: (h, w, c) -> (h · size[0], w · size[1], c).

    Attributes:
        size: Vertical and horizontal factor; one integer for both.
        interpolation: One of `kernels.INTERPOLATIONS`.
        data_format: "channels_last", the only supported format.
    """

    size: int | Pair = 2
    interpolation: Interpolation = "nearest"
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        check_pair(self, "size")
        check_choice(self, "interpolation", kernels.INTERPOLATIONS)
        check_channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        h, w, c = as_map_shape(inputs[0])
        vertical, horizontal = pair(self.size)
        return None if h is None else h * vertical, None if w is None else w * horizontal, c

    def cost(self, *inputs: Sizes) -> Cost:
        (h, w, c), (vertical, horizontal) = inputs[0], pair(self.size)
        return resize_cost((h, w, c), (h * vertical, w * horizontal), self.interpolation)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (_, h, w, _), (vertical, horizontal) = inputs[0].shape, pair(self.size)
        return kernels.resize(inputs[0], (h * vertical, w * horizontal), self.interpolation)


# --- shared by the classes above ------------------------------------------------------------


def sides(border: Any) -> Border:
    """Return the border of a `ZeroPadding2D` or `Cropping2D` layer with its stored type.

    Args:
        border: `layer.padding` or `layer.cropping`, which `check_border` has stored as
            ((top, bottom), (left, right)).
    """
    return border


def _size(shape: Shape) -> int | None:
    """Return the number of elements of this shape, or None if it is unknown."""
    known = fully_known(shape)
    return None if known is None else math.prod(known)


def _resized_by_border(shape: Shape, border: Any, sign: int) -> Shape:
    """Return the shape of a feature map with a border added (sign 1) or removed (sign -1)."""
    h, w, c = as_map_shape(shape)
    (top, bottom), (left, right) = sides(border)
    h = None if h is None else h + sign * (top + bottom)
    w = None if w is None else w + sign * (left + right)
    if min(size for size in (h, w, 1) if size is not None) < 1:
        raise ValueError(f"nothing remains of an input of shape {shape}")
    return h, w, c
