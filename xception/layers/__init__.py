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
from itertools import chain
from typing import TYPE_CHECKING, Any

from .activations import ACTIVATIONS, ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .batch_normalization import BatchNormalization
from .convolutional import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from .core import Arithmetic, Dense, Identity, Input
from .merging import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from .pooling import (
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling2D,
)
from .regularization import TRAINING_ONLY, Dropout, TrainingOnly
from .shapes import array_axes, pair
from .validation import NestedFloats

if TYPE_CHECKING:
    from .applications import CustomScaleLayer, LayerScale, StochasticDepth
    from .deeplearning4j import (
        Cube,
        GlobalPNormPooling2D,
        LocalResponseNormalization,
        PaddedPooling2D,
        RationalTanh,
    )
    from .normalization import GroupNormalization, LayerNormalization, RMSNormalization, UnitNormalization
    from .operations.axes import Cumsum, ExpandDims, Pad, Repeat, Roll, Squeeze, Stack, Tile
    from .operations.einsum import Einsum, EinsumDense
    from .operations.indexing import GetItem, Split, Take
    from .operations.products import Matmul
    from .operations.reductions import Normalize, Reduction
    from .operations.selection import Cast, Where
    from .penalties import L1, L1L2, L2, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
    from .preprocessing import CenterCrop, Normalization, Rescaling, Resizing
    from .reshaping import Cropping2D, Flatten, Permute, RepeatVector, Reshape, UpSampling2D, ZeroPadding2D
    from .sequences.attention import AdditiveAttention, Attention
    from .sequences.bidirectional import Bidirectional
    from .sequences.cells import GRUCell, LSTMCell, SimpleRNNCell
    from .sequences.multi_head_attention import GroupedQueryAttention, MultiHeadAttention
    from .sequences.one_dimensional import (
        AveragePooling1D,
        Conv1D,
        Conv1DTranspose,
        Cropping1D,
        DepthwiseConv1D,
        MaxPooling1D,
        SeparableConv1D,
        UpSampling1D,
        ZeroPadding1D,
    )
    from .sequences.recurrent import GRU, LSTM, RNN, SimpleRNN
    from .sequences.stacked_cells import StackedRNNCells
    from .sequences.time_distributed import TimeDistributed

#: Classes that Xception does not use, by module. They are imported on first access, to keep start-up short.
_LAZY = {
    "applications": ("CustomScaleLayer", "LayerScale", "StochasticDepth"),
    "deeplearning4j": (
        "Cube", "GlobalPNormPooling2D", "LocalResponseNormalization", "PaddedPooling2D", "RationalTanh",
    ),
    "normalization": ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
    "operations.axes": ("Cumsum", "ExpandDims", "Pad", "Repeat", "Roll", "Squeeze", "Stack", "Tile"),
    "operations.einsum": ("Einsum", "EinsumDense"),
    "operations.indexing": ("GetItem", "Split", "Take"),
    "operations.products": ("Matmul",),
    "operations.reductions": ("Normalize", "Reduction"),
    "operations.selection": ("Cast", "Where"),
    "penalties": ("L1", "L1L2", "L2", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"),
    "preprocessing": ("CenterCrop", "Normalization", "Rescaling", "Resizing"),
    "reshaping": (
        "Cropping2D", "Flatten", "Permute", "RepeatVector", "Reshape", "UpSampling2D", "ZeroPadding2D",
    ),
    "sequences.attention": ("AdditiveAttention", "Attention"),
    "sequences.bidirectional": ("Bidirectional",),
    "sequences.cells": ("GRUCell", "LSTMCell", "SimpleRNNCell"),
    "sequences.multi_head_attention": ("GroupedQueryAttention", "MultiHeadAttention"),
    "sequences.one_dimensional": (
        "AveragePooling1D", "Conv1D", "Conv1DTranspose", "Cropping1D", "DepthwiseConv1D", "MaxPooling1D",
        "SeparableConv1D", "UpSampling1D", "ZeroPadding1D",
    ),
    "sequences.recurrent": ("GRU", "LSTM", "RNN", "SimpleRNN"),
    "sequences.stacked_cells": ("StackedRNNCells",),
    "sequences.time_distributed": ("TimeDistributed",),
}  # fmt: skip

#: Operations of `keras.ops`, which Keras has no layers for.
OPERATIONS = frozenset(
    {"Arithmetic", *chain.from_iterable(names for module, names in _LAZY.items() if "operations." in module)}
) - {"EinsumDense"}


#: Layers of Deeplearning4j that Keras has no counterpart of.
DEEPLEARNING4J = frozenset(_LAZY["deeplearning4j"])


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ACTIVATIONS", "DEEPLEARNING4J", "ELU", "GRU", "L1", "L1L2", "L2", "LSTM", "OPERATIONS", "RNN",
    "TRAINING_ONLY", "Activation", "Add", "AdditiveAttention", "Arithmetic", "Attention", "Average",
    "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Bidirectional", "Cast", "CenterCrop",
    "Concatenate", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Cost", "Cropping1D",
    "Cropping2D", "Cube", "Cumsum", "CustomScaleLayer", "Dense", "DepthwiseConv1D", "DepthwiseConv2D",
    "Dot", "Dropout", "Einsum", "EinsumDense", "ExpandDims", "Flatten", "GRUCell", "GetItem",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GlobalPNormPooling2D", "GroupNormalization",
    "GroupedQueryAttention", "Identity", "Input", "LSTMCell", "Layer", "LayerNormalization", "LayerScale",
    "LeakyReLU", "LocalResponseNormalization", "Matmul", "MaxNorm", "MaxPooling1D", "MaxPooling2D",
    "Maximum", "MinMaxNorm", "Minimum", "MultiHeadAttention", "Multiply", "NestedFloats", "NonNeg",
    "Normalization", "Normalize", "PReLU", "Pad", "PaddedPooling2D", "Parameter", "Parameters", "Permute",
    "RMSNormalization", "RationalTanh", "ReLU", "Reduction", "Repeat", "RepeatVector", "Rescaling",
    "Reshape", "Resizing", "Roll", "SeparableConv1D", "SeparableConv2D", "Shape", "SimpleRNN",
    "SimpleRNNCell", "Sizes", "Softmax", "Split", "Squeeze", "Stack", "StackedRNNCells",
    "StochasticDepth", "Subtract", "Take", "ThresholdedReLU", "Tile", "TimeDistributed", "TrainingOnly",
    "UnitNorm", "UnitNormalization", "UpSampling1D", "UpSampling2D", "Where", "ZeroPadding1D",
    "ZeroPadding2D", "array_axes", "pair",
]  # fmt: skip
