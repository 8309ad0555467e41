"""Gradient rules of reshaping, borders, repetition and upsampling."""

from __future__ import annotations

import numpy as np

from ..kernels import Array
from ..layers import (
    Cropping2D,
    Flatten,
    Parameters,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from ..layers.reshaping import sides
from .preprocessing import backward_resize
from .rules import backward


@backward.register
def backward_reshape(layer: Flatten | Reshape, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy.reshape(x.shape)


@backward.register
def backward_permute(layer: Permute, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy.transpose(0, *(int(axis) + 1 for axis in np.argsort(layer.dims)))


@backward.register
def backward_repeat_vector(layer: RepeatVector, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, repetitions, c) -> (n, c)"""
    return dy.sum(axis=1)


@backward.register
def backward_zero_padding(layer: ZeroPadding2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    (top, _), (left, _) = sides(layer.padding)
    return dy[:, top : top + x.shape[1], left : left + x.shape[2]]


@backward.register
def backward_cropping(layer: Cropping2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    return np.pad(dy, ((0, 0), *sides(layer.cropping), (0, 0)))


@backward.register
def backward_up_sampling(layer: UpSampling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    return backward_resize(dy, x, layer.interpolation)
