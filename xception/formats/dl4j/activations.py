"""Activations of Deeplearning4j as activations and layers of this library."""

from __future__ import annotations

from collections.abc import Callable

from ...layers import (
    ELU,
    Activation,
    Cube,
    Layer,
    LeakyReLU,
    RationalTanh,
    ReLU,
    Rescaling,
    Softmax,
    ThresholdedReLU,
)
from .chains import Context
from .records import Record

#: Those that Keras has by a name of its own.
NAMES = {
    "identity": "linear",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "selu": "selu",
    "swish": "silu",
    "hardtanh": "hard_tanh",
    "softplus": "softplus",
    "softsign": "softsign",
    "relu6": "relu6",
}


def _relu(record: Record) -> str | Layer:
    upper = record.settings.get("max")
    settings = (
        None if upper is None else record.number("max"),
        record.number("negativeSlope", 0.0),
        record.number("threshold", 0.0),
    )
    return "relu" if settings == (None, 0, 0) else ReLU(*settings)


def _elu(record: Record) -> str | Layer:
    alpha = record.number("alpha", 1.0)
    return "elu" if alpha == 1 else ELU(alpha)


#: Those with settings, by name: each is one activation or layer.
WITH_SETTINGS: dict[str, Callable[[Record], str | Layer]] = {
    "relu": _relu,
    "elu": _elu,
    "lrelu": lambda record: LeakyReLU(record.number("alpha", 0.01)),
    "thresholdedrelu": lambda record: ThresholdedReLU(record.number("theta", 1.0)),
}
#: Those that Keras has no activation of. Its hard_sigmoid is clip(x / 6 + 0.5, 0, 1), theirs 0.2 x + 0.5.
AS_LAYERS: dict[str, tuple[Layer, ...]] = {
    "cube": (Cube(),),
    "rationaltanh": (RationalTanh(),),
    "rectifiedtanh": (Activation("tanh"), Activation("relu")),
    "hardsigmoid": (Rescaling(0.2, 0.5), ReLU(max_value=1.0)),
}


def read_activation(
    record: Record | None, context: Context, rank: int, over_channels: bool = False
) -> tuple[str | Layer, tuple[Layer, ...]]:
    """Return an activation as one for the layer that it ends, and layers that follow.

    Args:
        record: The activation; None for none.
        context: How the file is to be understood.
        rank: Number of axes of its input, without the batch axis.
        over_channels: Whether softmax is over the channels of maps, whatever the layout.

    Raises:
        ModelFileError: It is not supported.
    """
    if record is None:
        return "linear", ()
    name = record.kind.removeprefix("Activation").lower()
    if name in NAMES:
        return NAMES[name], ()
    if name in WITH_SETTINGS:
        return WITH_SETTINGS[name](record), ()
    if name == "softmax":
        # Over the last axis of the array as it is stored: of maps (n, c, h, w), over the width.
        if rank == 3 and context.layout == "NCHW" and not over_channels:
            return "linear", (Softmax(2),)
        return "softmax", ()
    if name not in AS_LAYERS:
        raise record.refuse("this activation is not supported")
    return "linear", AS_LAYERS[name]


def activation_steps(
    record: Record | None, context: Context, rank: int, over_channels: bool = False
) -> tuple[Layer, ...]:
    """Return an activation as layers; see `read_activation`."""
    inline, following = read_activation(record, context, rank, over_channels)
    if inline == "linear" and following:
        return following
    return (inline if isinstance(inline, Layer) else Activation(inline), *following)
