"""Resampling of an image through a projective transform, as TensorFlow's ImageProjectiveTransformV3."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...kernels import Array

FillMode = Literal["reflect", "wrap", "constant", "nearest"]
Interpolation = Literal["nearest", "bilinear"]

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")

#: a0, a1, a2, b0, b1, b2, c0, c1: the output pixel (x, y) shows the input at
#: ((a0·x + a1·y + a2) / k, (b0·x + b1·y + b2) / k), k = c0·x + c1·y + 1.
Matrix = tuple[float, float, float, float, float, float, float, float]


def project(
    image: Array, matrix: Matrix, fill_mode: FillMode, fill_value: float, interpolation: Interpolation
) -> Array:
    """Resample an image.

    Coordinates are float32, as in TensorFlow.

    Args:
        image: (h, w, c).
        matrix: Where each output pixel reads the input.
        fill_mode: What lies beyond the edges: "reflect" (d c b a | a b c d | d c b a), "wrap",
            "nearest", or "constant".
        fill_value: The pixel beyond the edges with "constant".
        interpolation: "nearest" or "bilinear".

    Returns:
        (h, w, c), in the type of the image.
    """
    height, width, channels = image.shape
    a0, a1, a2, b0, b1, b2, c0, c1 = (np.float32(number) for number in matrix)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    columns, rows = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2  # (h, w)
    if c0 or c1:
        depth = c0 * x + c1 * y + 1
        at_infinity = depth == 0
        depth[at_infinity] = 1
        # Only a change of perspective has such pixels; it fills what lies outside, as -2 does.
        columns, rows = (np.where(at_infinity, np.float32(-2), part / depth) for part in (columns, rows))
    columns, rows = _fold_back(columns, width, fill_mode), _fold_back(rows, height, fill_mode)

    # Coordinates outside read a frame of one pixel.
    framed = np.full((height + 2, width + 2, channels), fill_value, image.dtype)
    framed[1:-1, 1:-1] = image
    pixels = framed.reshape(-1, channels)

    def read(row: Array, column: Array) -> Array:
        inside = np.clip(row, -1, height).astype(np.intp), np.clip(column, -1, width).astype(np.intp)
        return pixels.take((inside[0] + 1) * (width + 2) + inside[1] + 1, axis=0)  # (h, w, c)

    if interpolation == "nearest":
        return read(_round(rows), _round(columns))
    top, left = np.floor(rows), np.floor(columns)
    down = (rows - top)[..., None].astype(image.dtype, copy=False)
    right = (columns - left)[..., None].astype(image.dtype, copy=False)
    upper = read(top, left) * (1 - right) + read(top, left + 1) * right
    lower = read(top + 1, left) * (1 - right) + read(top + 1, left + 1) * right
    return np.asarray(upper * (1 - down) + lower * down)


def _round(x: Array) -> Array:
    """Round halves away from zero, as C does."""
    return np.trunc(x + np.copysign(x.dtype.type(0.5), x))


def _fold_back(x: Array, size: int, mode: FillMode) -> Array:
    """Map coordinates beyond the edges to those inside, or leave them with "constant"."""
    if mode == "constant":
        return x
    last = np.float32(size - 1)
    if mode == "nearest" or size == 1:
        return np.clip(x, 0, last)
    if mode == "reflect":
        period = np.float32(2 * size)
        negative = x + period * np.trunc(-x / period)
        negative = np.where(negative < -size, negative + period, -negative - 1)
        beyond = x - period * np.trunc(x / period)
        beyond = np.where(beyond >= size, period - beyond - 1, beyond)
    else:
        # The period is `size`, but TensorFlow counts periods in units of the distance between the edges.
        negative = x + np.float32(size) * (np.trunc(-x / last) + 1)
        beyond = x - np.float32(size) * np.trunc(x / last)
    folded = np.where(x < 0, negative, np.where(x > last, beyond, x))
    return np.clip(folded, 0, last)
