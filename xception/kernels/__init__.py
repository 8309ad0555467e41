"""Numerical kernels: functions from arrays to arrays, and the backends of the quick forward pass.

Maps are (n, h, w, c), as in Keras; kernels are (kh, kw, c_in, c_out). The functions keep the
floating-point type of their arguments: the same code computes in float32 for speed, and in float64 as
a reference.
"""

from .backend import Backend, Call, Epilogue, Step, Target
from .convolution import conv2d, conv2d_transpose, depthwise_conv2d, im2col
from .elementwise import relu, sigmoid, softmax
from .geometry import Array, Padding, Pair, fold, output_size, pad, same_padding, window_extent, windows
from .memory import aligned, whole_lines
from .numpy_backend import NUMPY, NumPyBackend
from .pooling import average_pool2d, max_pool2d
from .resizing import INTERPOLATIONS, Interpolation, Taps, count_taps, find_taps, resample, resize

__all__ = [
    "INTERPOLATIONS",
    "NUMPY",
    "Array",
    "Backend",
    "Call",
    "Epilogue",
    "Interpolation",
    "NumPyBackend",
    "Padding",
    "Pair",
    "Step",
    "Taps",
    "Target",
    "aligned",
    "average_pool2d",
    "conv2d",
    "conv2d_transpose",
    "count_taps",
    "depthwise_conv2d",
    "find_taps",
    "fold",
    "im2col",
    "max_pool2d",
    "output_size",
    "pad",
    "relu",
    "resample",
    "resize",
    "same_padding",
    "sigmoid",
    "softmax",
    "whole_lines",
    "window_extent",
    "windows",
]
