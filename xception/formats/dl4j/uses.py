"""A node that is to be written for Deeplearning4j, and its activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...graph import Node
from ...layers import ELU, Activation, Layer, LeakyReLU, Parameters, ReLU, Shape, Softmax, ThresholdedReLU
from .forms import NotExpressibleError, Written, activation

#: Deeplearning4j's activations, by the names of Keras's.
ACTIVATION_NAMES = {
    "linear": "Identity", "relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "TanH", "softmax": "Softmax",
    "elu": "ELU", "celu": "ELU", "selu": "SELU", "softplus": "SoftPlus", "softsign": "SoftSign",
    "silu": "Swish", "swish": "Swish", "relu6": "ReLU6", "hard_tanh": "HardTanH",
    "hard_sigmoid_keras2": "HardSigmoid",
}  # fmt: skip


@dataclass(frozen=True)
class Use:
    """A node that is to be written.

    Attributes:
        node: The node.
        name: The name of its vertex.
        sources: Names of the vertices that it reads.
        shapes: Shapes of its inputs.
        parameters: Its arrays.
    """

    node: Node
    name: str
    sources: list[str]
    shapes: tuple[Shape, ...]
    parameters: Parameters

    @property
    def layer(self) -> Any:
        """The layer."""
        return self.node.layer

    @property
    def is_map(self) -> bool:
        """Whether its first input is a feature map."""
        return len(self.shapes[0]) == 3

    @property
    def channels(self) -> int:
        """The size of the last axis of its first input."""
        size = self.shapes[0][-1]
        if size is None:
            raise NotExpressibleError(f"needs a known number of channels, got {self.shapes[0]}")
        return size


def write_activation(value: str | Layer, is_map: bool, written: Written) -> dict[str, Any]:
    """Return the JSON of an activation.

    Raises:
        NotExpressibleError: Deeplearning4j has none like it.
    """
    if isinstance(value, Activation):
        value = value.activation
    if isinstance(value, Softmax):
        if value.axis not in (-1, 3 if is_map else 1):
            raise NotExpressibleError(f"softmax along axis {value.axis}")
        value = "softmax"
    if value == "softmax" and is_map:
        written.expect_layout("NHWC", "softmax over the channels of maps")
    if value == "leaky_relu":
        value = LeakyReLU(0.2)
    if isinstance(value, LeakyReLU):
        return activation("LReLU", alpha=value.negative_slope)
    if isinstance(value, ELU):
        return activation("ELU", alpha=value.alpha)
    if isinstance(value, ThresholdedReLU):
        written.require("beta4")
        return activation("ThresholdedReLU", theta=value.theta)
    if isinstance(value, ReLU):
        return _write_relu(value, written)
    if value not in ACTIVATION_NAMES:
        raise NotExpressibleError(f"the activation {value!r}")
    return activation(ACTIVATION_NAMES[value])


def _write_relu(layer: ReLU, written: Written) -> dict[str, Any]:
    settings = layer.max_value, layer.negative_slope, layer.threshold
    if settings == (None, 0, 0):
        return activation("ReLU")
    if settings == (6, 0, 0):
        return activation("ReLU6")
    written.require("beta5")
    return activation("ReLU", max=settings[0], negativeSlope=settings[1], threshold=settings[2])
