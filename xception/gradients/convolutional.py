"""Gradient rules of convolutions.

Each tap of a window propagates its share of dL/dy to the pixel that it has read; `kernels.fold` adds up
the shares of overlapping windows.
"""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..kernels import Array, Padding, Pair
from ..layers import Conv2D, Conv2DTranspose, DepthwiseConv2D, Parameters, SeparableConv2D, pair
from .activations import backward_epilogue
from .rules import backward, matmul_last_axis

Geometry = tuple[Pair, Padding, Pair]  #: (strides, padding, dilation)


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
