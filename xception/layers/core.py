"""Input, dense and identity layers, and arithmetic operations."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..kernels import Array
from .activations import apply_epilogue, bias_parameter, check_activation, epilogue_cost
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import (
    OPERATIONS_PER_CALL,
    OPERATIONS_PER_ELEMENT,
    OPERATIONS_PER_ROW,
    count,
    elementwise_cost,
    known,
)
from .penalized import Penalized
from .shapes import broadcast_operands, channel_count
from .validation import (
    NestedFloats,
    as_int,
    check_bool,
    check_choice,
    check_int,
    check_numbers,
    store_setting,
)


@dataclass(frozen=True)
class Input(Layer):
    """Input of a network. In a nested network, it reads a node of the outer network and returns it.

    Attributes:
        shape: Shape of one example, without the batch axis. None accepts any size of at least `minimum`.
        minimum: Minimum size of each axis except the last, which holds the channels.
    """

    shape: Shape
    minimum: int = 1
    arity: ClassVar[int | None] = 0

    def __post_init__(self) -> None:
        check_int(self, "minimum")
        if not isinstance(self.shape, list | tuple):
            raise ValueError(f"the input's shape must be a list of sizes, got {reprlib.repr(self.shape)}")
        shape = tuple(size if size is None else as_int("a size", size, minimum=0) for size in self.shape)
        store_setting(self, "shape", shape)
        bounded = shape[:-1] or shape  # a vector has no other axis
        if not shape or any(size is not None and size < self.minimum for size in bounded):
            raise ValueError(f"the input must measure at least {self.minimum} each way, got {shape}")
        if shape[-1] == 0:
            raise ValueError(f"the input must have at least one channel, got {shape}")

    def accepts(self, count: int) -> bool:
        return count in (0, 1)

    def output_shape(self, *inputs: Shape) -> Shape:
        if not inputs:
            return self.shape
        (shape,) = inputs
        fits = len(shape) == len(self.shape) and all(
            size in (None, expected)
            for size, expected in zip(shape, self.shape, strict=True)
            if expected is not None
        )
        if not fits:
            raise ValueError(f"takes inputs of shape {self.shape}, got {shape}")
        return replace(self, shape=shape).shape  # raises ValueError for a size below the minimum

    def cost(self, *inputs: Sizes) -> Cost:
        return Cost(0, 0)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0]


@dataclass(frozen=True)
class Dense(Penalized):
    """Fully connected layer, along the last axis: (…, c) -> (…, units).

    The parameters are `kernel` (c, units) and `bias` (units,).

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
    """

    units: int
    activation: str | Layer = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        check_int(self, "units")
        check_bool(self, "use_bias")
        check_activation(self)
        self.check_penalties()

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((channel_count(inputs[0]), self.units))
        return {"kernel": kernel} | bias_parameter(self.use_bias, self.units)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:-1], self.units)

    def cost(self, *inputs: Sizes) -> Cost:
        out = known(self.output_shape(*inputs))
        product = Cost(
            OPERATIONS_PER_CALL + 2 * count(out) * inputs[0][-1] + count(out[:-1]) * OPERATIONS_PER_ROW,
            count(out),
        )
        return product + epilogue_cost(self.activation, out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return apply_epilogue(inputs[0] @ parameters["kernel"], parameters, self.activation)


@dataclass(frozen=True)
class Identity(Layer):
    """The identity: returns its input."""

    identity: ClassVar[bool] = True

    def cost(self, *inputs: Sizes) -> Cost:
        return Cost(0, 0)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0]


# --- arithmetic -----------------------------------------------------------------------------


def _floor_divide(x: Array, y: Array) -> Array:
    return np.floor(x / y)  # as in TensorFlow; np.floor_divide can differ by 1


#: A mask, such as the result of a comparison, is 1 where it holds and 0 elsewhere, in the inputs' type.
UNARY: dict[str, Callable[[Array], NDArray[Any]]] = {
    "negative": np.negative,
    "absolute": np.absolute,
    "square": np.square,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": np.reciprocal,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "logical_not": np.logical_not,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
}
BINARY: dict[str, Callable[[Array, Array], NDArray[Any]]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "divide_no_nan": lambda x, y: np.where(y == 0, 0, x / y),
    "floor_divide": _floor_divide,
    "mod": np.mod,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
#: Operations that take up to 20 ns for an element where others take 1 or 2, and 80 for numbers near 0.
FUNCTIONS = ("power", "exp", "expm1", "log", "log1p", "sin", "cos", "mod")
OPERATIONS_OF_FUNCTIONS = 8000
#: Operations that change the scale of pixels.
SCALING = ("add", "subtract", "multiply", "divide")


@dataclass(frozen=True)
class Arithmetic(Layer):
    """An elementwise operation. In a Keras model, `x / 127.5 - 1` is two of them.

    A unary operation takes one input. A binary operation takes two inputs of one rank, or one input
    and a constant. Shapes broadcast as in NumPy.

    Attributes:
        operation: A name in `UNARY` or `BINARY`.
        constant: One operand of a binary operation, as a number or nested lists of numbers.
        constant_first: Whether the constant is the first operand.
    """

    operation: str
    constant: NestedFloats | None = None
    constant_first: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "operation", (*BINARY, *UNARY))
        check_bool(self, "constant_first")
        if self.constant is not None:
            check_numbers(self, "constant")
        if self.operation in UNARY and self.constant is not None:
            raise ValueError(f"{self.operation} takes no constant")
        if self.constant is None and self.constant_first:
            raise ValueError("constant_first requires a constant")

    @property
    def kind(self) -> str:
        """The class name of the operation as Keras 3 writes it, such as "FloorDivide"."""
        return "".join(part.capitalize() for part in self.operation.split("_"))

    @property
    def arity(self) -> int:  # type: ignore[override]
        return 2 if self.operation in BINARY and self.constant is None else 1

    def output_shape(self, *inputs: Shape) -> Shape:
        if self.operation in UNARY:
            return inputs[0]
        constants = () if self.constant is None else (self._constant.shape,)
        return broadcast_operands(inputs, constants)

    def cost(self, *inputs: Sizes) -> Cost:
        operations = OPERATIONS_OF_FUNCTIONS if self.operation in FUNCTIONS else 2 * OPERATIONS_PER_ELEMENT
        temporaries = 2 if self.operation == "divide_no_nan" else 1
        return elementwise_cost(self.output_shape(*inputs), temporaries, operations, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        with np.errstate(all="ignore"):  # infinity and NaN are valid results, as in Keras
            if self.operation in UNARY:
                y = UNARY[self.operation](inputs[0])
            else:
                y = BINARY[self.operation](*self.operands(*inputs))
        return y.astype(inputs[0].dtype, copy=False)  # masks are Boolean

    def operands(self, *inputs: Array) -> tuple[Array, Array]:
        """Return both operands of a binary operation, in order.

        Args:
            *inputs: The inputs of the layer: two, or one if there is a constant.
        """
        a, b = (*inputs, self._constant.astype(inputs[0].dtype))[:2]
        return (b, a) if self.constant_first else (a, b)

    @cached_property
    def _constant(self) -> Array:
        """The constant as an array, converted once: a file can list many numbers."""
        return np.asarray(() if self.constant is None else self.constant, np.float64)
