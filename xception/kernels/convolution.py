"""Convolutions: im2col and matrix products; depthwise convolution by one pass over each row."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .geometry import Array, Padding, Pair, output_size, pad, same_padding, window_extent, windows


def im2col(x: Array, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Array:
    """Lay out every "valid" window as a row of a matrix.

    Args:
        x: Maps, (n, h, w, c).
        window: Taps along each axis, (kh, kw).
        strides: Steps between windows.
        dilation: Distance between neighboring taps along each axis.

    Returns:
        (n·oh·ow, kh·kw·c); a view for a 1×1 window with strides of 1.
    """
    if window == (1, 1):
        return x[:, :: strides[0], :: strides[1]].reshape(-1, x.shape[-1])
    view = windows(x, window, strides, dilation)  # (n, oh, ow, kh, kw, c)
    return view.reshape(-1, window[0] * window[1] * x.shape[-1])


def conv2d(
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolve, with one matrix product for each image and group.

    Args:
        x: Maps, (n, h, w, c_in).
        kernel: (kh, kw, c_in / groups, c_out).
        strides: Steps between windows.
        padding: "same" or "valid".
        dilation: Distance between neighboring taps along each axis.
        groups: Number of groups. Each group of output channels reads one group of input channels.

    Returns:
        (n, oh, ow, c_out), of the promoted type of `x` and `kernel`.
    """
    kh, kw, c_in, c_out = kernel.shape
    if groups > 1 and groups == x.shape[-1]:  # one input channel per group: depthwise
        kernel = kernel.reshape(kh, kw, groups, c_out // groups)
        return depthwise_conv2d(x, kernel, strides, padding, dilation)
    if groups > 1:
        parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
        return np.concatenate([conv2d(*part, strides, padding, dilation) for part in parts], axis=-1)
    extent = window_extent((kh, kw), dilation)
    x = pad(x, extent, strides, padding)
    n, h, w, _ = x.shape
    oh, ow = output_size(h, extent[0], strides[0], "valid"), output_size(w, extent[1], strides[1], "valid")
    matrix = kernel.reshape(kh * kw * c_in, c_out)
    y = np.empty((n, oh, ow, c_out), np.result_type(x, kernel))
    for i in range(n):  # one image at a time: the columns take kh·kw times the memory of the map
        columns = im2col(x[i : i + 1], (kh, kw), strides, dilation)  # (oh·ow, kh·kw·c_in)
        np.matmul(columns, matrix, out=y[i].reshape(oh * ow, c_out))
    return y


def depthwise_conv2d(
    x: Array, kernel: Array, strides: Pair = (1, 1), padding: Padding = "valid", dilation: Pair = (1, 1)
) -> Array:
    """Convolve each channel with its own filters.

    Args:
        x: Maps, (n, h, w, c).
        kernel: (kh, kw, c, m), m filters for each channel.
        strides: Steps between windows.
        padding: "same" or "valid".
        dilation: Distance between neighboring taps along each axis.

    Returns:
        (n, oh, ow, c·m), of the promoted type of `x` and `kernel`.
    """
    kh, kw, c, m = kernel.shape
    extent = window_extent((kh, kw), dilation)
    x = np.ascontiguousarray(pad(x, extent, strides, padding))
    n, h, w, _ = x.shape
    oh, ow = output_size(h, extent[0], strides[0], "valid"), output_size(w, extent[1], strides[1], "valid")
    y = np.empty((n, oh, ow, c * m), np.result_type(x, kernel))
    if m == 1 and strides[1] == 1:
        repeated = repeat_along_row(kernel[..., 0], ow)  # (kh, kw, ow·c)
        for image, result in zip(x, y, strict=True):
            view = row_windows(image, (kh, kw), (oh, ow), strides[0], dilation)
            depthwise_rows(view, repeated, result.reshape(oh, ow * c))
    else:
        view = windows(x, (kh, kw), strides, dilation)  # (n, oh, ow, kh, kw, c)
        np.einsum("nhwyxc,yxcm->nhwcm", view, kernel, out=y.reshape(n, oh, ow, c, m))
    return y


# --- depthwise convolution, a row of outputs at a time ----------------------------------------
#
# With a horizontal stride of 1, the next output along a row reads the input c elements further on.
# So a row of outputs is one run of ow·c elements, each the sum over the taps of an input run times
# the kernel repeated ow times. einsum multiplies and adds in a single pass over contiguous memory.
# 19×19×728 takes 0.34 ms on one thread; nine multiplications and additions take 0.52.


def row_windows(x: Array, window: Pair, size: Pair, row_stride: int = 1, dilation: Pair = (1, 1)) -> Array:
    """Return a read-only view of the inputs of each row of outputs, tap by tap.

    Args:
        x: A map that begins at the corner of the first window, (h, w, c). The pixels of a row must be
            contiguous; the rows may lie apart.
        window: Taps along each axis, (kh, kw).
        size: (oh, ow) of the output. All windows must lie on the map.
        row_stride: Vertical step between windows. The horizontal one is 1.
        dilation: Distance between neighboring taps along each axis.

    Returns:
        (kh, kw, oh, ow·c), without a copy. Its elements overlap in memory.
    """
    (oh, ow), (dh, dw), c = size, dilation, x.shape[-1]
    in_row, in_pixel, in_element = x.strides
    shape, strides = (*window, oh, ow * c), (in_row * dh, in_pixel * dw, in_row * row_stride, in_element)
    return as_strided(x, shape, strides, writeable=False)


def repeat_along_row(weights: Array, width: int) -> Array:
    """Repeat per-channel weights for each pixel of a row.

    Args:
        weights: (..., c).
        width: Pixels in a row.

    Returns:
        (..., width·c).
    """
    return np.tile(weights, width)


def depthwise_rows(view: Array, repeated: Array, out: Array) -> None:
    """Convolve each channel with its own filter, a row of outputs at a time.

    Args:
        view: Inputs from `row_windows`, (kh, kw, oh, ow·c).
        repeated: Kernel from `repeat_along_row`, (kh, kw, ow·c).
        out: Receives the result, (oh, ow·c).
    """
    np.einsum("yxhl,yxl->hl", view, repeated, out=out)


# --- transposed convolution -------------------------------------------------------------------


def conv2d_transpose(x: Array, kernel: Array, strides: Pair, padding: Padding, size: Pair) -> Array:
    """Apply the adjoint of a convolution.

    Each pixel adds its multiple of the kernel to the window that the convolution would have read
    it from.

    Args:
        x: Maps, (n, h, w, c_in).
        kernel: (kh, kw, c_out, c_in).
        strides: Steps between windows, those of the convolution.
        padding: "same" or "valid", that of the convolution.
        size: (oh, ow) of the output, which the convolution would reduce to (h, w).

    Returns:
        (n, oh, ow, c_out), of the promoted type of `x` and `kernel`.
    """
    kh, kw, c_out, _ = kernel.shape
    (n, h, w, _), (sh, sw), (oh, ow) = x.shape, strides, size
    above = left = 0
    if padding == "same":
        above, left = same_padding(oh, kh, sh)[0], same_padding(ow, kw, sw)[0]
    reach = (h - 1) * sh + 1, (w - 1) * sw + 1  # from the first window's corner to past the last one's
    shape = n, max(reach[0] + kh - 1, above + oh), max(reach[1] + kw - 1, left + ow), c_out
    y = np.zeros(shape, np.result_type(x, kernel))
    for row, column in np.ndindex(kh, kw):
        part = y[:, row : row + reach[0] : sh, column : column + reach[1] : sw]
        part += x @ kernel[row, column].T
    whole = y.shape[1:3] == size
    return y if whole else y[:, above : above + oh, left : left + ow].copy()  # a view would keep all of y
