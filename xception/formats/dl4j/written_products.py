"""Convolutions and dense layers as layers of Deeplearning4j."""

from __future__ import annotations

from typing import Any

from ...kernels import Array
from ...layers import pair
from .forms import NotExpressibleError, Written, activation
from .uses import Use, write_activation

FROM_HWIO = (3, 2, 0, 1)  #: (h, w, in, out) -> (out, in, h, w)
#: Settings of a convolution with one weight for each pair of channels.
POINTWISE: dict[str, Any] = {
    "kernelSize": [1, 1], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1],
    "convolutionMode": "Truncate",
}  # fmt: skip


def _spatial(use: Use, written: Written) -> dict[str, Any]:
    """Return the settings that convolutions have in common."""
    layer = use.layer
    if not use.is_map:
        raise NotExpressibleError(f"an input of shape {use.shapes[0]}")
    dilation = pair(layer.dilation_rate)
    if dilation != (1, 1) and layer.padding == "same":
        written.require("beta6")
    return {
        "kernelSize": list(pair(layer.kernel_size)), "stride": list(pair(layer.strides)), "padding": [0, 0],
        "dilation": list(dilation), "convolutionMode": "Same" if layer.padding == "same" else "Truncate",
        "hasBias": bool(layer.use_bias),
        "activationFn": write_activation(layer.activation, True, written),
        **written.format_setting("cnn2dDataFormat"),
    }  # fmt: skip


def _with_bias(use: Use, variables: tuple[str, ...], *arrays: Array) -> dict[str, Any]:
    """Return the parameters of a convolution, whose bias is stored first."""
    if not use.layer.use_bias:
        return {"variables": variables, "arrays": arrays}
    return {"variables": (*variables, "b"), "arrays": (use.parameters["bias"], *arrays)}


def write_conv(use: Use, written: Written) -> None:
    layer = use.layer
    if layer.groups != 1:
        raise NotExpressibleError(f"{layer.groups} groups of filters")
    parameters = _with_bias(use, ("W",), use.parameters["kernel"].transpose(FROM_HWIO))
    written.add_layer(
        use.name, use.sources, "ConvolutionLayer", nin=use.channels, nout=layer.filters,
        **_spatial(use, written), **parameters,
    )  # fmt: skip


def write_separable(use: Use, written: Written) -> None:
    layer = use.layer
    kernel, point_kernel = (
        use.parameters[name].transpose(FROM_HWIO) for name in ("depthwise_kernel", "pointwise_kernel")
    )
    if use.channels == 1:  # every version fails on it, or computes it wrongly
        _write_separable_of_one_channel(use, written, kernel, point_kernel)
        return
    written.add_layer(
        use.name, use.sources, "SeparableConvolution2D", nin=use.channels, nout=layer.filters,
        depthMultiplier=layer.depth_multiplier, **_spatial(use, written),
        **_with_bias(use, ("W", "pW"), kernel, point_kernel),
    )  # fmt: skip


def _write_separable_of_one_channel(use: Use, written: Written, kernel: Array, point_kernel: Array) -> None:
    """Write two convolutions: a depthwise one of one channel is an ordinary one."""
    layer, settings = use.layer, _spatial(use, written)
    first, last = written.free_names(use.name, 2)
    spatial = {**settings, "hasBias": False, "activationFn": activation("Identity")}
    written.add_layer(
        first, use.sources, "ConvolutionLayer", ("W",), (kernel,),
        nin=1, nout=layer.depth_multiplier, **spatial,
    )  # fmt: skip
    written.add_layer(
        last, [first], "ConvolutionLayer", nin=layer.depth_multiplier, nout=layer.filters,
        **{**settings, **POINTWISE}, **_with_bias(use, ("W",), point_kernel),
    )  # fmt: skip


def write_depthwise(use: Use, written: Written) -> None:
    written.require("beta4")  # those before it restore the kernel with other axes
    layer = use.layer
    written.add_layer(
        use.name, use.sources, "DepthwiseConvolution2D", nin=use.channels,
        nout=use.channels * layer.depth_multiplier, depthMultiplier=layer.depth_multiplier,
        **_spatial(use, written), **_with_bias(use, ("W",), use.parameters["kernel"]),
    )  # fmt: skip


def write_transposed(use: Use, written: Written) -> None:
    layer = use.layer
    if layer.output_padding is not None:
        raise NotExpressibleError("output_padding")
    if layer.padding == "same":
        written.require("beta6")  # those before it answer otherwise
    elif any(k < s for k, s in zip(pair(layer.kernel_size), pair(layer.strides), strict=True)):
        raise NotExpressibleError("a window that is smaller than the stride")
    written.add_layer(
        use.name, use.sources, "Deconvolution2D", nin=use.channels, nout=layer.filters,
        **_spatial(use, written), **_with_bias(use, ("W",), use.parameters["kernel"].transpose(3, 2, 0, 1)),
    )  # fmt: skip


def write_dense(use: Use, written: Written) -> None:
    layer, kernel = use.layer, use.parameters["kernel"]
    settings: dict[str, Any] = {
        "nin": use.channels, "nout": layer.units, "hasBias": bool(layer.use_bias),
        "activationFn": write_activation(layer.activation, use.is_map, written),
    }  # fmt: skip
    if use.is_map:  # a dense layer on every pixel
        parameters = _with_bias(use, ("W",), kernel[None, None].transpose(FROM_HWIO))
        written.add_layer(
            use.name, use.sources, "ConvolutionLayer", **POINTWISE, **settings,
            **parameters, **written.format_setting("cnn2dDataFormat"),
        )  # fmt: skip
        return
    if len(use.shapes[0]) != 1:
        raise NotExpressibleError(f"an input of shape {use.shapes[0]}")
    bias = (use.parameters["bias"],) if layer.use_bias else ()
    variables = ("W", "b") if layer.use_bias else ("W",)
    written.add_layer(
        use.name, use.sources, "DenseLayer", variables, (kernel.T, *bias), hasLayerNorm=False, **settings
    )
