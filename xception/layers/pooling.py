"""One number for each window, or for each channel."""

from __future__ import annotations

from dataclasses import dataclass

from .. import kernels
from ..kernels import Array, Pair
from .base import Layer, Parameters, Shape, channels_last, choice, flag, pair, pairs, sizes, slide


@dataclass(frozen=True)
class Pooling2D(Layer):
    """(h, w, c) -> (oh, ow, c). Strides are the pool's own size unless given."""

    pool_size: int | Pair = 2
    strides: int | Pair | None = None
    padding: str = "valid"
    data_format: str | None = None

    def __post_init__(self) -> None:
        if self.strides is None:
            object.__setattr__(self, "strides", self.pool_size)
        pairs(self, "pool_size", "strides")
        choice(self, "padding", ("same", "valid"))
        channels_last(self)

    @property
    def geometry(self) -> tuple[Pair, Pair]:
        """(pool_size, strides), each down and along."""
        assert self.strides is not None  # __post_init__ saw to it
        return pair(self.pool_size), pair(self.strides)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*slide(inputs[0], *self.geometry, self.padding), inputs[0][-1])


@dataclass(frozen=True)
class MaxPooling2D(Pooling2D):
    """The greatest of each window: (h, w, c) -> (oh, ow, c)."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return kernels.max_pool2d(inputs[0], *self.geometry, self.padding)


@dataclass(frozen=True)
class AveragePooling2D(Pooling2D):
    """The mean of each window's pixels: (h, w, c) -> (oh, ow, c). The border of 'same' is none."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return kernels.average_pool2d(inputs[0], *self.geometry, self.padding)


@dataclass(frozen=True)
class GlobalPooling2D(Layer):
    """(h, w, c) -> (c,), or (1, 1, c) with keepdims."""

    keepdims: bool = False
    data_format: str | None = None

    def __post_init__(self) -> None:
        flag(self, "keepdims")
        channels_last(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        _, _, c = sizes(inputs[0])
        return (1, 1, c) if self.keepdims else (c,)


@dataclass(frozen=True)
class GlobalAveragePooling2D(GlobalPooling2D):
    """The mean of each channel: (h, w, c) -> (c,), or (1, 1, c) with keepdims."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].mean(axis=(1, 2), keepdims=self.keepdims)


@dataclass(frozen=True)
class GlobalMaxPooling2D(GlobalPooling2D):
    """The greatest of each channel: (h, w, c) -> (c,), or (1, 1, c) with keepdims."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].max(axis=(1, 2), keepdims=self.keepdims)
