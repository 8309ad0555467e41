"""The same numbers in another shape, with a border more or less, repeated, or resized."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..errors import NoGradientError
from ..kernels import Array
from ..layers import (
    Cropping2D,
    Flatten,
    Parameters,
    Permute,
    RepeatVector,
    Reshape,
    Resizing,
    UpSampling2D,
    ZeroPadding2D,
)
from ..layers.reshaping import sides
from .rules import backward


@backward.register
def reshape(layer: Flatten | Reshape, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy.reshape(x.shape)


@backward.register
def permute(layer: Permute, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy.transpose(0, *(int(axis) + 1 for axis in np.argsort(layer.dims)))


@backward.register
def repeat_vector(layer: RepeatVector, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, times, c) -> (n, c)"""
    return dy.sum(axis=1)


@backward.register
def zero_padding(layer: ZeroPadding2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    (top, _), (left, _) = sides(layer.padding)
    return dy[:, top : top + x.shape[1], left : left + x.shape[2]]


@backward.register
def cropping(layer: Cropping2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    return np.pad(dy, ((0, 0), *sides(layer.cropping), (0, 0)))


@backward.register
def up_sampling(layer: UpSampling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _resized_back(dy, x, layer.interpolation)


@backward.register
def resizing(layer: Resizing, parameters: Parameters, dy: Array, x: Array) -> Array:
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise NoGradientError("no gradient is known here for resizing that keeps the aspect ratio")
    return _resized_back(dy, x, layer.interpolation, layer.antialias)


def _resized_back(dy: Array, x: Array, interpolation: str, antialias: bool = False) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). Resizing is a matrix for each axis: back leads the transposed."""
    for axis in (1, 2):
        before, after = x.shape[axis], dy.shape[axis]
        unit = np.eye(before, dtype=dy.dtype)[None, :, None]  # (1, before, 1, before)
        matrix = kernels.resize(unit, (after, 1), interpolation, antialias)[0, :, 0]  # (after, before)
        dy = np.moveaxis(np.moveaxis(dy, axis, -1) @ matrix, -1, axis)
    return dy
