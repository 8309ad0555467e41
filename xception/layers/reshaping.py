"""The same numbers in another shape, with a border more or less, or repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import Array, Pair
from .base import (
    Layer,
    Parameters,
    Shape,
    as_wholes,
    borders,
    channels_last,
    choice,
    pair,
    pairs,
    sizes,
    whole,
)

Borders = tuple[Pair, Pair]  #: ((top, bottom), (left, right))


@dataclass(frozen=True)
class Flatten(Layer):
    """(h, w, c) -> (h·w·c,)"""

    data_format: str | None = None

    def __post_init__(self) -> None:
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (_product(inputs[0]),)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].reshape(len(inputs[0]), math.prod(inputs[0].shape[1:]))


@dataclass(frozen=True)
class Reshape(Layer):
    """Any shape of the same size. One -1 in target_shape stands for whatever is left."""

    target_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = as_wholes("target_shape", self.target_shape, least=-1)
        if not sizes or 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(f"target_shape must be whole numbers from 1, and at most one -1, got {sizes}")
        object.__setattr__(self, "target_shape", sizes)

    def output_shape(self, *inputs: Shape) -> Shape:
        size, wanted = _product(inputs[0]), math.prod(abs(size) for size in self.target_shape)
        if size is None:
            return tuple(None if size == -1 else size for size in self.target_shape)
        if size % wanted if -1 in self.target_shape else size != wanted:
            raise ValueError(f"an input of shape {inputs[0]} does not fit into {self.target_shape}")
        return tuple(size // wanted if part == -1 else part for part in self.target_shape)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].reshape(len(inputs[0]), *map(int, _known(self.output_shape(inputs[0].shape[1:]))))


@dataclass(frozen=True)
class Permute(Layer):
    """The axes in another order, counted from 1: dims (3, 1, 2) makes (h, w, c) -> (c, h, w)."""

    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        dims = as_wholes("dims", self.dims)
        if not dims or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(f"dims must be the numbers from 1 on, each once, got {dims}")
        object.__setattr__(self, "dims", dims)

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != len(self.dims):
            raise ValueError(f"orders {len(self.dims)} axes, got an input of shape {inputs[0]}")
        return tuple(inputs[0][axis - 1] for axis in self.dims)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].transpose(0, *self.dims)


@dataclass(frozen=True)
class RepeatVector(Layer):
    """(c,) -> (n, c)"""

    n: int

    def __post_init__(self) -> None:
        whole(self, "n")

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 1:
            raise ValueError(f"takes vectors (c,), got an input of shape {inputs[0]}")
        return (self.n, *inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.repeat(inputs[0][:, None], self.n, axis=1)


@dataclass(frozen=True)
class ZeroPadding2D(Layer):
    """A border of zeros. padding: of all sides, of (rows, columns), or of each side."""

    padding: int | Pair | Borders = 1
    data_format: str | None = None

    def __post_init__(self) -> None:
        borders(self, "padding")
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _bordered(inputs[0], self.padding, 1)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.pad(inputs[0], ((0, 0), *sides(self.padding), (0, 0)))


@dataclass(frozen=True)
class Cropping2D(Layer):
    """What is left within a border. cropping: of all sides, of (rows, columns), or of each side."""

    cropping: int | Pair | Borders = 0
    data_format: str | None = None

    def __post_init__(self) -> None:
        borders(self, "cropping")
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        return _bordered(inputs[0], self.cropping, -1)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (top, bottom), (left, right) = sides(self.cropping)
        _, h, w, _ = inputs[0].shape
        return inputs[0][:, top : h - bottom, left : w - right]


@dataclass(frozen=True)
class UpSampling2D(Layer):
    """(h, w, c) -> (h·size[0], w·size[1], c)"""

    size: int | Pair = 2
    interpolation: str = "nearest"
    data_format: str | None = None

    def __post_init__(self) -> None:
        pairs(self, "size")
        choice(self, "interpolation", kernels.INTERPOLATIONS)
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        h, w, c = sizes(inputs[0])
        down, along = pair(self.size)
        return None if h is None else h * down, None if w is None else w * along, c

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (_, h, w, _), (down, along) = inputs[0].shape, pair(self.size)
        return kernels.resize(inputs[0], (h * down, w * along), self.interpolation)


# --- what they share ------------------------------------------------------------------------


def _product(shape: Shape) -> int | None:
    """How many numbers an input of this shape holds; None where a size is open."""
    return None if None in shape else math.prod(_known(shape))


def _known(shape: Shape) -> tuple[int, ...]:
    return tuple(size for size in shape if size is not None)


def sides(border: Any) -> Borders:
    return border  # as `borders` stored it


def _bordered(shape: Shape, border: Any, sign: int) -> Shape:
    """The shape of a map with a border more (sign 1) or less (sign -1)."""
    h, w, c = sizes(shape)
    (top, bottom), (left, right) = sides(border)
    h = None if h is None else h + sign * (top + bottom)
    w = None if w is None else w + sign * (left + right)
    if min(size for size in (h, w, 1) if size is not None) < 1:
        raise ValueError(f"nothing is left of an input of shape {shape}")
    return h, w, c
