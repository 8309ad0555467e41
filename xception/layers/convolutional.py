"""Convolution. Windows slide over the map as TensorFlow lets them: see `kernels.geometry`."""

from __future__ import annotations

from dataclasses import dataclass

from .. import kernels
from ..kernels import Array, Pair
from .activations import check_activation, finish
from .base import (
    Layer,
    Parameter,
    Parameters,
    Shape,
    channels,
    channels_last,
    choice,
    flag,
    optional_bias,
    pair,
    pairs,
    sizes,
    slide,
    whole,
)

PADDINGS = ("same", "valid")


@dataclass(frozen=True)
class Conv2D(Layer):
    """kernel (kh, kw, c_in / groups, filters), bias (filters,): (h, w, c_in) -> (oh, ow, filters)."""

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    groups: int = 1
    data_format: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "filters", "groups")
        if self.filters % self.groups:
            raise ValueError(f"{self.filters} filters cannot be shared out among {self.groups} groups")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c_in = channels(inputs[0])
        if c_in % self.groups:
            raise ValueError(f"{c_in} channels cannot be shared out among {self.groups} groups")
        kernel = Parameter((*pair(self.kernel_size), c_in // self.groups, self.filters))
        return {"kernel": kernel} | optional_bias(self.use_bias, self.filters)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(self, inputs[0]), self.filters)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = kernels.conv2d(inputs[0], parameters["kernel"], *_geometry(self), self.groups)
        return finish(y, parameters, self.activation)


@dataclass(frozen=True)
class SeparableConv2D(Layer):
    """A convolution within each channel, then a 1×1 convolution across them.

    depthwise_kernel (kh, kw, c, depth_multiplier), pointwise_kernel
    (1, 1, c·depth_multiplier, filters), bias (filters,): (h, w, c) -> (oh, ow, filters).
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "filters", "depth_multiplier")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = channels(inputs[0])
        depthwise = Parameter((*pair(self.kernel_size), c, self.depth_multiplier))
        pointwise = Parameter((1, 1, c * self.depth_multiplier, self.filters))
        bias = optional_bias(self.use_bias, self.filters)
        return {"depthwise_kernel": depthwise, "pointwise_kernel": pointwise} | bias

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(self, inputs[0]), self.filters)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        x = kernels.depthwise_conv2d(inputs[0], parameters["depthwise_kernel"], *_geometry(self))
        y = kernels.conv2d(x, parameters["pointwise_kernel"])  # (n, oh, ow, filters)
        return finish(y, parameters, self.activation)


@dataclass(frozen=True)
class DepthwiseConv2D(Layer):
    """kernel (kh, kw, c, depth_multiplier), bias (c·depth_multiplier,):
    (h, w, c) -> (oh, ow, c·depth_multiplier)."""

    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "depth_multiplier")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = channels(inputs[0])
        kernel = Parameter((*pair(self.kernel_size), c, self.depth_multiplier))
        return {"kernel": kernel} | optional_bias(self.use_bias, c * self.depth_multiplier)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(self, inputs[0]), channels(inputs[0]) * self.depth_multiplier)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = kernels.depthwise_conv2d(inputs[0], parameters["kernel"], *_geometry(self))
        return finish(y, parameters, self.activation)


@dataclass(frozen=True)
class Conv2DTranspose(Layer):
    """kernel (kh, kw, filters, c_in), bias (filters,): (h, w, c_in) -> (oh, ow, filters).

    The way back of a convolution from (oh, ow) to (h, w). Several sizes lead there: without
    output_padding it is h·stride, or with 'valid' at least what the windows cover.
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    output_padding: int | Pair | None = None
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "filters")
        if self.dilation_rate != (1, 1):
            raise ValueError(f"dilation_rate must be 1 in a transposed convolution, got {self.dilation_rate}")
        if self.output_padding is None:
            return
        pairs(self, "output_padding", least=0)
        for extra, window, stride in zip(
            pair(self.output_padding), pair(self.kernel_size), pair(self.strides), strict=True
        ):
            if extra >= stride:
                raise ValueError(f"output_padding must be less than strides, got {extra} and {stride}")
            if self.padding == "same" and window % 2 + extra == 0:
                raise ValueError(
                    f"output_padding must be at least 1 for a window of {window} and 'same', got 0"
                )

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((*pair(self.kernel_size), self.filters, channels(inputs[0])))
        return {"kernel": kernel} | optional_bias(self.use_bias, self.filters)

    def output_shape(self, *inputs: Shape) -> Shape:
        h, w, _ = sizes(inputs[0])
        return self._size(h, 0), self._size(w, 1), self.filters

    def _size(self, size: int | None, axis: int) -> int | None:
        if size is None:
            return None
        window, stride = pair(self.kernel_size)[axis], pair(self.strides)[axis]
        if self.output_padding is not None:
            covered = window % 2 if self.padding == "same" else window
            return (size - 1) * stride + covered + pair(self.output_padding)[axis]
        return size * stride if self.padding == "same" else (size - 1) * stride + max(window, stride)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        _, h, w, _ = inputs[0].shape
        oh, ow = self._size(h, 0), self._size(w, 1)
        assert oh is not None  # an array's sizes are known
        assert ow is not None
        kernel = parameters["kernel"]
        y = kernels.conv2d_transpose(inputs[0], kernel, pair(self.strides), self.padding, (oh, ow))
        return finish(y, parameters, self.activation)


# --- what they share ------------------------------------------------------------------------

Convolution = Conv2D | SeparableConv2D | DepthwiseConv2D


def _check(layer: Convolution | Conv2DTranspose) -> None:
    pairs(layer, "kernel_size", "strides", "dilation_rate")
    choice(layer, "padding", PADDINGS)
    flag(layer, "use_bias")
    channels_last(layer)
    check_activation(layer)


def _slide(layer: Convolution, shape: Shape) -> tuple[int | None, int | None]:
    return slide(shape, layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)


def _geometry(layer: Convolution) -> tuple[Pair, str, Pair]:
    """(strides, padding, dilation), as the kernels take them."""
    return pair(layer.strides), layer.padding, pair(layer.dilation_rate)
