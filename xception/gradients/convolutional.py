"""Gradient rules of convolutions.

Each tap of a window propagates its share of dL/dy to the pixel that it has read; `kernels.fold` adds up
the shares of overlapping windows.
"""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..kernels import Array, Pair
from ..layers import Conv2D, Conv2DTranspose, DepthwiseConv2D, Parameters, SeparableConv2D, pair
from .activations import backward_epilogue
from .kernel_gradients import Geometry, convolution_kernel_gradient, depthwise_kernel_gradient
from .rules import backward, bias_gradient, matmul_last_axis, parameter_gradients


@backward.register
def backward_conv2d(layer: Conv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, h, w, c_in)"""
    dy = backward_epilogue(layer, parameters, dy, x)
    # Each group of filters has read its own group of channels.
    dy_groups = np.split(dy, layer.groups, axis=-1)
    kernel_groups = np.split(parameters["kernel"], layer.groups, axis=-1)
    dx_groups = [
        _convolution(dy_group, kernel_group, x.shape[1:3], _geometry(layer))
        for dy_group, kernel_group in zip(dy_groups, kernel_groups, strict=True)
    ]
    return dx_groups[0] if layer.groups == 1 else np.concatenate(dx_groups, axis=-1)


@backward.register
def backward_depthwise_conv2d(layer: DepthwiseConv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c · m) -> (n, h, w, c), with the depth multiplier m"""
    dy = backward_epilogue(layer, parameters, dy, x)
    return _depthwise(dy, parameters["kernel"], x.shape[1:3], _geometry(layer))


@backward.register
def backward_separable_conv2d(layer: SeparableConv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, h, w, c)"""
    dy = backward_epilogue(layer, parameters, dy, x)
    dy = matmul_last_axis(dy, parameters["pointwise_kernel"][0, 0].T)  # (n, oh, ow, c · m)
    return _depthwise(dy, parameters["depthwise_kernel"], x.shape[1:3], _geometry(layer))


@backward.register
def backward_conv2d_transpose(layer: Conv2DTranspose, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, h, w, c_in), by the convolution whose transpose the layer is"""
    dy = backward_epilogue(layer, parameters, dy, x)
    return kernels.conv2d(dy, parameters["kernel"], pair(layer.strides), layer.padding)


# --- parameters -----------------------------------------------------------------------------


@parameter_gradients.register
def conv2d_parameter_gradients(
    layer: Conv2D, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    dy = backward_epilogue(layer, parameters, dy, x)
    window, groups, geometry = pair(layer.kernel_size), layer.groups, _geometry(layer)
    if groups == x.shape[-1] and groups > 1:  # one input channel per group: depthwise
        kernel = depthwise_kernel_gradient(dy, x, window, geometry)  # (kh, kw, c, m)
        kernel = kernel.reshape(*window, 1, layer.filters)
    else:
        parts = zip(np.split(dy, groups, axis=-1), np.split(x, groups, axis=-1), strict=True)
        kernel_groups = [convolution_kernel_gradient(*part, window, geometry) for part in parts]
        kernel = kernel_groups[0] if groups == 1 else np.concatenate(kernel_groups, axis=-1)
    return {"kernel": kernel} | bias_gradient(layer, dy)


@parameter_gradients.register
def depthwise_conv2d_parameter_gradients(
    layer: DepthwiseConv2D, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    dy = backward_epilogue(layer, parameters, dy, x)
    kernel = depthwise_kernel_gradient(dy, x, pair(layer.kernel_size), _geometry(layer))
    return {"kernel": kernel} | bias_gradient(layer, dy)


@parameter_gradients.register
def separable_conv2d_parameter_gradients(
    layer: SeparableConv2D, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    """The result of the depthwise convolution is computed once more."""
    dy = backward_epilogue(layer, parameters, dy, x)
    depthwise_kernel, pointwise_kernel = parameters["depthwise_kernel"], parameters["pointwise_kernel"]
    between = kernels.depthwise_conv2d(x, depthwise_kernel, *_geometry(layer))  # (n, oh, ow, c · m)
    d_between = matmul_last_axis(dy, pointwise_kernel[0, 0].T)
    return {
        "depthwise_kernel": depthwise_kernel_gradient(
            d_between, x, pair(layer.kernel_size), _geometry(layer)
        ),
        "pointwise_kernel": convolution_kernel_gradient(dy, between, (1, 1), POINTWISE),
    } | bias_gradient(layer, dy)


@parameter_gradients.register
def conv2d_transpose_parameter_gradients(
    layer: Conv2DTranspose, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    """The convolution whose transpose the layer is reads dy, and would give x's gradient."""
    dy = backward_epilogue(layer, parameters, dy, x)
    geometry = pair(layer.strides), layer.padding, (1, 1)
    kernel = convolution_kernel_gradient(x, dy, pair(layer.kernel_size), geometry)
    return {"kernel": kernel} | bias_gradient(layer, dy)


# --- shared by the rules above --------------------------------------------------------------

POINTWISE: Geometry = ((1, 1), "valid", (1, 1))


def _convolution(dy: Array, kernel: Array, size: Pair, geometry: Geometry) -> Array:
    """(n, oh, ow, c_out) -> (n, *size, c_in), for a kernel (kh, kw, c_in, c_out)"""

    def share(row: int, column: int) -> Array:
        return matmul_last_axis(dy, kernel[row, column].T)  # (n, oh, ow, c_in)

    return kernels.fold(share, size, kernel.shape[:2], *geometry)


def _depthwise(dy: Array, kernel: Array, size: Pair, geometry: Geometry) -> Array:
    """(n, oh, ow, c · m) -> (n, *size, c), for a kernel (kh, kw, c, m)"""
    c, m = kernel.shape[2:]

    def share(row: int, column: int) -> Array:
        if m == 1:
            return dy * kernel[row, column, :, 0]
        return (dy.reshape(*dy.shape[:3], c, m) * kernel[row, column]).sum(axis=-1)  # (n, oh, ow, c)

    return kernels.fold(share, size, kernel.shape[:2], *geometry)


def _geometry(layer: Conv2D | DepthwiseConv2D | SeparableConv2D) -> Geometry:
    return pair(layer.strides), layer.padding, pair(layer.dilation_rate)
