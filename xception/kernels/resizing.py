"""Image resizing as in `tf.image.resize` (half-pixel centers).

Resizing is separable: along each axis an output pixel is a weighted sum of a few input pixels.
Sample positions are computed in float32, as TensorFlow does. In float64 some of them would be rounded to
another pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .geometry import Array, Pair

Interpolation = Literal["nearest", "area", "bilinear", "bicubic", "lanczos3", "lanczos5"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)  #: accepted by `resize`

Taps = tuple[NDArray[np.intp], Array]  #: input pixels and their weights, both (out, taps)


def resize(x: Array, size: Pair, interpolation: Interpolation = "bilinear", antialias: bool = False) -> Array:
    """Resize a batch of maps.

    Args:
        x: Maps, (n, h, w, c).
        size: (oh, ow) of the result.
        interpolation: One of `INTERPOLATIONS`.
        antialias: Widen the interpolation kernel when shrinking. No effect on "nearest" and
            "area".

    Returns:
        (n, oh, ow, c); `x` itself if it already has this size.

    Examples:
        >>> row = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
        >>> resize(row, (1, 4)).ravel().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    for axis, (before, after) in enumerate(zip(x.shape[1:3], size, strict=True), start=1):
        if before != after:
            x = resample(x, find_taps(before, after, interpolation, antialias), axis)
    return x


def resample(x: NDArray[Any], taps: Taps, axis: int) -> Array:
    """Replace an axis by weighted sums of its elements.

    Args:
        x: An array. Integers are computed in float32.
        taps: The elements and their weights, as `find_taps` returns them.
        axis: The axis.

    Returns:
        An array with as many elements along the axis as there are taps.
    """
    pixels, weights = taps
    dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.float32
    shape = [1] * x.ndim
    shape[axis] = len(pixels)
    columns = zip(pixels.T, weights.T.astype(dtype), strict=True)
    parts = (np.take(x, pixel, axis) * weight.reshape(shape) for pixel, weight in columns)
    y: Array = next(parts)
    for part in parts:  # one at a time, to save memory
        y += part
    return y


def count_taps(before: int, after: int, interpolation: Interpolation, antialias: bool = False) -> int:
    """Return how many input pixels an output pixel is computed from, along one axis.

    Args:
        before: Size of the axis.
        after: Its new size.
        interpolation: One of `INTERPOLATIONS`.
        antialias: Whether the kernel is widened when the axis shrinks.
    """
    if before == after:
        return 0
    scale = max(before / after, 1)
    if interpolation == "nearest":
        return 1
    if interpolation == "area":
        return math.ceil(before / after) + 1
    return 2 * math.ceil(KERNELS[interpolation][1] * (scale if antialias else 1)) + 1


def find_taps(before: int, after: int, interpolation: Interpolation, antialias: bool = False) -> Taps:
    """Return the taps that resize an axis.

    Args:
        before: Size of the axis.
        after: Its new size.
        interpolation: One of `INTERPOLATIONS`.
        antialias: Whether the kernel is widened when the axis shrinks.
    """
    scale = np.float32(before) / np.float32(after)
    if interpolation == "nearest":
        pixels = np.floor(_centers(after) * scale).astype(np.intp)
        return np.minimum(pixels, before - 1)[:, None], np.ones((after, 1), np.float32)
    if interpolation == "area":
        return _areas(before, after, scale)
    kernel, radius = KERNELS[interpolation]
    position = _centers(after) * scale - np.float32(0.5)  # 0 is the center of the first pixel
    if interpolation == "bicubic" and not antialias:
        whole = np.floor(position)  # TensorFlow tabulates the kernel at 1024 positions per pixel
        position = whole + np.rint((position - whole) * 1024) / np.float32(1024)
    stretch = max(scale, np.float32(1)) if antialias else np.float32(1)
    first = np.ceil(position - radius * stretch).astype(np.intp)
    pixels = first[:, None] + np.arange(2 * math.ceil(radius * stretch) + 1)
    weights = kernel(np.abs((pixels - position[:, None]) / stretch).astype(np.float32))
    weights[(pixels < 0) | (pixels >= before)] = 0
    return np.clip(pixels, 0, before - 1), weights / weights.sum(axis=1, keepdims=True)


def _centers(count: int) -> Array:
    return np.arange(count, dtype=np.float32) + np.float32(0.5)


def _areas(before: int, after: int, scale: np.float32) -> Taps:
    """Return the taps of "area": the mean of the input pixels, or parts of them, under an output pixel."""
    start = np.arange(after, dtype=np.float32) * scale
    end = np.arange(1, after + 1, dtype=np.float32) * scale
    pixels = np.floor(start).astype(np.intp)[:, None] + np.arange(math.ceil(scale) + 1)
    overlap = np.minimum(pixels + 1, end[:, None]) - np.maximum(pixels, start[:, None])
    return np.minimum(pixels, before - 1), np.maximum(overlap, 0).astype(np.float32) / scale


# --- interpolation kernels: weight by distance ------------------------------------------------


def _triangle(distance: Array) -> Array:
    return np.maximum(1 - distance, 0)


def _cubic(x: Array) -> Array:
    """Keys's cubic kernel with a = −1/2."""
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(x <= radius, np.sinc(x) * np.sinc(x / radius), 0)


#: {interpolation: (weight by distance, radius beyond which it is 0)}
KERNELS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}
