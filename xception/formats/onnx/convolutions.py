"""Convolutions, pooling and dense layers as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import kernels
from ...kernels import Array
from ...layers import Parameters, pair
from ...layers.reshaping import sides
from .activations import add_activation
from .building import Builder, NotExpressibleError, Tensor, pads, parameter

Operands = Sequence[Tensor]


@dataclass(frozen=True)
class Use:
    """A node that is to be written.

    Attributes:
        name: The name of its output.
        owner: The name of the node that its parameters belong to.
        layer: The layer.
        parameters: Its arrays.
        output_shape: The shape of its output.
        fold: What a batch normalization after it multiplies its output by, and adds to it; by channel.
    """

    name: str
    owner: str
    layer: Any
    parameters: Parameters
    output_shape: tuple[int | None, ...]
    fold: tuple[Array, Array] | None = None


def padding_of(layer: Any, x: Tensor, window: Any, dilation: Any = None) -> dict[str, Any]:
    """Return the attributes of padding: explicit where it is known.

    ONNX has TensorFlow's rule for the rest, but ONNX Runtime follows it neither for dilated kernels nor for
    pooling with windows that are narrower than their steps.

    Args:
        layer: The layer.
        x: What it reads.
        window: The size of its window.
        dilation: The steps between the pixels of a window; None for pooling.

    Returns:
        The attributes.

    Raises:
        NotExpressibleError: The padding depends on the size of the map, which is open, and on one of these.
    """
    if layer.padding == "valid":
        return {"pads": [0, 0, 0, 0]}
    extents, strides = kernels.window_extent(pair(window), pair(dilation or 1)), pair(layer.strides)
    vertical, horizontal = (_same_padding(*axis) for axis in zip(x.shape[:2], extents, strides, strict=True))
    if vertical is not None and horizontal is not None:
        (top, bottom), (left, right) = vertical, horizontal
        return {"pads": pads((top, left), (bottom, right))}
    is_narrow = dilation is None and not all(map(int.__le__, strides, extents))
    if is_narrow or pair(dilation or 1) != (1, 1):
        raise NotExpressibleError(
            f"padding='same' with windows of {extents} in steps of {strides} over maps of unknown size"
        )
    return {"auto_pad": "SAME_UPPER"}


def _same_padding(size: int | None, extent: int, stride: int) -> tuple[int, int] | None:
    """Return the padding before and after an axis; None if it depends on the size, which is unknown."""
    if size is not None:
        return kernels.same_padding(size, extent, stride)
    if stride > 1 and extent > 2:
        return None
    # Half of `extent - 1` lies before the axis: of steps of one pixel always, and of windows of two pixels
    # that half is none. Padding after the axis that no window reaches changes nothing.
    before = (extent - 1) // 2
    return before, extent - 1 - before


def _add_conv(
    builder: Builder, use: Use, x: Tensor, kernel: Array, bias: Array | None, attributes: dict[str, Any],
    operator: str = "Conv", output_axis: int = 0,
) -> Tensor:  # fmt: skip
    """Add the last convolution of a layer with its bias, and the batch normalization that follows it.

    `kernel` is as ONNX has it. `output_axis` is the axis of the filters.
    """
    stem = use.owner
    if use.fold is not None:
        scale, offset = use.fold
        shape = [1] * kernel.ndim
        shape[output_axis] = -1
        kernel = (kernel * scale.reshape(shape)).astype(np.float32)
        bias = (offset if bias is None else bias * scale + offset).astype(np.float32)
        stem = use.name
    inputs = [x.name, builder.constant(parameter(stem, "kernel"), kernel)]
    if bias is not None:
        inputs.append(builder.constant(parameter(stem, "bias"), bias))
    is_linear = use.layer.activation == "linear"
    name = builder.add(operator, inputs, use.name if is_linear else f"{use.name}/linear", **attributes)
    y = Tensor(name, use.output_shape, is_first=True)
    return y if is_linear else add_activation(builder, use.layer.activation, y, use.name)


def add_conv(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.first(inputs[0])
    attributes = {
        "kernel_shape": pair(layer.kernel_size), "strides": pair(layer.strides),
        "dilations": pair(layer.dilation_rate), "group": layer.groups,
        **padding_of(layer, x, layer.kernel_size, layer.dilation_rate),
    }  # fmt: skip
    kernel = use.parameters["kernel"].transpose(3, 2, 0, 1)
    return _add_conv(builder, use, x, kernel, use.parameters.get("bias"), attributes)


def _as_grouped(kernel: Array) -> Array:
    """Return a depthwise kernel (h, w, c, m) as ONNX has it, (c · m, 1, h, w)."""
    h, w, c, m = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(c * m, 1, h, w)


def _depthwise_attributes(layer: Any, x: Tensor, channels: int) -> dict[str, Any]:
    return {
        "kernel_shape": pair(layer.kernel_size), "strides": pair(layer.strides),
        "dilations": pair(layer.dilation_rate), "group": channels,
        **padding_of(layer, x, layer.kernel_size, layer.dilation_rate),
    }  # fmt: skip


def add_depthwise(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, kernel = builder.first(inputs[0]), use.parameters["kernel"]
    attributes = _depthwise_attributes(use.layer, x, kernel.shape[2])
    return _add_conv(builder, use, x, _as_grouped(kernel), use.parameters.get("bias"), attributes)


def add_separable(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Two convolutions: one of each channel by itself, and one of all channels of each pixel."""
    x, kernel = builder.first(inputs[0]), use.parameters["depthwise_kernel"]
    grouped = builder.constant(parameter(use.owner, "depthwise_kernel"), _as_grouped(kernel))
    attributes = _depthwise_attributes(use.layer, x, kernel.shape[2])
    name = builder.add("Conv", [x.name, grouped], f"{use.name}/depthwise", **attributes)
    middle = Tensor(name, use.output_shape, is_first=True)
    pointwise = use.parameters["pointwise_kernel"].transpose(3, 2, 0, 1)
    return _add_conv(builder, use, middle, pointwise, use.parameters.get("bias"), {"kernel_shape": (1, 1)})


def add_transposed(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.first(inputs[0])
    sizes, window, strides = x.shape[:2], pair(layer.kernel_size), pair(layer.strides)
    begin, end, extra = [0, 0], [0, 0], [0, 0]
    for axis, (k, s) in enumerate(zip(window, strides, strict=True)):
        # What the whole product has beyond the output is cut off, as many before as 'same' would pad.
        size = sizes[axis] or 2 * k
        whole, output = (size - 1) * s + k, layer.output_shape((size, size, 1))[axis]
        surplus = whole - output
        begin[axis] = kernels.same_padding(output, k, s)[0] if layer.padding == "same" else 0
        begin[axis] = min(begin[axis], max(surplus, 0))
        end[axis] = max(surplus - begin[axis], 0)
        extra[axis] = max(-surplus, 0)
    attributes = {
        "kernel_shape": window,
        "strides": strides,
        "pads": pads(begin, end),
        "output_padding": extra,
    }
    kernel = use.parameters["kernel"].transpose(3, 2, 0, 1)  # (h, w, out, in) -> (in, out, h, w)
    bias = use.parameters.get("bias")
    return _add_conv(builder, use, x, kernel, bias, attributes, "ConvTranspose", output_axis=1)


def add_dense(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    x, kernel, bias = builder.last(inputs[0]), use.parameters["kernel"], use.parameters.get("bias")
    is_linear = use.layer.activation == "linear"
    name = use.name if is_linear else f"{use.name}/linear"
    weights = builder.constant(parameter(use.owner, "kernel"), kernel)
    operands = [x.name, weights]
    offset = None if bias is None else builder.constant(parameter(use.owner, "bias"), bias)
    if x.rank == 2:
        product = builder.add("Gemm", operands if offset is None else [*operands, offset], name)
    elif offset is None:
        product = builder.add("MatMul", operands, name)
    else:
        product = builder.add("Add", [builder.add("MatMul", operands, f"{name}/product"), offset], name)
    y = Tensor(product, use.output_shape)
    return y if is_linear else add_activation(builder, use.layer.activation, y, use.name)


# --- pooling --------------------------------------------------------------------------------


def add_pooling(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Maximum or average pooling. Both leave padding out."""
    layer, x = use.layer, builder.first(inputs[0])
    operator = "MaxPool" if layer.kind == "MaxPooling2D" else "AveragePool"
    window, strides = layer.geometry
    attributes = {"kernel_shape": window, "strides": strides, **padding_of(layer, x, window)}
    return Tensor(builder.add(operator, [x.name], use.name, **attributes), use.output_shape, is_first=True)


def add_pooling_pair(builder: Builder, use: Use, pooling: Any, source: Tensor) -> Tensor:
    """Add maximum pooling by steps of one pixel, and the layer of `use`, which takes some of its windows."""
    x, (window, _) = builder.first(source), pooling.geometry
    attributes = {
        "kernel_shape": window, "strides": use.layer.geometry[1], **padding_of(pooling, x, window)
    }  # fmt: skip
    return Tensor(builder.add("MaxPool", [x.name], use.name, **attributes), use.output_shape, is_first=True)


def add_padded_pooling(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Pooling of any mode. A sum is an average of the whole window, times its size."""
    layer, x = use.layer, builder.first(inputs[0])
    window = pair(layer.pool_size)
    if layer.padding == "same":
        padding = padding_of(layer, x, window)
    else:
        (top, bottom), (left, right) = sides(layer.padding)
        padding = {"pads": pads((top, left), (bottom, right))}
    attributes = {"kernel_shape": window, "strides": pair(layer.strides), **padding}
    source = x.name
    if layer.mode == "max" and layer.counts_padding:
        if "pads" not in padding:
            raise NotExpressibleError("padding of zeros around maps of unknown size")
        top, left, bottom, right = attributes["pads"]
        widths = builder.integers([0, 0, top, left, 0, 0, bottom, right])
        source = builder.add("Pad", [source, widths, builder.number(0)], f"{use.name}/padded")
        attributes["pads"] = [0, 0, 0, 0]
    if layer.mode == "sum":
        attributes["count_include_pad"] = 1
        mean = builder.add("AveragePool", [source], f"{use.name}/mean", **attributes)
        name = builder.add("Mul", [mean, builder.number(window[0] * window[1])], use.name)
        return Tensor(name, use.output_shape, is_first=True)
    if layer.mode == "avg":
        attributes["count_include_pad"] = int(layer.counts_padding)
    elif layer.mode == "pnorm":
        attributes["p"] = layer.pnorm
    operator = {"max": "MaxPool", "avg": "AveragePool", "pnorm": "LpPool"}[layer.mode]
    return Tensor(builder.add(operator, [source], use.name, **attributes), use.output_shape, is_first=True)


def _global(operator: str) -> Callable[[Builder, Use, Operands], Tensor]:
    def add(builder: Builder, use: Use, inputs: Operands) -> Tensor:
        x = builder.first(inputs[0])
        attributes = {"p": use.layer.pnorm} if operator == "GlobalLpPool" else {}
        if use.layer.keepdims:
            name = builder.add(operator, [x.name], use.name, **attributes)
            return Tensor(name, use.output_shape, is_first=True)
        pooled = builder.add(operator, [x.name], f"{use.name}/map", **attributes)
        return Tensor(builder.add("Flatten", [pooled], use.name, axis=1), use.output_shape)

    return add


def _reduced(operator: str) -> Callable[[Builder, Use, Operands], Tensor]:
    """Return what adds global pooling of sequences or of maps of frames."""

    def add(builder: Builder, use: Use, inputs: Operands) -> Tensor:
        x = builder.last(inputs[0])
        keepdims = int(use.layer.keepdims)
        name = builder.add(operator, [x.name], use.name, axes=list(use.layer.axes), keepdims=keepdims)
        return Tensor(name, use.output_shape)

    return add


#: What adds each layer, by its class's name.
OPERATORS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    "Conv2D": add_conv,
    "DepthwiseConv2D": add_depthwise,
    "SeparableConv2D": add_separable,
    "Conv2DTranspose": add_transposed,
    "Dense": add_dense,
    "MaxPooling2D": add_pooling,
    "AveragePooling2D": add_pooling,
    "PaddedPooling2D": add_padded_pooling,
    "GlobalAveragePooling2D": _global("GlobalAveragePool"),
    "GlobalMaxPooling2D": _global("GlobalMaxPool"),
    "GlobalPNormPooling2D": _global("GlobalLpPool"),
    "GlobalAveragePooling1D": _reduced("ReduceMean"),
    "GlobalAveragePooling3D": _reduced("ReduceMean"),
    "GlobalMaxPooling1D": _reduced("ReduceMax"),
    "GlobalMaxPooling3D": _reduced("ReduceMax"),
}
#: Those whose output a batch normalization can be folded into.
FOLDABLE = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
