"""Where windows stand on a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[np.floating]
Pair = tuple[int, int]


def output_size(size: int, window: int, stride: int, padding: str) -> int:
    """How many windows fit along one axis, by TensorFlow's rule for 'same' and 'valid'."""
    if padding == "same":
        return -(-size // stride)
    return max(-(-(size - window + 1) // stride), 0)


def same_padding(size: int, window: int, stride: int) -> Pair:
    """Pixels that 'same' adds before and after an axis; TensorFlow puts the odd one after."""
    total = max((output_size(size, window, stride, "same") - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def spread(window: Pair, dilation: Pair) -> Pair:
    """What a window covers whose taps stand `dilation` pixels apart."""
    return (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1


def pad(x: Array, window: Pair, strides: Pair, padding: str, value: float = 0.0) -> Array:
    """(n, h, w, c) with the border that `padding` asks for; `x` itself where it asks for none."""
    if padding == "valid":
        return x
    _, h, w, _ = x.shape
    border = ((0, 0), same_padding(h, window[0], strides[0]), same_padding(w, window[1], strides[1]), (0, 0))
    if not any(map(any, border)):
        return x
    return np.pad(x, border, constant_values=value)


def windows(x: Array, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Array:
    """A view of every window: (n, h, w, c) -> (n, oh, ow, kh, kw, c), nothing copied."""
    n, h, w, c = x.shape
    (sh, sw), (dh, dw) = strides, dilation
    covered = spread(window, dilation)
    oh, ow = output_size(h, covered[0], sh, "valid"), output_size(w, covered[1], sw, "valid")
    in_n, in_h, in_w, in_c = x.strides
    return as_strided(
        x, (n, oh, ow, *window, c), (in_n, in_h * sh, in_w * sw, in_h * dh, in_w * dw, in_c), writeable=False
    )


def fold(
    part: Callable[[int, int], Array],
    size: Pair,
    window: Pair,
    strides: Pair,
    padding: str = "valid",
    dilation: Pair = (1, 1),
) -> Array:
    """The way back of `pad` and `windows`: what every window holds, added to the pixels it came from.

    part(row, column): of each window what stands at this place, (n, oh, ow, c).
    size: (h, w) of the map that the windows stand on. Returns (n, h, w, c).
    """
    (h, w), (sh, sw), (dh, dw) = size, strides, dilation
    covered = spread(window, dilation)
    above = below = left = right = 0
    if padding == "same":
        (above, below), (left, right) = same_padding(h, covered[0], sh), same_padding(w, covered[1], sw)
    y: Array | None = None
    for row, column in np.ndindex(window):
        held = part(row, column)
        n, oh, ow, c = held.shape
        if y is None:
            y = np.zeros((n, above + h + below, left + w + right, c), held.dtype)
        top, first = row * dh, column * dw
        y[:, top : top + (oh - 1) * sh + 1 : sh, first : first + (ow - 1) * sw + 1 : sw] += held
    assert y is not None  # a window has pixels
    return y[:, above : above + h, left : left + w]
