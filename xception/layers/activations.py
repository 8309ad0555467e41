"""Functions of each number by itself, or along the last axis."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels import Array, elementwise
from .base import Layer, Parameter, Parameters, Shape, array_axes, as_wholes, axes, number

#: By Keras's names. Not among them: threshold, which takes settings; glu, which halves the channels,
#: while Keras's layers reckon with all of them; sparsemax, where Keras does not compute what it says.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": elementwise.linear,
    "relu": elementwise.relu,
    "softmax": elementwise.softmax,
    "sigmoid": elementwise.sigmoid,
    "tanh": np.tanh,
    "relu6": elementwise.relu6,
    "leaky_relu": elementwise.leaky_relu,
    "elu": elementwise.elu,
    "selu": elementwise.selu,
    "celu": elementwise.elu,  # they differ in what alpha does, and here it is 1
    "gelu": elementwise.gelu,
    "silu": elementwise.silu,
    "swish": elementwise.silu,
    "hard_silu": elementwise.hard_silu,
    "hard_swish": elementwise.hard_silu,
    "mish": elementwise.mish,
    "softplus": elementwise.softplus,
    "softsign": elementwise.softsign,
    "squareplus": elementwise.squareplus,
    "exponential": elementwise.exponential,
    "hard_sigmoid": elementwise.hard_sigmoid,
    "hard_sigmoid_keras2": elementwise.hard_sigmoid_keras2,  # Keras's name for it is hard_sigmoid, too
    "hard_tanh": elementwise.hard_tanh,
    "log_sigmoid": elementwise.log_sigmoid,
    "log_softmax": elementwise.log_softmax,
    "soft_shrink": elementwise.soft_shrink,
    "hard_shrink": elementwise.hard_shrink,
    "tanh_shrink": elementwise.tanh_shrink,
    "sparse_plus": elementwise.sparse_plus,
    "sparse_sigmoid": elementwise.sparse_sigmoid,
}


# --- layers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activation(Layer):
    """activation: a name in ACTIVATIONS, or one of the layers below that has no parameters."""

    activation: str | Layer

    def __post_init__(self) -> None:
        check_activation(self)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return activate(self.activation, inputs[0])


@dataclass(frozen=True)
class ReLU(Layer):
    """x above the threshold, but at most max_value; below, negative_slope · (x − threshold)."""

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        number(self, "max_value", least=0, optional=True)
        number(self, "negative_slope", "threshold", least=0)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.bounded_relu(inputs[0], self.max_value, self.negative_slope, self.threshold)


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """x, or negative_slope · x below 0."""

    negative_slope: float = 0.3

    def __post_init__(self) -> None:
        number(self, "negative_slope")

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.leaky_relu(inputs[0], self.negative_slope)


@dataclass(frozen=True)
class PReLU(Layer):
    """x, or alpha · x below 0. alpha has the input's shape, of size 1 along the shared axes."""

    shared_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.shared_axes is not None:
            object.__setattr__(self, "shared_axes", as_wholes("shared_axes", self.shared_axes))

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shared = array_axes(self.shared_axes or (), inputs[0])
        shape = tuple(1 if axis in shared else size for axis, size in enumerate(inputs[0], start=1))
        known = tuple(size for size in shape if size is not None)
        if len(known) < len(shape):
            raise ValueError(f"needs a slope for each place of an input, whose size is open: {inputs[0]}")
        return {"alpha": Parameter(known, "zeros")}

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.maximum(inputs[0], 0) + parameters["alpha"] * np.minimum(inputs[0], 0)


@dataclass(frozen=True)
class ELU(Layer):
    """x, or alpha · (exp x − 1) below 0."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        number(self, "alpha")

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.elu(inputs[0], self.alpha)


@dataclass(frozen=True)
class ThresholdedReLU(Layer):
    """x above theta, else 0. Keras 2 has it, Keras 3 has not."""

    theta: float = 1.0

    def __post_init__(self) -> None:
        number(self, "theta", least=0)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.bounded_relu(inputs[0], None, 0, self.theta)


@dataclass(frozen=True)
class Softmax(Layer):
    """exp x, divided by its sum over the axis or axes."""

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        axes(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.softmax(inputs[0], array_axes(self.axis, inputs[0].shape[1:]))


# --- activations within other layers --------------------------------------------------------


def check_activation(layer: Any) -> None:
    """Check the setting `activation`: a name, None for "linear", or a layer that stands for one."""
    value = layer.activation
    if isinstance(value, Activation):
        value = value.activation
    value = "linear" if value is None else value
    if isinstance(value, Layer):
        if not isinstance(value, ReLU | LeakyReLU | ELU | ThresholdedReLU) and value != Softmax():
            raise ValueError(f"a layer {value.kind} cannot be another's activation")
    elif not isinstance(value, str) or value not in ACTIVATIONS:
        raise ValueError(f"unknown activation {reprlib.repr(value)}; known are {', '.join(ACTIVATIONS)}")
    object.__setattr__(layer, "activation", value)


def activate(activation: str | Layer, y: Array) -> Array:
    if isinstance(activation, Layer):
        return activation.forward({}, y)
    return ACTIVATIONS[activation](y)


def finish(y: Array, parameters: Parameters, activation: str | Layer) -> Array:
    """What follows every matrix product: the bias, if there is one, and the activation."""
    if "bias" in parameters:
        y += parameters["bias"]
    return activate(activation, y)
