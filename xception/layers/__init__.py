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
    from .axes import ExpandDims, Pad, Repeat, Squeeze, Stack, Tile
    from .indexing import GetItem, Split, Take
    from .preprocessing import CenterCrop, Normalization, Rescaling, Resizing
    from .products import Einsum, Matmul
    from .reductions import Normalize, Reduction
    from .reshaping import Cropping2D, Flatten, Permute, RepeatVector, Reshape, UpSampling2D, ZeroPadding2D
    from .selection import Cast, Where

#: Classes that Xception does not use, by module. They are imported on first access, to keep start-up short.
_LAZY = {
    "axes": ("ExpandDims", "Pad", "Repeat", "Squeeze", "Stack", "Tile"),
    "indexing": ("GetItem", "Split", "Take"),
    "preprocessing": ("CenterCrop", "Normalization", "Rescaling", "Resizing"),
    "products": ("Einsum", "Matmul"),
    "reductions": ("Normalize", "Reduction"),
    "reshaping": (
        "Cropping2D", "Flatten", "Permute", "RepeatVector", "Reshape", "UpSampling2D", "ZeroPadding2D",
    ),
    "selection": ("Cast", "Where"),
}  # fmt: skip

#: Operations of `keras.ops`, which Keras has no layers for.
OPERATIONS = frozenset(
    {"Arithmetic", *(name for module in ("axes", "indexing", "products", "reductions", "selection")
                     for name in _LAZY[module])}
)  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "ACTIVATIONS", "ELU", "OPERATIONS", "TRAINING_ONLY", "Activation", "Add", "Arithmetic", "Average",
    "AveragePooling2D", "BatchNormalization", "Cast", "CenterCrop", "Concatenate", "Conv2D",
    "Conv2DTranspose", "Cost", "Cropping2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "Einsum",
    "ExpandDims", "Flatten", "GetItem", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
    "GroupNormalization", "Identity", "Input", "Layer", "LayerNormalization", "LeakyReLU", "Matmul",
    "MaxPooling2D", "Maximum", "Minimum", "Multiply", "NestedFloats", "Normalization", "Normalize",
    "PReLU", "Pad", "Parameter", "Parameters", "Permute", "ReLU", "Reduction", "Repeat", "RepeatVector",
    "Rescaling", "Reshape", "Resizing", "SeparableConv2D", "Shape", "Sizes", "Softmax", "Split",
    "Squeeze", "Stack", "Subtract", "Take", "ThresholdedReLU", "Tile", "TrainingOnly",
    "UnitNormalization", "UpSampling2D", "Where", "ZeroPadding2D", "array_axes", "pair",
]  # fmt: skip
