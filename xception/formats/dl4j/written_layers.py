"""Layers of this library as layers and vertices of Deeplearning4j."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...kernels import Array
from ...layers import Shape, pair
from ...layers.reshaping import sides
from .forms import NotExpressibleError, Written, activation
from .uses import Use, write_activation
from .written_products import write_conv, write_dense, write_depthwise, write_separable, write_transposed

ELEMENTWISE = {
    "Add": "Add", "Subtract": "Subtract", "Multiply": "Product", "Average": "Average", "Maximum": "Max",
}  # fmt: skip
NORMALIZATION_EPSILON = 1e-5  #: of a batch normalization that stands for a linear change of channels


def _batch_normalization(use: Use, written: Written) -> None:
    layer, shape = use.layer, use.shapes[0]
    if layer.axis not in (-1, len(shape)):
        raise NotExpressibleError(f"axis {layer.axis}")
    ones, zeros = np.ones(use.channels, np.float32), np.zeros(use.channels, np.float32)
    arrays = (
        use.parameters.get("gamma", ones), use.parameters.get("beta", zeros),
        use.parameters["moving_mean"], use.parameters["moving_variance"],
    )  # fmt: skip
    _add_normalization(use, written, arrays, layer.epsilon, layer.momentum)


def _add_normalization(
    use: Use, written: Written, arrays: tuple[Array, ...], epsilon: float, momentum: float = 0.99
) -> None:
    written.add_layer(
        use.name, use.sources, "BatchNormalization", ("gamma", "beta", "mean", "var"), arrays,
        nin=use.channels, nout=use.channels, eps=epsilon, decay=momentum, gamma=1.0, beta=0.0,
        lockGammaBeta=False, useLogStd=False, minibatch=True, activationFn=activation("Identity"),
        **written.format_setting("cnn2DFormat"),
    )  # fmt: skip


def _change_channels(use: Use, written: Written, scale: Array, offset: Array) -> None:
    """Add x · scale + offset, with a number of each for each channel."""
    shape = (use.channels,)
    try:
        scales, offsets = (np.broadcast_to(array, shape).astype(np.float32) for array in (scale, offset))
    except ValueError:
        raise NotExpressibleError("numbers that differ from pixel to pixel") from None
    variance = np.full(shape, 1 - NORMALIZATION_EPSILON, np.float32)
    arrays = (scales, offsets, np.zeros(shape, np.float32), variance)
    _add_normalization(use, written, arrays, NORMALIZATION_EPSILON)


def _rescaling(use: Use, written: Written) -> None:
    scale, offset = np.asarray(use.layer.scale, np.float64), np.asarray(use.layer.offset, np.float64)
    if scale.size > 1 or offset.size > 1:
        _change_channels(use, written, scale, offset)
        return
    first, last = written.free_names(use.name, 2)
    written.add_vertex(first, use.sources, "ScaleVertex", scaleFactor=scale.item())
    written.add_vertex(last, [first], "ShiftVertex", shiftFactor=offset.item())


def _normalization(use: Use, written: Written) -> None:
    layer = use.layer
    if layer.invert:
        raise NotExpressibleError("invert")
    mean = use.parameters["mean"] if layer.mean is None else np.asarray(layer.mean)
    variance = use.parameters["variance"] if layer.variance is None else np.asarray(layer.variance)
    deviation = np.maximum(np.sqrt(variance.astype(np.float64)), 1e-7)  # as Keras does
    _change_channels(use, written, np.ravel(1 / deviation), np.ravel(-mean / deviation))


def _max_pooling(use: Use, written: Written) -> None:
    _pooling(use, written, "MAX")


def _average_pooling(use: Use, written: Written) -> None:
    if use.layer.padding == "same":
        written.require("beta4")  # those before it count padding
    _pooling(use, written, "AVG")


def _pooling(use: Use, written: Written, kind: str) -> None:
    layer = use.layer
    written.add_layer(
        use.name, use.sources, "SubsamplingLayer", kernelSize=list(pair(layer.pool_size)),
        stride=list(pair(layer.strides)), padding=[0, 0], dilation=[1, 1], poolingType=kind, pnorm=0,
        eps=1e-8, convolutionMode="Same" if layer.padding == "same" else "Truncate",
        avgPoolIncludePadInDivisor=False, **written.format_setting("cnn2dDataFormat"),
    )  # fmt: skip


def _padded_pooling(use: Use, written: Written) -> None:
    layer, border = use.layer, use.layer.padding
    same = border == "same"
    (top, bottom), (left, right) = ((0, 0), (0, 0)) if same else sides(border)
    if (top, left) != (bottom, right) or (layer.mode == "max" and layer.counts_padding):
        raise NotExpressibleError("padding that differs from side to side, or counts as zeros")
    if layer.mode == "avg":
        written.require("M1.1")
    written.add_layer(
        use.name, use.sources, "SubsamplingLayer", kernelSize=list(pair(layer.pool_size)),
        stride=list(pair(layer.strides)), padding=[top, left], dilation=[1, 1],
        poolingType=layer.mode.upper(), pnorm=layer.pnorm, eps=1e-8,
        convolutionMode="Same" if same else "Truncate", avgPoolIncludePadInDivisor=layer.counts_padding,
        cnn2dDataFormat=written.layout,
    )  # fmt: skip


def _global(kind: str) -> Callable[[Use, Written], None]:
    def write(use: Use, written: Written) -> None:
        if not use.is_map:
            raise NotExpressibleError(f"an input of shape {use.shapes[0]}")
        if use.layer.keepdims:
            written.expect_layout("NCHW", "keepdims")
        written.add_layer(
            use.name, use.sources, "GlobalPoolingLayer", poolingType=kind,
            pnorm=getattr(use.layer, "pnorm", 2), collapseDimensions=not use.layer.keepdims,
            poolingDimensions=[1, 2] if written.is_nhwc else [2, 3],
        )  # fmt: skip

    return write


def _reduction(use: Use, written: Written) -> None:
    if not use.is_map or use.layer.axis not in ((1, 2), (2, 1)):
        raise NotExpressibleError(f"a reduction along {use.layer.axis}")
    _global("SUM")(use, written)


def _activation(use: Use, written: Written) -> None:
    names = {"Cube": "Cube", "RationalTanh": "RationalTanh"}
    function = (
        activation(names[use.node.kind]) if use.node.kind in names
        else write_activation(use.layer, use.is_map, written)
    )  # fmt: skip
    written.add_layer(use.name, use.sources, "ActivationLayer", activationFn=function)


def _prelu(use: Use, written: Written) -> None:
    written.require("beta6")
    written.expect_layout("NCHW", "slopes of images in NHWC, which versions read differently")
    alpha = use.parameters["alpha"]
    stored = alpha.transpose(2, 0, 1) if alpha.ndim == 3 else alpha
    if alpha.ndim not in (1, 3):
        raise NotExpressibleError(f"an input of shape {use.shapes[0]}")
    shared = [axis for axis, size in enumerate(stored.shape, start=1) if size == 1]
    written.add_layer(
        use.name, use.sources, "PReLULayer", ("W",), (stored.T,), inputShape=list(stored.shape),
        sharedAxes=shared or None, nin=0, nout=0, activationFn=activation("Identity"),
    )  # fmt: skip


def _elementwise(use: Use, written: Written) -> None:
    if any(shape != use.shapes[0] for shape in use.shapes):
        raise NotExpressibleError("inputs of different shapes")
    sources = _distinct_sources(use, written)
    written.add_vertex(use.name, sources, "ElementWiseVertex", op=ELEMENTWISE[use.node.kind])


def _distinct_sources(use: Use, written: Written) -> list[str]:
    """Return the sources, each repeated one as a copy: beta3 fails on a vertex that reads another twice."""
    copies = written.free_names(use.name, len(use.sources) - len(set(use.sources)) + 1)
    distinct: list[str] = []
    for source in use.sources:
        if source in distinct:
            copy = next(copies)
            written.add_layer(copy, [source], "ActivationLayer", activationFn=activation("Identity"))
            distinct.append(copy)
        else:
            distinct.append(source)
    return distinct


def _concatenate(use: Use, written: Written) -> None:
    rank = len(use.shapes[0])
    if use.layer.axis not in (-1, rank) or rank not in (1, 3):
        raise NotExpressibleError(f"axis {use.layer.axis} of inputs of shape {use.shapes[0]}")
    axis = 3 if written.is_nhwc and rank == 3 else 1
    if axis == 3:
        written.require("M1.1")  # beta7 fails on a convolution after it
    sources = _distinct_sources(use, written)
    written.add_vertex(use.name, sources, "MergeVertex", mergeAxis=axis, modified=axis != 1)


def _dropout(use: Use, written: Written) -> None:
    keep = 1 - use.layer.rate
    stored = {"@class": "org.deeplearning4j.nn.conf.dropout.Dropout", "p": keep} if 0 < keep < 1 else None
    written.add_layer(
        use.name,
        use.sources,
        "DropoutLayer",
        idropout=stored,
        activationFn=activation("Identity"),
        nin=0,
        nout=0,
    )


def _border(kind: str, setting: str) -> Callable[[Use, Written], None]:
    def write(use: Use, written: Written) -> None:
        if written.is_nhwc and setting == "cropping":
            written.require("M1.1")  # beta7 fails on a convolution after it
        (top, bottom), (left, right) = sides(getattr(use.layer, setting))
        border: dict[str, Any] = {setting: [top, bottom, left, right]}
        written.add_layer(
            use.name, use.sources, kind, **border,
            **written.format_setting("dataFormat"),
        )  # fmt: skip

    return write


def _upsampling(use: Use, written: Written) -> None:
    if use.layer.interpolation != "nearest":
        raise NotExpressibleError(f"interpolation {use.layer.interpolation}")
    size = list(pair(use.layer.size))
    written.add_layer(use.name, use.sources, "Upsampling2D", size=size, **written.format_setting("format"))


def _local_response(use: Use, written: Written) -> None:
    layer = use.layer
    written.add_layer(
        use.name, use.sources, "LocalResponseNormalization", k=layer.k, n=float(layer.n), alpha=layer.alpha,
        beta=layer.beta, **written.format_setting("dataFormat"),
    )  # fmt: skip


def _unit_length(use: Use, written: Written) -> None:
    if len(use.shapes[0]) != 1 or use.layer.order != 2:
        raise NotExpressibleError(f"a norm of order {use.layer.order} of shape {use.shapes[0]}")
    written.add_vertex(use.name, use.sources, "L2NormalizeVertex", eps=use.layer.epsilon)


def _flatten(use: Use, written: Written) -> None:
    """Flatten h, w, c, which is also c, h, w where one of the two is of size 1."""
    shape = use.shapes[0]
    if len(shape) == 1:
        written.add_layer(use.name, use.sources, "ActivationLayer", activationFn=activation("Identity"))
        return
    if len(shape) != 3 or None in shape:
        raise NotExpressibleError(f"an input of shape {shape}: its size must be known")
    height, width, channels = shape
    if channels != 1 and (height, width) != (1, 1):
        written.expect_layout("NHWC", "flattening of maps")
    add_flatten(use.name, use.sources, (height, width, channels), written)


def add_flatten(name: str, sources: list[str], shape: Shape, written: Written) -> None:
    """Add a vertex that flattens maps (h, w, c) in the order of the layout."""
    height, width, channels = shape
    preprocessor = {
        "@class": "org.deeplearning4j.nn.conf.preprocessor.CnnToFeedForwardPreProcessor",
        "inputHeight": height, "inputWidth": width, "numChannels": channels,
        **written.format_setting("format"),
    }  # fmt: skip
    written.add_vertex(name, sources, "PreprocessorVertex", preProcessor=preprocessor)


#: What writes a layer, by the name of its class.
WRITERS: dict[str, Callable[[Use, Written], None]] = {
    "Conv2D": write_conv,
    "SeparableConv2D": write_separable,
    "DepthwiseConv2D": write_depthwise,
    "Conv2DTranspose": write_transposed,
    "BatchNormalization": _batch_normalization,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "MaxPooling2D": _max_pooling,
    "AveragePooling2D": _average_pooling,
    "PaddedPooling2D": _padded_pooling,
    "GlobalAveragePooling2D": _global("AVG"),
    "GlobalMaxPooling2D": _global("MAX"),
    "GlobalPNormPooling2D": _global("PNORM"),
    "Sum": _reduction,
    "Dense": write_dense,
    "Activation": _activation,
    "ReLU": _activation,
    "LeakyReLU": _activation,
    "ELU": _activation,
    "ThresholdedReLU": _activation,
    "Softmax": _activation,
    "Cube": _activation,
    "RationalTanh": _activation,
    "PReLU": _prelu,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "Concatenate": _concatenate,
    "Dropout": _dropout,
    "ZeroPadding2D": _border("ZeroPaddingLayer", "padding"),
    "Cropping2D": _border("convolutional.Cropping2D", "cropping"),
    "UpSampling2D": _upsampling,
    "LocalResponseNormalization": _local_response,
    "UnitNormalization": _unit_length,
    "Normalize": _unit_length,
    "Flatten": _flatten,
}
