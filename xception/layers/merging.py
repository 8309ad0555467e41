"""Merging layers, which combine several inputs into one output."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .base import KERAS_EPSILON, Cost, Layer, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, count, elementwise_cost
from .shapes import array_axis, broadcast_shapes
from .validation import MAX_INT, check_axes, check_bool, check_int

Operation = Callable[[Array, Array], Array]


class Merge(Layer):
    """Base class of elementwise merging: shapes (…) that broadcast -> the broadcast shape.

    An input of lower rank gets new axes of size 1 after the batch axis, as in Keras.

    Attributes:
        operation: The function of two arrays by which the inputs are combined from left to right.
    """

    arity: ClassVar[int | None] = None
    operation: ClassVar[Operation]

    def output_shape(self, *inputs: Shape) -> Shape:
        merged: Shape | None = inputs[0]
        for shape in inputs[1:]:
            merged = None if merged is None else broadcast_shapes(merged, shape)
        if merged is None:
            raise ValueError(f"inputs must have compatible shapes, got {_listed(inputs)}")
        return merged

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(
            self.output_shape(*inputs), 1, len(inputs) * OPERATIONS_PER_ELEMENT, len(inputs)
        )

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return reduce(type(self).operation, self.aligned(*inputs))

    def aligned(self, *inputs: Array) -> list[Array]:
        """Return the inputs with the same number of axes.

        Args:
            *inputs: Arrays with a batch axis.
        """
        rank = max(x.ndim for x in inputs)
        return [x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in inputs]


@dataclass(frozen=True)
class Add(Merge):
    """Elementwise sum of two or more inputs."""

    operation: ClassVar[Operation] = np.add


@dataclass(frozen=True)
class Subtract(Merge):
    """Elementwise difference: the first input minus the second."""

    arity: ClassVar[int | None] = 2
    operation: ClassVar[Operation] = np.subtract


@dataclass(frozen=True)
class Multiply(Merge):
    """Elementwise product of two or more inputs."""

    operation: ClassVar[Operation] = np.multiply


@dataclass(frozen=True)
class Average(Merge):
    """Elementwise mean of two or more inputs."""

    operation: ClassVar[Operation] = np.add

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return super().forward(parameters, *inputs) / len(inputs)


@dataclass(frozen=True)
class Maximum(Merge):
    """Elementwise maximum of two or more inputs."""

    operation: ClassVar[Operation] = np.maximum


@dataclass(frozen=True)
class Minimum(Merge):
    """Elementwise minimum of two or more inputs."""

    operation: ClassVar[Operation] = np.minimum


@dataclass(frozen=True)
class Concatenate(Layer):
    """Concatenation of two or more inputs along an axis. All other sizes must agree.

    Attributes:
        axis: Axis along which the inputs are joined, counted with the batch axis as 0.
    """

    axis: int = -1
    arity: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        check_int(self, "axis", minimum=-MAX_INT)

    def output_shape(self, *inputs: Shape) -> Shape:
        joined_axis = array_axis(self.axis, inputs[0]) - 1
        sizes = list(inputs[0])
        for shape in inputs[1:]:
            if len(shape) != len(sizes):
                raise ValueError(f"inputs must have the same rank, got shapes {_listed(inputs)}")
            for axis, (a, b) in enumerate(zip(sizes, shape, strict=True)):
                if axis == joined_axis:
                    sizes[axis] = None if a is None or b is None else a + b
                elif a is not None and b is not None and a != b:
                    raise ValueError(
                        f"inputs must have the same sizes except along axis {self.axis}, "
                        f"got shapes {_listed(inputs)}"
                    )
                else:
                    sizes[axis] = b if a is None else a
        return tuple(sizes)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), row_passes=len(inputs))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.concatenate(inputs, axis=self.axis)


@dataclass(frozen=True)
class Dot(Layer):
    """Dot products of two inputs along one axis of each: (…, k, …), (…, k, …) -> (…).

    The output has the remaining axes of the first input, followed by those of the second. For two
    vectors (k,) it has the shape (1,).

    Attributes:
        axes: The axis of both inputs, or one for each, counted with the batch axis as 0.
        normalize: Whether vectors along the axis are scaled to length 1, for cosine similarity.
    """

    axes: int | tuple[int, ...]
    normalize: bool = False
    arity: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        check_axes(self, "axes")
        if isinstance(self.axes, tuple) and len(self.axes) > 2:
            raise ValueError(f"axes must be one axis, or one for each input, got {self.axes}")
        check_bool(self, "normalize")

    def output_shape(self, *inputs: Shape) -> Shape:
        a, b = inputs
        axis_a, axis_b = self._array_axes(a, b)
        k_a, k_b = a[axis_a - 1], b[axis_b - 1]
        if k_a is not None and k_b is not None and k_a != k_b:
            raise ValueError(f"inputs must have the same size along the summed axes, got shapes {a} and {b}")
        return (*a[: axis_a - 1], *a[axis_a:], *b[: axis_b - 1], *b[axis_b:]) or (1,)

    def cost(self, *inputs: Sizes) -> Cost:
        size, read = count(self.output_shape(*inputs)), sum(map(count, inputs))
        k = inputs[0][self._array_axes(*inputs)[0] - 1]
        work = OPERATIONS_PER_CALL + (6 * read + size) * OPERATIONS_PER_ELEMENT + 2 * size * k
        return Cost(work, 3 * read + size)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        shapes = inputs[0].shape[1:], inputs[1].shape[1:]
        axis_a, axis_b = self._array_axes(*shapes)
        a, b = np.moveaxis(inputs[0], axis_a, -1), np.moveaxis(inputs[1], axis_b, -1)  # (n, …, k)
        if self.normalize:
            a, b = _normalized(a), _normalized(b)
        y = _as_rows(a) @ _as_rows(b).swapaxes(1, 2)  # (n, rows of a, rows of b)
        return y.reshape(len(y), *self.output_shape(*shapes))

    def _array_axes(self, a: Shape, b: Shape) -> tuple[int, int]:
        axes = (self.axes,) if isinstance(self.axes, int) else self.axes
        return array_axis(axes[0], a), array_axis(axes[-1], b)


def _as_rows(x: Array) -> Array:
    """Reshape (n, …, k) to (n, rows, k)."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def _normalized(x: Array) -> Array:
    """Scale vectors along the last axis to length 1."""
    norm = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    return x / np.maximum(norm, KERAS_EPSILON)


def _listed(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(map(str, shapes))
