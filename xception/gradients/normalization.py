"""Normalisation. Where mean and variance are the input's own, they too change with it."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import Array
from ..layers import BatchNormalization, GroupNormalization, LayerNormalization, Parameters, UnitNormalization
from ..layers.shapes import array_axes
from .rules import backward


@backward.register
def batch_normalization(layer: BatchNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    scale, _ = layer.scale_and_offset(parameters)  # (c,)
    return dy * scale


@backward.register
def layer_normalization(layer: LayerNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _standard(_unscaled(dy, parameters), x, -1, layer.epsilon)


@backward.register
def group_normalization(layer: GroupNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    n, *pixels, c = x.shape
    groups = c if layer.groups == -1 else layer.groups
    grouped = n, math.prod(pixels), groups, c // groups
    dy = _unscaled(dy, parameters).reshape(grouped)
    return _standard(dy, x.reshape(grouped), (1, 3), layer.epsilon).reshape(x.shape)


@backward.register
def unit_normalization(layer: UnitNormalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    """y = x/|x|: what is parallel to y changes nothing."""
    along = array_axes(layer.axis, x.shape[1:])
    length = np.maximum(np.sqrt(np.square(x).sum(axis=along, keepdims=True)), 1e-12)
    y = x / length
    return (dy - y * (dy * y).sum(axis=along, keepdims=True)) / length


def _unscaled(dy: Array, parameters: Parameters) -> Array:
    return dy * parameters["gamma"] if "gamma" in parameters else dy


def _standard(dy: Array, x: Array, axes: int | tuple[int, ...], epsilon: float) -> Array:
    """y = (x − mean) / σ: what is constant, and what is parallel to y, changes (next to) nothing."""
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + epsilon)
    y = centred / deviation
    constant, parallel = dy.mean(axis=axes, keepdims=True), (dy * y).mean(axis=axes, keepdims=True)
    return (dy - constant - y * parallel) / deviation
