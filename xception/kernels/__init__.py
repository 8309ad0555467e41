"""Numerical kernels: functions from arrays to arrays, and the backends of the quick forward pass.

Maps are (n, h, w, c), as in Keras; kernels are (kh, kw, c_in, c_out). The functions keep the
floating-point type of their arguments: one code serves float32 for speed and float64 as reference.
"""

from .backend import Backend, Call, Epilogue, Step, Target
from .convolution import conv2d, conv2d_transpose, depthwise_conv2d, im2col
from .elementwise import relu, sigmoid, softmax
from .geometry import Array, Pair, fold, output_size, pad, same_padding, spread, windows
from .memory import aligned, whole_lines
from .numpy_backend import NUMPY, NumPyBackend
from .pooling import average_pool2d, max_pool2d
from .resizing import INTERPOLATIONS, resize

__all__ = [
    "INTERPOLATIONS",
    "NUMPY",
    "Array",
    "Backend",
    "Call",
    "Epilogue",
    "NumPyBackend",
    "Pair",
    "Step",
    "Target",
    "aligned",
    "average_pool2d",
    "conv2d",
    "conv2d_transpose",
    "depthwise_conv2d",
    "fold",
    "im2col",
    "max_pool2d",
    "output_size",
    "pad",
    "relu",
    "resize",
    "same_padding",
    "sigmoid",
    "softmax",
    "spread",
    "whole_lines",
    "windows",
]
