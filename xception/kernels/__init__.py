"""Arrays in, arrays out: the arithmetic behind the layers.

Maps are (n, h, w, c), as Keras stores them; kernels are (kh, kw, c_in, c_out). Every function
keeps the floating-point type it is given, so that the same code serves float32 for speed and
float64 for judging.
"""

from .convolution import conv2d, conv2d_transpose, depthwise_conv2d, im2col
from .elementwise import relu, sigmoid, softmax
from .geometry import Array, Pair, fold, output_size, pad, same_padding, spread, windows
from .memory import aligned, whole_lines
from .pooling import average_pool2d, max_pool2d
from .resizing import INTERPOLATIONS, resize

__all__ = [
    "INTERPOLATIONS",
    "Array",
    "Pair",
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
