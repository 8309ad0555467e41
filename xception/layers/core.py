"""Where data enters, dense layers, and arithmetic."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..kernels import Array
from .activations import check_activation, finish
from .base import (
    Layer,
    Numbers,
    Parameter,
    Parameters,
    Shape,
    as_whole,
    broadcast,
    channels,
    choice,
    flag,
    numbers,
    optional_bias,
    whole,
)


@dataclass(frozen=True)
class Input(Layer):
    """One example's shape. An open axis (None) takes any size from `minimum` on.

    Inside a network that is a part of another it has an input of its own, which it hands on.
    """

    shape: Shape
    minimum: int = 1
    arity: ClassVar[int | None] = 0

    def __post_init__(self) -> None:
        whole(self, "minimum")
        if not isinstance(self.shape, list | tuple):
            raise ValueError(f"the input's shape must be a list of sizes, got {reprlib.repr(self.shape)}")
        object.__setattr__(
            self, "shape", tuple(size if size is None else as_whole("a size", size, 0) for size in self.shape)
        )
        measured = self.shape[:-1] or self.shape
        if not self.shape or any(size is not None and size < self.minimum for size in measured):
            raise ValueError(f"the input must measure at least {self.minimum} each way, got {self.shape}")
        if self.shape[-1] == 0:
            raise ValueError(f"the input needs at least one channel, got {self.shape}")

    def accepts(self, count: int) -> bool:
        return count in (0, 1)

    def output_shape(self, *inputs: Shape) -> Shape:
        if not inputs:
            return self.shape
        (found,) = inputs
        fits = len(found) == len(self.shape) and all(
            size in (None, wanted)
            for size, wanted in zip(found, self.shape, strict=True)
            if wanted is not None
        )
        if not fits:
            raise ValueError(f"takes inputs of shape {self.shape}, got {found}")
        return replace(self, shape=found).shape  # which looks at the minimum

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0]


@dataclass(frozen=True)
class Dense(Layer):
    """kernel (c, units), bias (units,): (…, c) -> (…, units)."""

    units: int
    activation: str | Layer = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole(self, "units")
        flag(self, "use_bias")
        check_activation(self)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((channels(inputs[0]), self.units))
        return {"kernel": kernel} | optional_bias(self.use_bias, self.units)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:-1], self.units)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return finish(inputs[0] @ parameters["kernel"], parameters, self.activation)


@dataclass(frozen=True)
class Identity(Layer):
    """Hands on what it is given."""

    identity: ClassVar[bool] = True

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0]


# --- arithmetic -----------------------------------------------------------------------------


def _floor_divide(x: Array, y: Array) -> Array:
    return np.floor(x / y)  # as TensorFlow has it; NumPy's own looks at the remainder


UNARY: dict[str, Callable[[Array], Array]] = {
    "negative": np.negative,
    "absolute": np.absolute,
    "square": np.square,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
}
BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "floor_divide": _floor_divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@dataclass(frozen=True)
class Arithmetic(Layer):
    """What `x / 127.5 - 1` leaves in a model: an operation on one input, or on two, or on one and
    a constant, which comes second unless `constant_first`. Shapes are compared from their ends."""

    operation: str
    constant: Numbers | None = None
    constant_first: bool = False

    def __post_init__(self) -> None:
        choice(self, "operation", (*BINARY, *UNARY))
        flag(self, "constant_first")
        if self.constant is not None:
            numbers(self, "constant")
        if self.operation in UNARY and self.constant is not None:
            raise ValueError(f"{self.operation} takes no constant")
        if self.constant is None and self.constant_first:
            raise ValueError("constant_first without a constant")

    @property
    def kind(self) -> str:
        """The operation's class, as Keras 3 writes it: "FloorDivide"."""
        return self.operation.title().replace("_", "")

    @property
    def arity(self) -> int:  # type: ignore[override]
        return 2 if self.operation in BINARY and self.constant is None else 1

    def output_shape(self, *inputs: Shape) -> Shape:
        if self.operation in UNARY:
            return inputs[0]
        one, other = (*inputs, np.shape(self._constant(np.float64)))[:2]
        if self.constant is not None and len(other) == len(one) + 1 and other[0] == 1:
            other = other[1:]  # which stood for the batch axis
        elif len(other) > len(one) or (self.constant is None and len(other) < len(one)):
            raise ValueError(f"computes with arrays of one rank, got {one} and {other}")
        joined = broadcast(one, other)
        if joined is None:
            raise ValueError(f"computes with arrays of one shape, got {one} and {other}")
        return joined

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        with np.errstate(all="ignore"):  # infinity and NaN are answers, as they are in Keras
            if self.operation in UNARY:
                return UNARY[self.operation](inputs[0])
            return BINARY[self.operation](*self.operands(*inputs))

    def operands(self, *inputs: Array) -> tuple[Array, Array]:
        """What a binary operation takes, in its order."""
        one, other = (*inputs, self._constant(inputs[0].dtype))[:2]
        return (other, one) if self.constant_first else (one, other)

    def _constant(self, dtype: Any) -> Array:
        return np.asarray(() if self.constant is None else self.constant, dtype)
