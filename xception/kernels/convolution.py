"""Convolutions: plain ones as matrix products, depthwise ones as sums."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .geometry import Array, Pair, output_size, pad, same_padding, spread, windows


def im2col(x: Array, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Array:
    """One row a window: (n, h, w, c) -> (n·oh·ow, kh·kw·c); no copy for a 1×1 at stride 1."""
    if window == (1, 1):
        return x[:, :: strides[0], :: strides[1]].reshape(-1, x.shape[-1])
    view = windows(x, window, strides, dilation)  # (n, oh, ow, kh, kw, c)
    return view.reshape(-1, window[0] * window[1] * x.shape[-1])


def conv2d(
    x: Array,
    kernel: Array,
    strides: Pair = (1, 1),
    padding: str = "valid",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolution as one matrix product a group: (n, h, w, c_in) -> (n, oh, ow, c_out).

    kernel: (kh, kw, c_in / groups, c_out); each group of outputs reads a group of inputs.
    """
    kh, kw, c_in, c_out = kernel.shape
    if groups > 1 and groups == x.shape[-1]:  # a channel each: c_in is 1
        kernel = kernel.reshape(kh, kw, groups, c_out // groups)
        return depthwise_conv2d(x, kernel, strides, padding, dilation)
    if groups > 1:
        parts = zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
        return np.concatenate([conv2d(*part, strides, padding, dilation) for part in parts], axis=-1)
    covered = spread((kh, kw), dilation)
    x = pad(x, covered, strides, padding)
    n, h, w, _ = x.shape
    oh, ow = output_size(h, covered[0], strides[0], "valid"), output_size(w, covered[1], strides[1], "valid")
    matrix = kernel.reshape(kh * kw * c_in, c_out)
    y = np.empty((n, oh, ow, c_out), np.result_type(x, kernel))
    for i in range(n):  # an image at a time: the columns take kh·kw times the memory of the map
        columns = im2col(x[i : i + 1], (kh, kw), strides, dilation)  # (oh·ow, kh·kw·c_in)
        np.matmul(columns, matrix, out=y[i].reshape(oh * ow, c_out))
    return y


def depthwise_conv2d(
    x: Array, kernel: Array, strides: Pair = (1, 1), padding: str = "valid", dilation: Pair = (1, 1)
) -> Array:
    """Each channel with filters of its own: (n, h, w, c), (kh, kw, c, m) -> (n, oh, ow, c·m)."""
    kh, kw, c, m = kernel.shape
    covered = spread((kh, kw), dilation)
    x = np.ascontiguousarray(pad(x, covered, strides, padding))
    n, h, w, _ = x.shape
    oh, ow = output_size(h, covered[0], strides[0], "valid"), output_size(w, covered[1], strides[1], "valid")
    y = np.empty((n, oh, ow, c * m), np.result_type(x, kernel))
    if m == 1 and strides[1] == 1:
        # Along a row, the next output reads what stands c elements further on. So a row of
        # outputs is one run of ow·c numbers, against the kernel repeated ow times: einsum
        # multiplies and adds it in a single pass over contiguous memory.
        in_n, in_h, in_w, in_c = x.strides
        (dh, dw), sh = dilation, strides[0]
        view = as_strided(
            x, (n, kh, kw, oh, ow * c), (in_n, in_h * dh, in_w * dw, in_h * sh, in_c), writeable=False
        )
        repeated = np.tile(kernel[..., 0], (1, 1, ow))  # (kh, kw, ow·c)
        for i in range(n):
            np.einsum("yxhl,yxl->hl", view[i], repeated, out=y[i].reshape(oh, ow * c))
    else:
        view = windows(x, (kh, kw), strides, dilation)  # (n, oh, ow, kh, kw, c)
        np.einsum("nhwyxc,yxcm->nhwcm", view, kernel, out=y.reshape(n, oh, ow, c, m))
    return y


def conv2d_transpose(x: Array, kernel: Array, strides: Pair, padding: str, size: Pair) -> Array:
    """What a convolution's gradient does: (n, h, w, c_in), (kh, kw, c_out, c_in) -> (n, *size, c_out).

    Every pixel adds its multiple of the kernel to the window that the convolution from a map of
    `size` would have read it from.
    """
    kh, kw, c_out, _ = kernel.shape
    (n, h, w, _), (sh, sw), (oh, ow) = x.shape, strides, size
    above = left = 0
    if padding == "same":
        above, left = same_padding(oh, kh, sh)[0], same_padding(ow, kw, sw)[0]
    reach = (h - 1) * sh + 1, (w - 1) * sw + 1  # from the first window's corner to behind the last's
    shape = n, max(reach[0] + kh - 1, above + oh), max(reach[1] + kw - 1, left + ow), c_out
    y = np.zeros(shape, np.result_type(x, kernel))
    for row, column in np.ndindex(kh, kw):
        part = y[:, row : row + reach[0] : sh, column : column + reach[1] : sw]
        part += x @ kernel[row, column].T
    return y[:, above : above + oh, left : left + ow]
