"""The layer interface: shapes, parameters, and the plain forward pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .initializers import Initializer, draw

#: Shape of one example, without the batch axis. None is a size that is unknown until an input arrives.
Shape = tuple[int | None, ...]
Sizes = tuple[int, ...]  #: a shape, all of whose sizes are known
Parameters = Mapping[str, Array]  #: the arrays of one layer, by Keras's names

KERAS_EPSILON = 1e-7  #: Keras's `backend.epsilon()`: layers divide by no smaller norm or deviation


@dataclass(frozen=True)
class Parameter:
    """The specification of one parameter array of a layer.

    Attributes:
        shape: Shape of the array.
        initializer: Distribution of the initial values: "glorot_uniform", "zeros", "ones" or a number.
        trainable: Whether training changes the array. Moving statistics are not trainable.
    """

    shape: tuple[int, ...]
    initializer: Initializer = "glorot_uniform"
    trainable: bool = True

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def initial_value(self, rng: np.random.Generator) -> Array:
        """Return a float32 array of initial values, distributed as by Keras's initializer of this name.

        Args:
            rng: Source of random numbers.
        """
        return draw(self.initializer, self.shape, rng)


@dataclass(frozen=True)
class Cost:
    """What a layer's plain forward pass takes for one example. The constants are in `layers.costs`.

    Attributes:
        operations: Work, in floating-point operations of a matrix product.
        elements: Elements of all arrays that the layer makes, at their peak, the output included. It is
            an upper bound.
    """

    operations: int
    elements: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.operations + other.operations, self.elements + other.elements)


class Layer:
    """Base class of all layers. Subclasses are frozen dataclasses whose fields are the settings.

    Attributes:
        arity: Number of inputs. None means two or more.
        identity: Whether the layer returns its input unchanged at inference.
        wraps: Names of the settings that hold other layers, whose parameters are parameters of this
            layer, under a prefix. See `layers.wrapping`.
        takes_mask: Whether a second input is a mask, which Keras passes as the argument `mask`.
        call_operands: Names of the inputs, if Keras's call takes an argument for each, not a list of them.
        call_settings: Names of the settings that are arguments of Keras's call.
    """

    arity: ClassVar[int | None] = 1
    identity: ClassVar[bool] = False
    wraps: ClassVar[tuple[str, ...]] = ()
    takes_mask: ClassVar[bool] = False
    call_operands: ClassVar[tuple[str, ...]] = ()
    call_settings: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> str:
        """The class name as Keras writes it, such as "SeparableConv2D"."""
        return type(self).__name__

    def accepts(self, count: int) -> bool:
        """Return True if the layer can be applied to `count` inputs.

        Args:
            count: Number of inputs.
        """
        return count >= 2 if self.arity is None else count == self.arity

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        """Return the specifications of the layer's parameters for inputs of these shapes.

        Args:
            *inputs: Shape of each input, without the batch axis.

        Returns:
            The specification of each parameter by Keras's name, in Keras's order.

        Raises:
            ValueError: The layer does not accept these shapes.
        """
        return {}

    def variable_group(self, parameter: str) -> str:
        """Return the group in which Keras 3 stores a parameter, inside the layer's own group.

        Args:
            parameter: Name of the parameter.

        Returns:
            The path of the group, such as "forward_layer/cell". It is empty for most layers.
        """
        return parameter.rpartition("/")[0]

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the output for inputs of these shapes.

        Args:
            *inputs: Shape of each input, without the batch axis.

        Raises:
            ValueError: The layer does not accept these shapes.
        """
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        """Return what the plain forward pass takes for one example of these shapes.

        Args:
            *inputs: Shape of each input, without the batch axis.
        """
        raise NotImplementedError

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        """Compute the output. The inputs are not modified.

        Args:
            parameters: The arrays of the layer, with the names and shapes that `parameters()` returns.
            *inputs: Arrays with a batch axis, such as (n, h, w, c) or (n, c), all of one
                floating-point type.

        Returns:
            The output, with a batch axis and in the floating-point type of the inputs.
        """
        raise NotImplementedError
