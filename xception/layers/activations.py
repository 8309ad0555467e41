"""Activation functions, activation layers, and the epilogue of other layers."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..kernels import Array, elementwise
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_CALL, elementwise_cost, reduction_cost
from .penalized import Penalized
from .shapes import array_axes, fully_known
from .validation import as_ints, check_axes, check_number, store_setting

#: Keras's activation functions, by name. Three are left out: "threshold" takes settings; "glu"
#: halves the number of channels, which the output shapes of Keras's layers ignore; "sparsemax"
#: does not compute in Keras what its documentation says.
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
    "celu": elementwise.elu,  # the two differ only for an alpha other than 1
    "gelu": elementwise.gelu,
    "gelu_tanh": elementwise.gelu_tanh,  # gelu with approximate=True, which is an operation in Keras 3
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
    "hard_sigmoid_keras2": elementwise.hard_sigmoid_keras2,  # named hard_sigmoid in Keras 2 and 1
    "hard_tanh": elementwise.hard_tanh,
    "log_sigmoid": elementwise.log_sigmoid,
    "log_softmax": elementwise.log_softmax,
    "soft_shrink": elementwise.soft_shrink,
    "hard_shrink": elementwise.hard_shrink,
    "tanh_shrink": elementwise.tanh_shrink,
    "sparse_plus": elementwise.sparse_plus,
    "sparse_sigmoid": elementwise.sparse_sigmoid,
}

#: Work for one element, by activation: 0.7 ns for relu, up to 27 for softplus. Others take up to 8.
OPERATIONS = {"linear": 0, "relu": 100, "gelu": 2600, "mish": 2600, "softplus": 2600, "log_sigmoid": 2600}
OPERATIONS_OF_OTHERS = 800
#: gelu takes 40 µs however small the array, where others take 10.
CALLS_OF_GELU = 4
#: Arrays that an activation makes at once, besides its output.
TEMPORARIES = 3


# --- layers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activation(Layer):
    """An activation function as a layer. The shape does not change.

    Attributes:
        activation: A name in `ACTIVATIONS`, or one of the activation layers without parameters.
    """

    activation: str | Layer

    def __post_init__(self) -> None:
        check_activation(self)

    def cost(self, *inputs: Sizes) -> Cost:
        return activation_cost(self.activation, inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return activate(self.activation, inputs[0])


@dataclass(frozen=True)
class ReLU(Layer):
    """Rectified linear unit: min(x, max_value) above the threshold, negative_slope · (x − threshold) below.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (ICML 2010); the
    generalization is Keras's.

    Attributes:
        max_value: Upper bound of the output, or None for no bound.
        negative_slope: Slope below the threshold, at least 0.
        threshold: Input above which the unit is active, at least 0.
    """

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, "max_value", minimum=0, optional=True)
        check_number(self, "negative_slope", "threshold", minimum=0)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], TEMPORARIES, OPERATIONS_OF_OTHERS)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.bounded_relu(inputs[0], self.max_value, self.negative_slope, self.threshold)


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """Leaky rectified linear unit: x above 0, negative_slope · x below.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models" (ICML 2013).

    Attributes:
        negative_slope: Slope below 0.
    """

    negative_slope: float = 0.3

    def __post_init__(self) -> None:
        check_number(self, "negative_slope")

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], TEMPORARIES, OPERATIONS_OF_OTHERS)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.leaky_relu(inputs[0], self.negative_slope)


@dataclass(frozen=True)
class PReLU(Penalized):
    """Parametric rectified linear unit: x above 0, alpha · x below.

    The parameter alpha has the input's shape, with size 1 along the shared axes.

    He et al., "Delving deep into rectifiers" (ICCV 2015).

    Attributes:
        shared_axes: Axes along which alpha is shared. (1, 2) gives one slope for each channel of a
            feature map. None shares along no axis.
    """

    shared_axes: tuple[int, ...] | None = None
    penalized: ClassVar[tuple[str, ...]] = ("alpha",)

    def __post_init__(self) -> None:
        if self.shared_axes is not None:
            store_setting(self, "shared_axes", as_ints("shared_axes", self.shared_axes))
        self.check_penalties()

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shared = array_axes(self.shared_axes or (), inputs[0])
        shape = fully_known(
            tuple(1 if axis in shared else size for axis, size in enumerate(inputs[0], start=1))
        )
        if shape is None:
            raise ValueError(
                f"needs known sizes along the axes that share no slope, got an input of shape {inputs[0]}"
            )
        return {"alpha": Parameter(shape, "zeros")}

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], TEMPORARIES, OPERATIONS_OF_OTHERS, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.maximum(inputs[0], 0) + parameters["alpha"] * np.minimum(inputs[0], 0)


@dataclass(frozen=True)
class ELU(Layer):
    """Exponential linear unit: x above 0, alpha · (exp(x) − 1) below.

    Clevert et al., "Fast and accurate deep network learning by exponential linear units" (ICLR 2016).

    Attributes:
        alpha: Factor below 0. The output approaches −alpha as x → −∞.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "alpha")

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], TEMPORARIES, OPERATIONS_OF_OTHERS)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.elu(inputs[0], self.alpha)


@dataclass(frozen=True)
class ThresholdedReLU(Layer):
    """Thresholded rectified linear unit: x above theta, 0 below. Keras 3 has removed it.

    Konda et al., "Zero-bias autoencoders and the benefits of co-adapting features" (ICLR 2015).

    Attributes:
        theta: Threshold, at least 0.
    """

    theta: float = 1.0

    def __post_init__(self) -> None:
        check_number(self, "theta", minimum=0)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], TEMPORARIES, OPERATIONS_OF_OTHERS)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.bounded_relu(inputs[0], None, 0, self.theta)


@dataclass(frozen=True)
class Softmax(Layer):
    """Softmax: exp(x), divided by its sum along the axis or axes.

    Attributes:
        axis: Axis or axes whose outputs sum to 1, counted with the batch axis as 0.
    """

    axis: int | tuple[int, ...] = -1

    def __post_init__(self) -> None:
        check_axes(self)

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])  # raises ValueError if there is no such axis
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return activation_cost("softmax", inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return elementwise.softmax(inputs[0], array_axes(self.axis, inputs[0].shape[1:]))


# --- the epilogue of convolutions and dense layers: bias and activation ----------------------


def check_activation(layer: Any, *names: str) -> None:
    """Check settings: an activation's name, None for "linear", or a layer without parameters.

    Args:
        layer: The layer.
        *names: Names of the settings. By default "activation".
    """
    for name in names or ("activation",):
        value = getattr(layer, name)
        if isinstance(value, Activation):
            value = value.activation
        value = "linear" if value is None else value
        if isinstance(value, Layer):
            if not isinstance(value, ReLU | LeakyReLU | ELU | ThresholdedReLU) and value != Softmax():
                raise ValueError(f"a {value.kind} layer cannot be the activation of another layer")
        elif not isinstance(value, str) or value not in ACTIVATIONS:
            raise ValueError(f"unknown activation {reprlib.repr(value)}; known are {', '.join(ACTIVATIONS)}")
        store_setting(layer, name, value)


def bias_parameter(use_bias: bool, units: int) -> dict[str, Parameter]:
    """Return the parameter `bias` (units,), or no parameter if the layer uses no bias."""
    return {"bias": Parameter((units,), "zeros")} if use_bias else {}


def activate(activation: str | Layer, y: Array) -> Array:
    """Apply an activation that `check_activation` has accepted."""
    if isinstance(activation, Layer):
        return activation.forward({}, y)
    return ACTIVATIONS[activation](y)


def activation_cost(activation: str | Layer, shape: Sizes) -> Cost:
    """Return the cost of an activation that `check_activation` has accepted, for an array of this shape."""
    if isinstance(activation, Layer):
        return activation.cost(shape)
    work = OPERATIONS.get(activation, OPERATIONS_OF_OTHERS)
    cost = elementwise_cost(shape, TEMPORARIES, work)
    if activation == "gelu":
        cost += Cost(CALLS_OF_GELU * OPERATIONS_PER_CALL, 0)
    return cost + reduction_cost(shape, 2) if activation in ("softmax", "log_softmax") else cost


def epilogue_cost(activation: str | Layer, shape: Sizes) -> Cost:
    """Return the cost of `apply_epilogue`, beyond the array of this shape that it is given."""
    bias = elementwise_cost(shape, -1)
    return bias if activation == "linear" else bias + activation_cost(activation, shape)


def apply_epilogue(y: Array, parameters: Parameters, activation: str | Layer) -> Array:
    """Add the bias, if there is one, and apply the activation. `y` may be overwritten."""
    if "bias" in parameters:
        y += parameters["bias"]
    return activate(activation, y)
