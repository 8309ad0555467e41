"""Max and average pooling."""

from __future__ import annotations

import numpy as np

from .geometry import Array, Padding, Pair, output_size, pad, same_padding, windows


def max_pool2d(x: Array, window: Pair, strides: Pair, padding: Padding = "valid") -> Array:
    """Take the maximum of each window. Padding is never the maximum.

    Args:
        x: Maps, (n, h, w, c).
        window: (kh, kw).
        strides: Steps between windows.
        padding: "same" or "valid".

    Returns:
        (n, oh, ow, c), of the type of `x`.
    """
    view = windows(pad(x, window, strides, padding, value=-np.inf), window, strides)
    y = view[:, :, :, 0, 0].copy()  # (n, oh, ow, c)
    for row, column in np.ndindex(window):
        np.maximum(y, view[:, :, :, row, column], out=y)
    return y


def average_pool2d(x: Array, window: Pair, strides: Pair, padding: Padding = "valid") -> Array:
    """Take the mean of each window. Padding is excluded from the mean, as in TensorFlow.

    Args:
        x: Maps, (n, h, w, c).
        window: (kh, kw).
        strides: Steps between windows.
        padding: "same" or "valid".

    Returns:
        (n, oh, ow, c), of the type of `x`.
    """
    _, h, w, _ = x.shape
    view = windows(pad(x, window, strides, padding), window, strides)
    y = np.zeros_like(view[:, :, :, 0, 0])  # (n, oh, ow, c)
    for row, column in np.ndindex(window):
        y += view[:, :, :, row, column]
    rows, columns = _counts(h, window[0], strides[0], padding), _counts(w, window[1], strides[1], padding)
    y /= np.outer(rows, columns)[..., None].astype(y.dtype)  # (oh, ow, 1)
    return y


def _counts(size: int, window: int, stride: int, padding: Padding) -> Array:
    """Return how many elements of each window lie on the map, along one axis: (output size,)."""
    before = same_padding(size, window, stride)[0] if padding == "same" else 0
    starts = np.arange(output_size(size, window, stride, padding)) * stride - before
    return np.minimum(starts + window, size) - np.maximum(starts, 0)
