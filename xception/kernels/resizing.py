"""Maps of another size, as `tf.image.resize` makes them: pixels are squares, not points.

Each output pixel is a weighted sum of a few input pixels down and of a few along. Positions are
computed in float32, as TensorFlow computes them: where they fall between two pixels decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .geometry import Array, Pair

Taps = tuple[NDArray[np.intp], Array]  #: which pixels, and how much of each: both (out, taps)


def resize(x: Array, size: Pair, interpolation: str = "bilinear", antialias: bool = False) -> Array:
    """(n, h, w, c) -> (n, *size, c)."""
    for axis, (before, after) in enumerate(zip(x.shape[1:3], size, strict=True), start=1):
        if before != after:
            pixels, weights = _taps(before, after, interpolation, antialias)
            shape = (1,) * axis + (after,) + (1,) * (3 - axis)
            taps = zip(pixels.T, weights.T.astype(x.dtype), strict=True)
            parts = [np.take(x, pixel, axis) * weight.reshape(shape) for pixel, weight in taps]
            x = np.add.reduce(parts)
    return x


def _taps(before: int, after: int, interpolation: str, antialias: bool) -> Taps:
    scale = np.float32(before) / np.float32(after)
    if interpolation == "nearest":
        pixels = np.floor(_centres(after) * scale).astype(np.intp)
        return np.minimum(pixels, before - 1)[:, None], np.ones((after, 1), np.float32)
    if interpolation == "area":
        return _areas(before, after, scale)
    kernel, radius = KERNELS[interpolation]
    position = _centres(after) * scale - np.float32(0.5)  # 0 is the middle of the first pixel
    if interpolation == "bicubic" and not antialias:
        whole = np.floor(position)  # TensorFlow looks the kernel up in a table of 1024 positions
        position = whole + np.rint((position - whole) * 1024) / np.float32(1024)
    stretch = max(scale, np.float32(1)) if antialias else np.float32(1)
    first = np.ceil(position - radius * stretch).astype(np.intp)
    pixels = first[:, None] + np.arange(2 * math.ceil(radius * stretch) + 1)
    weights = kernel(np.abs((pixels - position[:, None]) / stretch).astype(np.float32))
    weights[(pixels < 0) | (pixels >= before)] = 0
    return np.clip(pixels, 0, before - 1), weights / weights.sum(axis=1, keepdims=True)


def _centres(count: int) -> Array:
    return np.arange(count, dtype=np.float32) + np.float32(0.5)


def _areas(before: int, after: int, scale: np.float32) -> Taps:
    """The mean of what lies under each output pixel, fractions of pixels included."""
    start = np.arange(after, dtype=np.float32) * scale
    end = np.arange(1, after + 1, dtype=np.float32) * scale
    pixels = np.floor(start).astype(np.intp)[:, None] + np.arange(math.ceil(scale) + 1)
    overlap = np.minimum(pixels + 1, end[:, None]) - np.maximum(pixels, start[:, None])
    return np.minimum(pixels, before - 1), np.maximum(overlap, 0).astype(np.float32) / scale


# --- how much a pixel counts, by its distance ------------------------------------------------


def _triangle(distance: Array) -> Array:
    return np.maximum(1 - distance, 0)


def _cubic(x: Array) -> Array:
    """Keys's, with a slope of −1/2."""
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(x <= radius, np.sinc(x) * np.sinc(x / radius), 0)


#: {interpolation: (weight by distance, the distance from which it is nothing)}
KERNELS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}
INTERPOLATIONS = ("nearest", "area", *KERNELS)
