"""Gradients of convolutions with respect to their kernels.

A kernel's gradient is the correlation of the input with dL/dy: at each tap, the sum over all windows of the
pixel that the tap has read, times dL/dy.
"""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..kernels import Array, Padding, Pair
from ..kernels.convolution import row_windows

Geometry = tuple[Pair, Padding, Pair]  #: (strides, padding, dilation)


def convolution_kernel_gradient(dy: Array, x: Array, window: Pair, geometry: Geometry) -> Array:
    """Compute dL/dkernel of a convolution with one group.

    Args:
        dy: dL/dy (n, oh, ow, c_out).
        x: The input (n, h, w, c_in).
        window: Taps along each axis, (kh, kw).
        geometry: (strides, padding, dilation).

    Returns:
        (kh, kw, c_in, c_out), summed over the batch.
    """
    strides, padding, dilation = geometry
    (n, _, _, c_in), c_out = x.shape, dy.shape[-1]
    x = kernels.pad(x, kernels.window_extent(window, dilation), strides, padding)
    if window == (1, 1):
        columns = kernels.im2col(x, window, strides)  # (n·oh·ow, c_in)
        return (columns.T @ dy.reshape(-1, c_out)).reshape(1, 1, c_in, c_out)
    gradient = np.zeros((window[0] * window[1] * c_in, c_out), np.result_type(x, dy))
    for i in range(n):  # one image at a time: the columns take kh·kw times the memory of the map
        columns = kernels.im2col(x[i : i + 1], window, strides, dilation)  # (oh·ow, kh·kw·c_in)
        gradient += columns.T @ dy[i].reshape(-1, c_out)
    return gradient.reshape(*window, c_in, c_out)


def depthwise_kernel_gradient(dy: Array, x: Array, window: Pair, geometry: Geometry) -> Array:
    """Compute dL/dkernel of a depthwise convolution.

    Args:
        dy: dL/dy (n, oh, ow, c · m), with the depth multiplier m.
        x: The input (n, h, w, c).
        window: Taps along each axis, (kh, kw).
        geometry: (strides, padding, dilation).

    Returns:
        (kh, kw, c, m), summed over the batch.
    """
    strides, padding, dilation = geometry
    (n, oh, ow, _), c = dy.shape, x.shape[-1]
    m = dy.shape[-1] // c
    x = np.ascontiguousarray(kernels.pad(x, kernels.window_extent(window, dilation), strides, padding))
    if m == 1 and strides[1] == 1:
        gradient = np.zeros((*window, c), np.result_type(x, dy))
        for image, d_image in zip(x, dy, strict=True):
            view = row_windows(image, window, (oh, ow), strides[0], dilation)  # (kh, kw, oh, ow·c)
            runs = np.einsum("yxhl,hl->yxl", view, d_image.reshape(oh, ow * c))  # a pass over whole rows
            gradient += runs.reshape(*window, ow, c).sum(axis=2)
        return gradient[..., None]
    view = kernels.windows(x, window, strides, dilation)  # (n, oh, ow, kh, kw, c)
    return np.einsum("nhwyxc,nhwcm->yxcm", view, dy.reshape(n, oh, ow, c, m))
