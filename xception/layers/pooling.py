"""Pooling layers, over windows and over whole feature maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from .. import kernels
from ..kernels import Array, Padding, Pair
from .base import Cost, Layer, Parameters, Shape, Sizes
from .costs import (
    OPERATIONS_PER_CALL,
    OPERATIONS_PER_ELEMENT,
    OPERATIONS_PER_POOLED_ELEMENT,
    OPERATIONS_PER_REDUCTION,
    OPERATIONS_PER_ROW,
    OPERATIONS_PER_TAP,
    count,
)
from .shapes import pair, window_output_size
from .validation import check_bool, check_channels_last, check_choice, check_pair, store_setting


@dataclass(frozen=True)
class Pooling2D(Layer):
    """Base class of pooling over windows: (h, w, c) -> (oh, ow, c)."""

    pool_size: int | Pair = 2
    strides: int | Pair | None = None
    padding: Padding = "valid"
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        if self.strides is None:
            store_setting(self, "strides", self.pool_size)
        check_pair(self, "pool_size", "strides")
        check_choice(self, "padding", ("same", "valid"))
        check_channels_last(self)

    @property
    def geometry(self) -> tuple[Pair, Pair]:
        """The window's size and the strides, each as (vertical, horizontal)."""
        assert self.strides is not None  # __post_init__ has set it
        return pair(self.pool_size), pair(self.strides)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*window_output_size(inputs[0], *self.geometry, self.padding), inputs[0][-1])

    def cost(self, *inputs: Sizes) -> Cost:
        (kh, kw), strides = self.geometry
        outputs, padded = count(self.output_shape(*inputs)), count(inputs[0])
        if self.padding == "same":
            axes = zip(inputs[0], (kh, kw), strides, strict=False)
            padded = math.prod(size + sum(kernels.same_padding(size, *axis)) for size, *axis in axes)
            padded *= inputs[0][-1]
        windows = outputs // (inputs[0][-1] or 1)
        per_tap = OPERATIONS_PER_TAP + outputs * OPERATIONS_PER_POOLED_ELEMENT + windows * OPERATIONS_PER_ROW
        work = OPERATIONS_PER_CALL + padded * OPERATIONS_PER_ELEMENT + kh * kw * per_tap
        return Cost(work, padded + 2 * outputs + 6 * windows)  # a mean counts the elements of each window


@dataclass(frozen=True)
class MaxPooling2D(Pooling2D):
    """Maximum of each window: (h, w, c) -> (oh, ow, c). Padding is excluded.

    Attributes:
        pool_size: Height and width of the window, in pixels; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels. None stands for `pool_size`.
        padding: "valid" or "same", as in `Conv2D`.
        data_format: "channels_last", the only supported format.
    """

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return kernels.max_pool2d(inputs[0], *self.geometry, self.padding)


@dataclass(frozen=True)
class AveragePooling2D(Pooling2D):
    """Mean of each window: (h, w, c) -> (oh, ow, c).

    Padding is excluded from the mean, as in TensorFlow.

    Attributes:
        pool_size: Height and width of the window, in pixels; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels. None stands for `pool_size`.
        padding: "valid" or "same", as in `Conv2D`.
        data_format: "channels_last", the only supported format.
    """

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return kernels.average_pool2d(inputs[0], *self.geometry, self.padding)


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """Base class of pooling over all axes but the channels: (…, c) -> (c,), or (1, …, c) with `keepdims`.

    Attributes:
        rank: Number of axes that are pooled.
    """

    keepdims: bool = False
    data_format: Literal["channels_last"] | None = None
    rank: ClassVar[int]

    def __post_init__(self) -> None:
        check_bool(self, "keepdims")
        check_channels_last(self)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of an array that are pooled."""
        return tuple(range(1, self.rank + 1))

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != self.rank + 1:
            expected = ("sequences (t, c)", "maps (h, w, c)", "maps of frames (t, h, w, c)")[self.rank - 1]
            raise ValueError(f"takes {expected}, got an input of shape {inputs[0]}")
        return (*(1,) * self.rank, inputs[0][-1]) if self.keepdims else (inputs[0][-1],)

    def cost(self, *inputs: Sizes) -> Cost:
        *pixels, c = inputs[0]
        per_pixel = c * OPERATIONS_PER_ELEMENT + OPERATIONS_PER_REDUCTION
        return Cost(OPERATIONS_PER_CALL + math.prod(pixels) * per_pixel, 2 * c)


class GlobalAveragePooling(GlobalPooling):
    """Base class of the mean of each channel."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].mean(axis=self.axes, keepdims=self.keepdims)


class GlobalMaxPooling(GlobalPooling):
    """Base class of the maximum of each channel."""

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].max(axis=self.axes, keepdims=self.keepdims)


@dataclass(frozen=True)
class GlobalAveragePooling1D(GlobalAveragePooling):
    """Mean of each channel: (t, c) -> (c,), or (1, c) with `keepdims`.

    Attributes:
        keepdims: Whether the time axis stays, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 1


@dataclass(frozen=True)
class GlobalAveragePooling2D(GlobalAveragePooling):
    """Mean of each channel: (h, w, c) -> (c,), or (1, 1, c) with `keepdims`.

    Lin et al., "Network in network" (ICLR 2014).

    Attributes:
        keepdims: Whether the spatial axes stay, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 2


@dataclass(frozen=True)
class GlobalAveragePooling3D(GlobalAveragePooling):
    """Mean of each channel: (t, h, w, c) -> (c,), or (1, 1, 1, c) with `keepdims`.

    Attributes:
        keepdims: Whether the other axes stay, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 3


@dataclass(frozen=True)
class GlobalMaxPooling1D(GlobalMaxPooling):
    """Maximum of each channel: (t, c) -> (c,), or (1, c) with `keepdims`.

    Attributes:
        keepdims: Whether the time axis stays, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 1


@dataclass(frozen=True)
class GlobalMaxPooling2D(GlobalMaxPooling):
    """Maximum of each channel: (h, w, c) -> (c,), or (1, 1, c) with `keepdims`.

    Attributes:
        keepdims: Whether the spatial axes stay, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 2


@dataclass(frozen=True)
class GlobalMaxPooling3D(GlobalMaxPooling):
    """Maximum of each channel: (t, h, w, c) -> (c,), or (1, 1, 1, c) with `keepdims`.

    Attributes:
        keepdims: Whether the other axes stay, with size 1.
        data_format: "channels_last", the only supported format.
    """

    rank: ClassVar[int] = 3
