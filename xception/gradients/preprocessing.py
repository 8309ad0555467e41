"""Gradient rules of image preprocessing: scaling of values, and resizing."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..errors import NoGradientError
from ..kernels import Array, Interpolation
from ..layers import Normalization, Parameters, Rescaling, Resizing
from .rules import backward, parameter_gradients


@backward.register
def backward_rescaling(layer: Rescaling, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy * np.asarray(layer.scale, dy.dtype)


@backward.register
def backward_normalization(layer: Normalization, parameters: Parameters, dy: Array, x: Array) -> Array:
    _, deviation = layer.statistics(parameters, x)
    return dy * deviation if layer.invert else dy / deviation


@parameter_gradients.register
def normalization_parameter_gradients(
    layer: Normalization, parameters: Parameters, dy: Array, x: Array
) -> dict[str, Array]:
    """Nothing: its statistics are not trainable."""
    return {}


@backward.register
def backward_resizing(layer: Resizing, parameters: Parameters, dy: Array, x: Array) -> Array:
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise NoGradientError("resizing that keeps the aspect ratio has no gradient rule")
    return backward_resize(dy, x, layer.interpolation, layer.antialias)


def backward_resize(dy: Array, x: Array, interpolation: Interpolation, antialias: bool = False) -> Array:
    """Propagate dL/dy through `kernels.resize`: (n, oh, ow, c) -> (n, h, w, c).

    Resizing multiplies each spatial axis by a matrix, and its gradient by the transpose. The columns of
    the matrix are the resized unit vectors.

    Args:
        dy: dL/dy for y = kernels.resize(x, (oh, ow), interpolation, antialias).
        x: The input. Only its shape is used.
        interpolation: One of `kernels.INTERPOLATIONS`.
        antialias: As in `kernels.resize`.
    """
    for axis in (1, 2):
        before, after = x.shape[axis], dy.shape[axis]
        unit = np.eye(before, dtype=dy.dtype)[None, :, None]  # (1, before, 1, before)
        matrix = kernels.resize(unit, (after, 1), interpolation, antialias)[0, :, 0]  # (after, before)
        dy = np.moveaxis(np.moveaxis(dy, axis, -1) @ matrix, -1, axis)
    return dy
