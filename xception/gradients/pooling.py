"""Pooling: back to the pixel that was the greatest, or to all in equal parts."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..kernels import Array
from ..layers import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D, Parameters
from .rules import backward


@backward.register
def max_pooling(layer: MaxPooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). Of several that are equal, to the first, by rows."""
    window, strides = layer.geometry
    padded = kernels.pad(x, window, strides, layer.padding, value=-np.inf)
    view = kernels.windows(padded, window, strides)  # (n, oh, ow, kh, kw, c)
    y = kernels.max_pool2d(x, window, strides, layer.padding)
    undecided = np.ones(y.shape, bool)

    def part(row: int, column: int) -> Array:
        greatest = undecided & (view[:, :, :, row, column] == y)
        np.logical_xor(undecided, greatest, out=undecided)
        return dy * greatest

    return kernels.fold(part, x.shape[1:3], window, strides, layer.padding)


@backward.register
def average_pooling(layer: AveragePooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). The border of 'same' has no part in it."""
    window, strides = layer.geometry
    ones = kernels.pad(np.ones((1, *x.shape[1:3], 1), dy.dtype), window, strides, layer.padding)
    pixels = kernels.windows(ones, window, strides).sum(axis=(3, 4))  # (1, oh, ow, 1): in each window
    share = dy / pixels
    return kernels.fold(lambda row, column: share, x.shape[1:3], window, strides, layer.padding)


@backward.register
def global_average_pooling(
    layer: GlobalAveragePooling2D, parameters: Parameters, dy: Array, x: Array
) -> Array:
    """(n, c) or (n, 1, 1, c) -> (n, h, w, c)"""
    n, h, w, c = x.shape
    return np.broadcast_to(dy.reshape(n, 1, 1, c) / (h * w), x.shape)


@backward.register
def global_max_pooling(layer: GlobalMaxPooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, c) or (n, 1, 1, c) -> (n, h, w, c). Several that are equal share it, as in TensorFlow."""
    n, _, _, c = x.shape
    greatest = x == x.max(axis=(1, 2), keepdims=True)
    return greatest * (dy.reshape(n, 1, 1, c) / greatest.sum(axis=(1, 2), keepdims=True, dtype=dy.dtype))
