"""Convolution layers.

Windows are placed as TensorFlow places them: see `xception.kernels.geometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from .. import kernels
from ..kernels import Array, Padding, Pair
from .activations import apply_epilogue, bias_parameter, check_activation, epilogue_cost
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import (
    OPERATIONS_PER_CALL,
    OPERATIONS_PER_DEPTHWISE_TAP,
    OPERATIONS_PER_ELEMENT,
    OPERATIONS_PER_GATHERED_ELEMENT,
    OPERATIONS_PER_MULTIPLIED_TAP,
    OPERATIONS_PER_ROW,
    OPERATIONS_PER_TAP,
    count,
    known,
)
from .penalized import Penalized
from .shapes import as_map_shape, channel_count, pair, window_output_size
from .validation import check_bool, check_channels_last, check_choice, check_int, check_pair


@dataclass(frozen=True)
class Conv2D(Penalized):
    """Two-dimensional convolution: (h, w, c_in) -> (oh, ow, filters).

    The parameters are `kernel` (kh, kw, c_in / groups, filters) and `bias` (filters,).

    Attributes:
        filters: Number of output channels.
        kernel_size: Height and width of the window, in taps; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels; one integer for both.
        padding: "valid" keeps windows within the map: oh = ⌈(h − extent + 1) / stride⌉, where
            extent = (kh − 1) · dilation + 1. "same" pads with zeros so that oh = ⌈h / stride⌉; an odd
            pixel of padding goes below and to the right, as in TensorFlow.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: Vertical and horizontal step between taps, in pixels; one integer for both.
        groups: Number of groups of filters. Each reads its own c_in / groups channels.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: Padding = "valid"
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    groups: int = 1
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_int(self, "filters", "groups")
        if self.filters % self.groups:
            raise ValueError(f"{self.filters} filters cannot be divided into {self.groups} groups")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c_in = channel_count(inputs[0])
        if c_in % self.groups:
            raise ValueError(f"{c_in} channels cannot be divided into {self.groups} groups")
        kernel = Parameter((*pair(self.kernel_size), c_in // self.groups, self.filters))
        return {"kernel": kernel} | bias_parameter(self.use_bias, self.filters)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_output_size(self, inputs[0]), self.filters)

    def cost(self, *inputs: Sizes) -> Cost:
        out, c = known(self.output_shape(*inputs)), inputs[0][-1]
        pixels, taps, padded = (
            count(out[:2]),
            math.prod(pair(self.kernel_size)),
            _padded_size(self, inputs[0]),
        )
        if self.groups == c and c > 1:  # computed as a depthwise convolution
            convolution = _depthwise_cost(self, inputs[0], self.filters // c)
        else:
            gathered = pixels * taps * c  # elements of the columns
            is_view = taps == 1 and self.strides == (1, 1) and self.groups == 1
            gathering = 0 if is_view else OPERATIONS_PER_GATHERED_ELEMENT
            work = OPERATIONS_PER_CALL * self.groups + padded * OPERATIONS_PER_ELEMENT + gathered * gathering
            work += 2 * (gathered // self.groups) * self.filters + pixels * self.groups * OPERATIONS_PER_ROW
            copies = 1 if self.groups == 1 else 2  # the groups' outputs are concatenated
            convolution = Cost(work, padded + gathered // self.groups + copies * count(out))
        return convolution + epilogue_cost(self.activation, out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = kernels.conv2d(inputs[0], parameters["kernel"], *_geometry(self), self.groups)
        return apply_epilogue(y, parameters, self.activation)


@dataclass(frozen=True)
class SeparableConv2D(Penalized):
    """Depthwise separable convolution: (h, w, c) -> (oh, ow, filters).

    A convolution within each channel is followed by a 1×1 convolution across channels, with nothing
    in between.

    The parameters are `depthwise_kernel` (kh, kw, c, depth_multiplier), `pointwise_kernel`
    (1, 1, c · depth_multiplier, filters) and `bias` (filters,).

    Chollet, "Xception: Deep learning with depthwise separable convolutions" (CVPR 2017).

    Attributes:
        filters: Number of output channels.
        kernel_size: Height and width of the depthwise window, in taps; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels; one integer for both.
        padding: "valid" or "same", as in `Conv2D`.
        depth_multiplier: Depthwise outputs for each input channel.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias, after the 1×1 convolution.
        dilation_rate: Vertical and horizontal step between taps, in pixels; one integer for both.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: Padding = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: Literal["channels_last"] | None = None
    penalized: ClassVar[tuple[str, ...]] = ("depthwise", "pointwise", "bias")

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_int(self, "filters", "depth_multiplier")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = channel_count(inputs[0])
        depthwise = Parameter((*pair(self.kernel_size), c, self.depth_multiplier))
        pointwise = Parameter((1, 1, c * self.depth_multiplier, self.filters))
        bias = bias_parameter(self.use_bias, self.filters)
        return {"depthwise_kernel": depthwise, "pointwise_kernel": pointwise} | bias

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_output_size(self, inputs[0]), self.filters)

    def cost(self, *inputs: Sizes) -> Cost:
        out, depth = known(self.output_shape(*inputs)), inputs[0][-1] * self.depth_multiplier
        gathered = count(out[:2]) * depth
        pointwise = Cost(2 * gathered * self.filters, gathered + count(out))
        depthwise = _depthwise_cost(self, inputs[0], self.depth_multiplier)
        return depthwise + pointwise + epilogue_cost(self.activation, out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        x = kernels.depthwise_conv2d(inputs[0], parameters["depthwise_kernel"], *_geometry(self))
        y = kernels.conv2d(x, parameters["pointwise_kernel"])  # (n, oh, ow, filters)
        return apply_epilogue(y, parameters, self.activation)


@dataclass(frozen=True)
class DepthwiseConv2D(Penalized):
    """Depthwise convolution, within each channel: (h, w, c) -> (oh, ow, c · depth_multiplier).

    Output channel i · depth_multiplier + j is the j-th of input channel i.

    The parameters are `kernel` (kh, kw, c, depth_multiplier) and `bias` (c · depth_multiplier,).

    Attributes:
        kernel_size: Height and width of the window, in taps; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels; one integer for both.
        padding: "valid" or "same", as in `Conv2D`.
        depth_multiplier: Outputs for each input channel.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: Vertical and horizontal step between taps, in pixels; one integer for both.
        data_format: "channels_last", the only supported format.
    """

    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: Padding = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: Literal["channels_last"] | None = None
    penalized: ClassVar[tuple[str, ...]] = ("depthwise", "bias")

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_int(self, "depth_multiplier")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = channel_count(inputs[0])
        kernel = Parameter((*pair(self.kernel_size), c, self.depth_multiplier))
        return {"kernel": kernel} | bias_parameter(self.use_bias, c * self.depth_multiplier)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_output_size(self, inputs[0]), channel_count(inputs[0]) * self.depth_multiplier)

    def cost(self, *inputs: Sizes) -> Cost:
        depthwise = _depthwise_cost(self, inputs[0], self.depth_multiplier)
        return depthwise + epilogue_cost(self.activation, known(self.output_shape(*inputs)))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = kernels.depthwise_conv2d(inputs[0], parameters["kernel"], *_geometry(self))
        return apply_epilogue(y, parameters, self.activation)


@dataclass(frozen=True)
class Conv2DTranspose(Penalized):
    """Transposed convolution: (h, w, c_in) -> (oh, ow, filters).

    It is the transpose, as a linear map, of the convolution with the same settings from (oh, ow) to
    (h, w). That convolution maps several sizes (oh, ow) to the same (h, w), so the output size is a
    choice, which follows Keras: h · stride with "same", and (h − 1) · stride + max(kh, stride) with
    "valid", unless `output_padding` is given.

    The parameters are `kernel` (kh, kw, filters, c_in) and `bias` (filters,).

    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), section 4.

    Attributes:
        filters: Number of output channels.
        kernel_size: Height and width of the window, in taps; one integer for both.
        strides: Vertical and horizontal factor by which the map is enlarged; one integer for both.
        padding: "valid" or "same": the padding of the convolution that is transposed.
        output_padding: Pixels added to the smallest output size, less than the strides. None
            chooses the size above.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: 1, the only supported rate.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: Padding = "valid"
    output_padding: int | Pair | None = None
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int | Pair = 1
    data_format: Literal["channels_last"] | None = None

    def __post_init__(self) -> None:
        _check_shared_settings(self)
        check_int(self, "filters")
        if self.dilation_rate != (1, 1):
            raise ValueError(f"dilation_rate must be 1 in a transposed convolution, got {self.dilation_rate}")
        if self.output_padding is None:
            return
        check_pair(self, "output_padding", minimum=0)
        for extra, window, stride in zip(
            pair(self.output_padding), pair(self.kernel_size), pair(self.strides), strict=True
        ):
            if extra >= stride:
                raise ValueError(f"output_padding must be less than strides, got {extra} and {stride}")
            if self.padding == "same" and window % 2 + extra == 0:
                raise ValueError(
                    f"output_padding must be at least 1 for a window of {window} and padding 'same', got 0"
                )

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((*pair(self.kernel_size), self.filters, channel_count(inputs[0])))
        return {"kernel": kernel} | bias_parameter(self.use_bias, self.filters)

    def output_shape(self, *inputs: Shape) -> Shape:
        h, w, _ = as_map_shape(inputs[0])
        oh = None if h is None else self._output_size(h, 0)
        ow = None if w is None else self._output_size(w, 1)
        return oh, ow, self.filters

    def cost(self, *inputs: Sizes) -> Cost:
        (h, w, c), (oh, ow, _) = inputs[0], known(self.output_shape(*inputs))
        (kh, kw), (sh, sw) = pair(self.kernel_size), pair(self.strides)
        product = h * w * self.filters  # elements of one tap
        whole = (h * sh + kh + oh) * (w * sw + kw + ow) * self.filters
        per_tap = OPERATIONS_PER_TAP + product * (2 * c + 3 * OPERATIONS_PER_ELEMENT)
        work = OPERATIONS_PER_CALL + kh * kw * per_tap + whole * OPERATIONS_PER_ELEMENT
        size = oh * ow * self.filters
        return Cost(work, whole + product + size) + epilogue_cost(self.activation, (oh, ow, self.filters))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        _, h, w, _ = inputs[0].shape
        size = self._output_size(h, 0), self._output_size(w, 1)
        kernel = parameters["kernel"]
        y = kernels.conv2d_transpose(inputs[0], kernel, pair(self.strides), self.padding, size)
        return apply_epilogue(y, parameters, self.activation)

    def _output_size(self, size: int, axis: int) -> int:
        window, stride = pair(self.kernel_size)[axis], pair(self.strides)[axis]
        if self.output_padding is not None:
            # Keras counts kh // 2 pixels of 'same' padding on either side: an odd window keeps 1 pixel.
            unpadded = window % 2 if self.padding == "same" else window
            return (size - 1) * stride + unpadded + pair(self.output_padding)[axis]
        return size * stride if self.padding == "same" else (size - 1) * stride + max(window, stride)


# --- shared by the classes above ------------------------------------------------------------

Convolution = Conv2D | SeparableConv2D | DepthwiseConv2D


def _check_shared_settings(layer: Convolution | Conv2DTranspose) -> None:
    check_pair(layer, "kernel_size", "strides", "dilation_rate")
    check_choice(layer, "padding", ("same", "valid"))
    check_bool(layer, "use_bias")
    check_channels_last(layer)
    check_activation(layer)
    layer.check_penalties()


def _output_size(layer: Convolution, shape: Shape) -> tuple[int | None, int | None]:
    return window_output_size(shape, layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)


def _padded_size(layer: Convolution, shape: Sizes) -> int:
    """Return the elements of the padded copy of a map of this shape; 0 if none is made."""
    if layer.padding == "valid":
        return 0
    extent = kernels.window_extent(pair(layer.kernel_size), pair(layer.dilation_rate))
    sides = zip(shape, extent, pair(layer.strides), strict=False)
    return math.prod(size + sum(kernels.same_padding(size, *axis)) for size, *axis in sides) * shape[-1]


def _depthwise_cost(layer: Convolution, shape: Sizes, multiplier: int) -> Cost:
    """Return the cost of `kernels.depthwise_conv2d` for a map of this shape."""
    (oh, ow), c = known(_output_size(layer, shape)), shape[-1]
    taps, size = math.prod(pair(layer.kernel_size)), oh * ow * c * multiplier
    per_tap = OPERATIONS_PER_DEPTHWISE_TAP if multiplier == 1 else OPERATIONS_PER_MULTIPLIED_TAP
    padded = max(_padded_size(layer, shape), count(shape))
    repeated = taps * ow * c  # the kernel, for each pixel of a row
    work = OPERATIONS_PER_CALL + (padded + repeated) * OPERATIONS_PER_ELEMENT + size * taps * per_tap
    return Cost(work, padded + repeated + size)


def _geometry(layer: Convolution) -> tuple[Pair, Padding, Pair]:
    """Return (strides, padding, dilation), as the kernels take them."""
    return pair(layer.strides), layer.padding, pair(layer.dilation_rate)
