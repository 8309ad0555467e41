"""The layer vocabulary: one small frozen dataclass for each Keras layer, by Keras's name.

A layer holds its settings, by the names in Keras's `get_config`, and nothing else. It says which
parameters it needs for an input of a given shape, what shape it gives back, and how to compute
it, plainly, in any floating-point type. Where it stands in a network, and where its parameters
come from, is not its business.

Shapes are those of one example, without the batch axis: (h, w, c) for maps, (c,) for vectors.
`None` stands for a size that is left open until an image arrives. Arrays do have the batch
axis: (n, h, w, c), (n, c). Axes in settings are counted as Keras counts them, the batch axis
being 0.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .activations import ACTIVATIONS, ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from .base import Layer, Numbers, Parameter, Parameters, Shape, pair
from .convolutional import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from .core import Arithmetic, Dense, Identity, Input
from .merging import Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract
from .normalization import BatchNormalization, GroupNormalization, LayerNormalization, UnitNormalization
from .pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from .regularization import TRAINING_ONLY, Dropout, TrainingOnly

if TYPE_CHECKING:
    from .preprocessing import CenterCrop, Normalization, Rescaling, Resizing
    from .reshaping import Cropping2D, Flatten, Permute, RepeatVector, Reshape, UpSampling2D, ZeroPadding2D

#: Families that Xception itself has no layers of are loaded when one is asked for.
_LATER = {
    "preprocessing": ("CenterCrop", "Normalization", "Rescaling", "Resizing"),
    "reshaping": (
        "Cropping2D", "Flatten", "Permute", "RepeatVector", "Reshape", "UpSampling2D", "ZeroPadding2D",
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for family, names in _LATER.items():
        if name in names:
            return getattr(import_module(f".{family}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ACTIVATIONS", "ELU", "TRAINING_ONLY", "Activation", "Add", "Arithmetic", "Average", "AveragePooling2D",
    "BatchNormalization", "CenterCrop", "Concatenate", "Conv2D", "Conv2DTranspose", "Cropping2D", "Dense",
    "DepthwiseConv2D", "Dot", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
    "GroupNormalization", "Identity", "Input", "Layer", "LayerNormalization", "LeakyReLU", "MaxPooling2D",
    "Maximum", "Minimum", "Multiply", "Normalization", "Numbers", "PReLU", "Parameter", "Parameters",
    "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "SeparableConv2D", "Shape",
    "Softmax", "Subtract", "ThresholdedReLU", "TrainingOnly", "UnitNormalization", "UpSampling2D",
    "ZeroPadding2D", "pair",
]  # fmt: skip
