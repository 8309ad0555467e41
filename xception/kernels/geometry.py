"""Window geometry: output sizes, padding, sliding windows and their adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[np.floating]
Pair = tuple[int, int]  #: (vertical, horizontal)
Padding = Literal["same", "valid"]  #: TensorFlow's two rules for windows at the edge of a map


def output_size(size: int, window: int, stride: int, padding: Padding) -> int:
    """Return the number of window positions along one axis, by TensorFlow's rule.

    Args:
        size: Length of the axis.
        window: Length of the window, dilation included.
        stride: Step between windows.
        padding: "same" or "valid".

    Returns:
        The output length; 0 if a "valid" window does not fit.

    Examples:
        >>> output_size(299, window=3, stride=2, padding="valid")
        149
        >>> output_size(299, window=3, stride=2, padding="same")
        150
    """
    if padding == "same":
        return -(-size // stride)
    return max(-(-(size - window + 1) // stride), 0)


def same_padding(size: int, window: int, stride: int) -> Pair:
    """Return the padding that "same" adds before and after an axis.

    If the total is odd, the extra element goes after the axis, as in TensorFlow.

    Args:
        size: Length of the axis.
        window: Length of the window, dilation included.
        stride: Step between windows.

    Returns:
        (before, after), in elements.

    Examples:
        >>> same_padding(19, window=3, stride=1)
        (1, 1)
        >>> same_padding(38, window=3, stride=2)
        (0, 1)
    """
    total = max((output_size(size, window, stride, "same") - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def window_extent(window: Pair, dilation: Pair) -> Pair:
    """Return the extent of a dilated window.

    Args:
        window: Taps along each axis.
        dilation: Distance between neighboring taps along each axis, in pixels.

    Returns:
        The pixels from the first tap to the last, both included, along each axis.
    """
    return (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1


def pad(x: Array, window: Pair, strides: Pair, padding: Padding, value: float = 0.0) -> Array:
    """Pad a batch of maps as `padding` requires.

    Args:
        x: Maps, (n, h, w, c).
        window: Extent of the window, dilation included.
        strides: Steps between windows.
        padding: "same" or "valid".
        value: The padding value.

    Returns:
        The padded maps, (n, h', w', c); `x` itself if no padding is needed.
    """
    if padding == "valid":
        return x
    _, h, w, _ = x.shape
    border = ((0, 0), same_padding(h, window[0], strides[0]), same_padding(w, window[1], strides[1]), (0, 0))
    if not any(map(any, border)):
        return x
    return np.pad(x, border, constant_values=value)


def windows(x: Array, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Array:
    """Return a read-only view of every "valid" window.

    Args:
        x: Maps, (n, h, w, c).
        window: Taps along each axis, (kh, kw).
        strides: Steps between windows.
        dilation: Distance between neighboring taps along each axis.

    Returns:
        (n, oh, ow, kh, kw, c), without a copy.
    """
    n, h, w, c = x.shape
    (sh, sw), (dh, dw) = strides, dilation
    extent = window_extent(window, dilation)
    oh, ow = output_size(h, extent[0], sh, "valid"), output_size(w, extent[1], sw, "valid")
    in_n, in_h, in_w, in_c = x.strides
    return as_strided(
        x, (n, oh, ow, *window, c), (in_n, in_h * sh, in_w * sw, in_h * dh, in_w * dw, in_c), writeable=False
    )


def fold(
    part: Callable[[int, int], Array],
    size: Pair,
    window: Pair,
    strides: Pair,
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
) -> Array:
    """Sum overlapping windows into a map (col2im): the adjoint of `pad` and `windows`.

    Args:
        part: `part(row, column)` returns the values of all windows at one tap, (n, oh, ow, c). One tap
            at a time, so that no array of all windows is needed.
        size: (h, w) of the map that the windows were taken from.
        window: Taps along each axis, (kh, kw).
        strides: Steps between windows.
        padding: "same" or "valid".
        dilation: Distance between neighboring taps along each axis.

    Returns:
        For each pixel the sum over all windows that contain it, (n, h, w, c).
    """
    (h, w), (sh, sw), (dh, dw) = size, strides, dilation
    extent = window_extent(window, dilation)
    above = below = left = right = 0
    if padding == "same":
        (above, below), (left, right) = same_padding(h, extent[0], sh), same_padding(w, extent[1], sw)
    y: Array | None = None
    for row, column in np.ndindex(window):
        values = part(row, column)
        n, oh, ow, c = values.shape
        if y is None:
            y = np.zeros((n, above + h + below, left + w + right, c), values.dtype)
        top, first = row * dh, column * dw
        y[:, top : top + (oh - 1) * sh + 1 : sh, first : first + (ow - 1) * sw + 1 : sw] += values
    assert y is not None  # a window has at least one tap
    return y[:, above : above + h, left : left + w]
