"""Arrays in, arrays out: the arithmetic behind the layers.

Maps are (n, h, w, c), as Keras stores them; kernels are (kh, kw, c_in, c_out). Every function
keeps the floating-point type it is given, so that the same code serves float32 for speed and
float64 for judging.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array = NDArray[np.floating]
Pair = tuple[int, int]


# --- geometry -------------------------------------------------------------------------------


def output_size(size: int, window: int, stride: int, padding: str) -> int:
    """How many windows fit along one axis, by TensorFlow's rule for 'same' and 'valid'."""
    if padding == "same":
        return -(-size // stride)
    return max(-(-(size - window + 1) // stride), 0)


def same_padding(size: int, window: int, stride: int) -> Pair:
    """Pixels that 'same' adds before and after an axis; TensorFlow puts the odd one after."""
    total = max((output_size(size, window, stride, "same") - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def pad(x: Array, window: Pair, strides: Pair, padding: str, value: float = 0.0) -> Array:
    """(n, h, w, c) with the border that `padding` asks for; `x` itself where it asks for none."""
    if padding == "valid":
        return x
    _, h, w, _ = x.shape
    border = ((0, 0), same_padding(h, window[0], strides[0]), same_padding(w, window[1], strides[1]), (0, 0))
    if not any(map(any, border)):
        return x
    return np.pad(x, border, constant_values=value)


def windows(x: Array, window: Pair, strides: Pair) -> Array:
    """A view of every window: (n, h, w, c) -> (n, oh, ow, kh, kw, c), nothing copied."""
    n, h, w, c = x.shape
    (kh, kw), (sh, sw) = window, strides
    oh, ow = output_size(h, kh, sh, "valid"), output_size(w, kw, sw, "valid")
    in_n, in_h, in_w, in_c = x.strides
    return as_strided(
        x, (n, oh, ow, kh, kw, c), (in_n, in_h * sh, in_w * sw, in_h, in_w, in_c), writeable=False
    )


# --- convolution ----------------------------------------------------------------------------


def im2col(x: Array, window: Pair, strides: Pair) -> Array:
    """One row a window: (n, h, w, c) -> (n·oh·ow, kh·kw·c); no copy for a 1×1 at stride 1."""
    if window == (1, 1):
        return x[:, :: strides[0], :: strides[1]].reshape(-1, x.shape[-1])
    view = windows(x, window, strides)  # (n, oh, ow, kh, kw, c)
    return view.reshape(-1, window[0] * window[1] * x.shape[-1])


def conv2d(x: Array, kernel: Array, strides: Pair = (1, 1), padding: str = "valid") -> Array:
    """Convolution as one matrix product: (n, h, w, c_in) -> (n, oh, ow, c_out)."""
    kh, kw, c_in, c_out = kernel.shape
    x = pad(x, (kh, kw), strides, padding)
    n, h, w, _ = x.shape
    oh, ow = output_size(h, kh, strides[0], "valid"), output_size(w, kw, strides[1], "valid")
    matrix = kernel.reshape(kh * kw * c_in, c_out)
    y = np.empty((n, oh, ow, c_out), np.result_type(x, kernel))
    for i in range(n):  # an image at a time: the columns take kh·kw times the memory of the map
        columns = im2col(x[i : i + 1], (kh, kw), strides)  # (oh·ow, kh·kw·c_in)
        np.matmul(columns, matrix, out=y[i].reshape(oh * ow, c_out))
    return y


def depthwise_conv2d(x: Array, kernel: Array, strides: Pair = (1, 1), padding: str = "valid") -> Array:
    """Each channel with filters of its own: (n, h, w, c), (kh, kw, c, m) -> (n, oh, ow, c·m)."""
    kh, kw, c, m = kernel.shape
    x = np.ascontiguousarray(pad(x, (kh, kw), strides, padding))
    n, h, w, _ = x.shape
    oh, ow = output_size(h, kh, strides[0], "valid"), output_size(w, kw, strides[1], "valid")
    y = np.empty((n, oh, ow, c * m), np.result_type(x, kernel))
    if m == 1 and strides[1] == 1:
        # Along a row, the next output reads what stands c elements further on. So a row of
        # outputs is one run of ow·c numbers, against the kernel repeated ow times: einsum
        # multiplies and adds it in a single pass over contiguous memory.
        in_n, in_h, in_w, in_c = x.strides
        view = as_strided(
            x, (n, kh, kw, oh, ow * c), (in_n, in_h, in_w, in_h * strides[0], in_c), writeable=False
        )
        repeated = np.tile(kernel[..., 0], (1, 1, ow))  # (kh, kw, ow·c)
        for i in range(n):
            np.einsum("yxhl,yxl->hl", view[i], repeated, out=y[i].reshape(oh, ow * c))
    else:
        view = windows(x, (kh, kw), strides)  # (n, oh, ow, kh, kw, c)
        np.einsum("nhwyxc,yxcm->nhwcm", view, kernel, out=y.reshape(n, oh, ow, c, m))
    return y


# --- pooling --------------------------------------------------------------------------------


def max_pool2d(x: Array, window: Pair, strides: Pair, padding: str = "valid") -> Array:
    """The greatest of each window: (n, h, w, c) -> (n, oh, ow, c). Padding never wins."""
    view = windows(pad(x, window, strides, padding, value=-np.inf), window, strides)
    y = view[:, :, :, 0, 0].copy()  # (n, oh, ow, c)
    for row in range(window[0]):
        for column in range(window[1]):
            np.maximum(y, view[:, :, :, row, column], out=y)
    return y


# --- element by element ---------------------------------------------------------------------


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    from scipy.special import expit  # does not overflow, whatever the sign

    return expit(x)


def softmax(x: Array) -> Array:
    """Over the last axis; the greatest logit is taken off first, so that nothing overflows."""
    y = np.exp(x - x.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y
