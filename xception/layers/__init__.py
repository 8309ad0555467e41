"""Keras's layers, each a small frozen dataclass with Keras's name.

A layer holds its settings, under the names in Keras's `get_config`, and nothing else. Its methods give
the parameters that it needs for an input of a given shape, the shape of its output, and the plain
forward pass in any floating-point type. Arrays of parameters, and the layer's place in a network, are
kept elsewhere.

Shapes are those of one example, without the batch axis: (h, w, c) for feature maps, (c,) for
vectors. `None` is a size that is unknown until an input arrives. Arrays do have the batch axis:
(n, h, w, c), (n, c). Axes in settings are counted as in Keras, with the batch axis as 0.

Examples:
    >>> from xception.layers import SeparableConv2D
    >>> layer = SeparableConv2D(64, 3, padding="same")
    >>> layer.output_shape((32, 32, 16))
    (32, 32, 64)
    >>> {name: parameter.shape for name, parameter in layer.parameters((32, 32, 16)).items()}
    {'depthwise_kernel': (3, 3, 16, 1), 'pointwise_kernel': (1, 1, 16, 64), 'bias': (64,)}
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .activations import ACTIVATIONS, ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .convolutional import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from .core import Arithmetic, Dense, Identity, Input
from .merging import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from .normalization import BatchNormalization, GroupNormalization, LayerNormalization, UnitNormalization
from .pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from .regularization import TRAINING_ONLY, Dropout, TrainingOnly
from .shapes import array_axes, pair
from .validation import NestedFloats

if TYPE_CHECKING:
    from .cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
    from .preprocessing import CenterCrop, Normalization, Rescaling, Resizing
    from .recurrent import GRU, LSTM, RNN, Bidirectional, SimpleRNN
    from .reshaping import Cropping2D, Flatten, Permute, RepeatVector, Reshape, UpSampling2D, ZeroPadding2D
    from .time_distributed import TimeDistributed

#: Classes that Xception does not use, by module. They are imported on first access, to keep start-up short.
_LAZY = {
    "cells": ("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),
    "preprocessing": ("CenterCrop", "Normalization", "Rescaling", "Resizing"),
    "recurrent": ("GRU", "LSTM", "RNN", "Bidirectional", "SimpleRNN"),
    "reshaping": (
        "Cropping2D", "Flatten", "Permute", "RepeatVector", "Reshape", "UpSampling2D", "ZeroPadding2D",
    ),
    "time_distributed": ("TimeDistributed",),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ACTIVATIONS", "ELU", "GRU", "LSTM", "RNN", "TRAINING_ONLY", "Activation", "Add", "Arithmetic", "Average",
    "AveragePooling2D", "BatchNormalization",
    "Bidirectional",
    "CenterCrop", "Concatenate", "Conv2D", "Conv2DTranspose",
    "Cost", "Cropping2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "Flatten",
    "GRUCell", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "GroupNormalization", "Identity", "Input",
    "LSTMCell", "Layer", "LayerNormalization",
    "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "NestedFloats", "Normalization",
    "PReLU", "Parameter", "Parameters", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape",
    "Resizing", "SeparableConv2D", "Shape",
    "SimpleRNN", "SimpleRNNCell", "Sizes", "Softmax", "StackedRNNCells", "Subtract", "ThresholdedReLU",
    "TimeDistributed", "TrainingOnly",
    "UnitNormalization", "UpSampling2D", "ZeroPadding2D", "array_axes", "pair",
]  # fmt: skip
