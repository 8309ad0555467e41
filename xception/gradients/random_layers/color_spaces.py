"""Hue, saturation and gray of RGB images, as TensorFlow computes them."""

from __future__ import annotations

import numpy as np

from ...kernels import Array

GRAY_WEIGHTS = (0.2989, 0.5870, 0.1140)  #: TensorFlow's weights of red, green and blue


def check_rgb(image: Array) -> None:
    """Raise ValueError unless an image (h, w, c) has three channels."""
    if image.shape[-1] != 3:
        raise ValueError(f"changes colors, so that it takes three channels, got {image.shape[-1]}")


def to_gray(image: Array) -> Array:
    """Return the weighted mean of the channels: (h, w, 3) -> (h, w, 1)."""
    check_rgb(image)
    return np.asarray(image @ np.array(GRAY_WEIGHTS, image.dtype))[..., None]


def to_hsv(image: Array) -> tuple[Array, Array, Array]:
    """Return hue in turns, saturation and value, each (h, w). The value has the unit of the pixels."""
    check_rgb(image)
    red, green, blue = np.moveaxis(image, -1, 0)
    value = image.max(axis=-1)
    spread = value - image.min(axis=-1)
    zero = image.dtype.type(0)
    saturation = np.divide(spread, value, out=np.zeros_like(value), where=value > 0)
    # Of equal maxima the first counts.
    sixths = np.where(red == value, green - blue, np.where(green == value, blue - red, red - green))
    sixths = np.divide(sixths, 6 * spread, out=np.zeros_like(value), where=spread > 0)
    offset = np.where(red == value, 0, np.where(green == value, 2 / 6, 4 / 6)).astype(image.dtype)
    hue = np.where(spread > 0, sixths + offset, zero)
    return np.where(hue < 0, hue + 1, hue), saturation, value


def from_hsv(hue: Array, saturation: Array, value: Array) -> Array:
    """Return the RGB image (h, w, 3) of hue in turns, saturation and value, each (h, w)."""
    sixths = 6 * hue
    shares = (np.abs(sixths - 3) - 1, 2 - np.abs(sixths - 2), 2 - np.abs(sixths - 4))
    gray = 1 - saturation
    return np.stack([(gray + saturation * np.clip(share, 0, 1)) * value for share in shares], axis=-1)
