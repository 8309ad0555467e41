"""Convolutions. What a window gave, it takes back: each tap's share goes to the pixel it was read from."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..kernels import Array, Pair
from ..layers import Conv2D, Conv2DTranspose, DepthwiseConv2D, Parameters, SeparableConv2D, pair
from .activations import before_activation
from .rules import backward, times

Geometry = tuple[Pair, str, Pair]  #: (strides, padding, dilation)


@backward.register
def conv2d(layer: Conv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, h, w, c_in)"""
    dy = before_activation(layer, parameters, dy, x)
    # A group of filters reads a group of channels.
    shares = np.split(dy, layer.groups, axis=-1)
    parts = np.split(parameters["kernel"], layer.groups, axis=-1)
    dx = [_conv2d(*both, x.shape[1:3], _geometry(layer)) for both in zip(shares, parts, strict=True)]
    return dx[0] if len(dx) == 1 else np.concatenate(dx, axis=-1)


@backward.register
def depthwise_conv2d(layer: DepthwiseConv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c·m) -> (n, h, w, c)"""
    dy = before_activation(layer, parameters, dy, x)
    return _depthwise(dy, parameters["kernel"], x.shape[1:3], _geometry(layer))


@backward.register
def separable_conv2d(layer: SeparableConv2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, oh, ow, c·m) -> (n, h, w, c)"""
    dy = before_activation(layer, parameters, dy, x)
    dy = times(dy, parameters["pointwise_kernel"][0, 0].T)
    return _depthwise(dy, parameters["depthwise_kernel"], x.shape[1:3], _geometry(layer))


@backward.register
def conv2d_transpose(layer: Conv2DTranspose, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, filters) -> (n, h, w, c_in): it is a convolution's gradient, whose gradient is that
    convolution."""
    dy = before_activation(layer, parameters, dy, x)
    dx = kernels.conv2d(dy, parameters["kernel"], pair(layer.strides), layer.padding)
    return dx[:, : x.shape[1], : x.shape[2]]


def _conv2d(dy: Array, kernel: Array, size: Pair, geometry: Geometry) -> Array:
    def part(row: int, column: int) -> Array:
        return times(dy, kernel[row, column].T)  # (n, oh, ow, c_out) · (c_out, c_in)

    return kernels.fold(part, size, kernel.shape[:2], *geometry)


def _depthwise(dy: Array, kernel: Array, size: Pair, geometry: Geometry) -> Array:
    c, m = kernel.shape[2:]

    def part(row: int, column: int) -> Array:
        if m == 1:
            return dy * kernel[row, column, :, 0]
        return (dy.reshape(*dy.shape[:3], c, m) * kernel[row, column]).sum(axis=-1)

    return kernels.fold(part, size, kernel.shape[:2], *geometry)


def _geometry(layer: Conv2D | DepthwiseConv2D | SeparableConv2D) -> Geometry:
    return pair(layer.strides), layer.padding, pair(layer.dilation_rate)
