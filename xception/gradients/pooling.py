"""Gradient rules of pooling: to the pixel that was the maximum, or to all pixels in equal parts."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..kernels import Array
from ..layers import AveragePooling2D, MaxPooling2D, Parameters
from ..layers.pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalPooling
from .rules import backward


@backward.register
def backward_max_pooling(layer: MaxPooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). Of several maxima, the first by rows counts, as in TensorFlow."""
    window, strides = layer.geometry
    padded = kernels.pad(x, window, strides, layer.padding, value=-np.inf)
    view = kernels.windows(padded, window, strides)  # (n, oh, ow, kh, kw, c)
    y = kernels.max_pool2d(x, window, strides, layer.padding)  # (n, oh, ow, c)
    unclaimed = np.ones(y.shape, bool)

    def share(row: int, column: int) -> Array:
        claimed = unclaimed & (view[:, :, :, row, column] == y)
        np.logical_xor(unclaimed, claimed, out=unclaimed)
        return dy * claimed

    return kernels.fold(share, x.shape[1:3], window, strides, layer.padding)


@backward.register
def backward_average_pooling(layer: AveragePooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). Padding is excluded from the mean, so windows differ in size."""
    window, strides = layer.geometry
    ones = kernels.pad(np.ones((1, *x.shape[1:3], 1), dy.dtype), window, strides, layer.padding)
    pixels = kernels.windows(ones, window, strides).sum(axis=(3, 4))  # (1, oh, ow, 1), in each window
    share = dy / pixels
    return kernels.fold(lambda row, column: share, x.shape[1:3], window, strides, layer.padding)


@backward.register
def backward_global_average_pooling(
    layer: GlobalAveragePooling, parameters: Parameters, dy: Array, x: Array
) -> Array:
    """(n, c) or (n, 1, …, c) -> (n, …, c)"""
    return np.broadcast_to(_with_axes(layer, dy) / math.prod(x.shape[1:-1]), x.shape)


@backward.register
def backward_global_max_pooling(
    layer: GlobalMaxPooling, parameters: Parameters, dy: Array, x: Array
) -> Array:
    """(n, c) or (n, 1, …, c) -> (n, …, c). Several maxima share the gradient, as in TensorFlow."""
    maxima = x == x.max(axis=layer.axes, keepdims=True)
    return maxima * (_with_axes(layer, dy) / maxima.sum(axis=layer.axes, keepdims=True, dtype=dy.dtype))


def _with_axes(layer: GlobalPooling, dy: Array) -> Array:
    """Return dy with the pooled axes at size 1: (n, 1, …, c)."""
    return dy if layer.keepdims else np.expand_dims(dy, layer.axes)
