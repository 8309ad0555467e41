"""Gradient rules of the layers of Deeplearning4j that Keras has no counterpart of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels import Array
from ..layers import (
    Cube,
    GlobalPNormPooling2D,
    LocalResponseNormalization,
    PaddedPooling2D,
    Parameters,
    RationalTanh,
    pair,
)
from .rules import backward


@backward.register
def backward_padded_pooling(layer: PaddedPooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, oh, ow, c) -> (n, h, w, c). Of several maxima, the first by rows counts, as in TensorFlow."""
    if layer.mode == "pnorm":
        share = dy * _inverse_power(layer.forward({}, x), layer.pnorm - 1)
        return np.abs(x) ** (layer.pnorm - 1) * np.sign(x) * _spread(layer, x, share)
    if layer.mode != "max":
        return _spread(layer, x, dy if layer.mode == "sum" else dy / layer.divisors(x))
    y = layer.forward({}, x)
    unclaimed = np.ones(y.shape, bool)

    def claim(tap: Array) -> Array:
        claimed = unclaimed & (tap == y)
        np.logical_xor(unclaimed, claimed, out=unclaimed)
        return dy * claimed

    return _spread(layer, x, claim)


def _spread(layer: PaddedPooling2D, x: Array, share: Array | Callable[[Array], Array]) -> Array:
    """Return the sum of what each pixel gets from the windows that it is in.

    `share` is what each pixel of a window gets, (n, oh, ow, c); or a function that returns it from the pixels
    at one place of the windows. It is called for padding too.
    """
    (h, w, c), (kh, kw), (sh, sw) = x.shape[1:], pair(layer.pool_size), pair(layer.strides)
    (top, bottom), (left, right) = layer.border(h, 0), layer.border(w, 1)
    fill = 0 if layer.counts_padding else -np.inf
    widths = ((0, 0), (top, bottom), (left, right), (0, 0))
    padded = np.pad(x, widths, constant_values=np.asarray(fill, x.dtype))
    dx = np.zeros_like(padded)
    oh, ow, _ = layer.output_shape((h, w, c))
    for i, j in np.ndindex(kh, kw):
        rows, columns = slice(i, i + oh * sh, sh), slice(j, j + ow * sw, sw)  # type: ignore[operator]
        tap = padded[:, rows, columns][:, :oh, :ow]
        dx[:, rows, columns][:, :oh, :ow] += share(tap) if callable(share) else share
    return dx[:, top : top + h, left : left + w]


def _inverse_power(y: Array, exponent: int) -> Array:
    """Return 1 / y to a power; 0 where y is 0, at which a norm has no derivative."""
    return np.where(y == 0, 0, np.where(y == 0, 1, y) ** -float(exponent))


@backward.register
def backward_global_pnorm(layer: GlobalPNormPooling2D, parameters: Parameters, dy: Array, x: Array) -> Array:
    """(n, c) or (n, 1, 1, c) -> (n, h, w, c)"""
    share = dy * _inverse_power(layer.forward({}, x), layer.pnorm - 1)
    share = share.reshape(len(x), 1, 1, x.shape[-1])
    return np.abs(x) ** (layer.pnorm - 1) * np.sign(x) * share


@backward.register
def backward_local_response(
    layer: LocalResponseNormalization, parameters: Parameters, dy: Array, x: Array
) -> Array:
    bases = layer.bases(x)
    shared = layer.sum_neighbors(dy * x * bases ** (-layer.beta - 1))
    return dy * bases**-layer.beta - 2 * layer.alpha * layer.beta * x * shared


@backward.register
def backward_cube(layer: Cube, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy * (3 * np.square(x))


@backward.register
def backward_rational_tanh(layer: RationalTanh, parameters: Parameters, dy: Array, x: Array) -> Array:
    u = np.abs(x) * (2 / 3)
    square = np.square(u)
    denominators = 1 + u + square + 1.41645 * np.square(square)
    slope = 1 + 2 * u + 4 * 1.41645 * u * square
    return dy * (1.7159 * 2 / 3 * slope / np.square(denominators))
