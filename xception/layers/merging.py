"""Several inputs to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .base import LARGEST, Layer, Parameters, Shape, array_axis, axes, broadcast, flag, whole

Operation = Callable[[Array, Array], Array]


class Merge(Layer):
    """Inputs of one shape, number by number. Where one has size 1, it is repeated along the axis;
    an input of fewer axes gets new ones of size 1 behind the batch axis, as in Keras."""

    arity: ClassVar[int | None] = None
    verb: ClassVar[str]
    operation: ClassVar[Operation]

    def output_shape(self, *inputs: Shape) -> Shape:
        joined: Shape | None = inputs[0]
        for shape in inputs[1:]:
            joined = None if joined is None else broadcast(joined, shape)
        if joined is None:
            raise ValueError(f"{self.verb} inputs of one shape, got {' and '.join(map(str, inputs))}")
        return joined

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return reduce(type(self).operation, self.aligned(*inputs))

    def aligned(self, *inputs: Array) -> list[Array]:
        """All with as many axes."""
        rank = max(x.ndim for x in inputs)
        return [x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in inputs]


@dataclass(frozen=True)
class Add(Merge):
    """The sum of two or more inputs."""

    verb: ClassVar[str] = "adds"
    operation: ClassVar[Operation] = np.add


@dataclass(frozen=True)
class Subtract(Merge):
    """The first input less the second."""

    arity: ClassVar[int | None] = 2
    verb: ClassVar[str] = "subtracts"
    operation: ClassVar[Operation] = np.subtract


@dataclass(frozen=True)
class Multiply(Merge):
    """The product of two or more inputs."""

    verb: ClassVar[str] = "multiplies"
    operation: ClassVar[Operation] = np.multiply


@dataclass(frozen=True)
class Average(Merge):
    """The mean of two or more inputs."""

    verb: ClassVar[str] = "averages"
    operation: ClassVar[Operation] = np.add

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return super().forward(parameters, *inputs) / len(inputs)


@dataclass(frozen=True)
class Maximum(Merge):
    """The greatest of two or more inputs."""

    verb: ClassVar[str] = "compares"
    operation: ClassVar[Operation] = np.maximum


@dataclass(frozen=True)
class Minimum(Merge):
    """The least of two or more inputs."""

    verb: ClassVar[str] = "compares"
    operation: ClassVar[Operation] = np.minimum


@dataclass(frozen=True)
class Concatenate(Layer):
    """Two or more inputs side by side along an axis; along the others they are alike."""

    axis: int = -1
    arity: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        whole(self, "axis", least=-LARGEST)

    def output_shape(self, *inputs: Shape) -> Shape:
        along = array_axis(self.axis, inputs[0]) - 1
        joined = list(inputs[0])
        for shape in inputs[1:]:
            if len(shape) != len(joined):
                raise ValueError(f"joins inputs of one rank, got {' and '.join(map(str, inputs))}")
            for axis, (one, other) in enumerate(zip(joined, shape, strict=True)):
                if axis == along:
                    joined[axis] = None if one is None or other is None else one + other
                elif None not in (one, other) and one != other:
                    raise ValueError(
                        f"joins inputs that differ along axis {self.axis} only, "
                        f"got {' and '.join(map(str, inputs))}"
                    )
                else:
                    joined[axis] = other if one is None else one
        return tuple(joined)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.concatenate(inputs, axis=self.axis)


@dataclass(frozen=True)
class Dot(Layer):
    """Sums of products along an axis of each: (…, k, …), (…, k, …) -> the first's other axes, then
    the second's; (1,) for two vectors. normalize: each vector along that axis is made length 1."""

    axes: int | tuple[int, ...]
    normalize: bool = False
    arity: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        axes(self, "axes")
        if isinstance(self.axes, tuple) and len(self.axes) > 2:
            raise ValueError(f"axes must be one axis, or one for each input, got {self.axes}")
        flag(self, "normalize")

    def output_shape(self, *inputs: Shape) -> Shape:
        one, other = inputs
        a, b = self._axes(one, other)
        if None not in (one[a - 1], other[b - 1]) and one[a - 1] != other[b - 1]:
            raise ValueError(f"sums along axes of one size, got {one} and {other}")
        return (*one[: a - 1], *one[a:], *other[: b - 1], *other[b:]) or (1,)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        a, b = self._axes(inputs[0].shape[1:], inputs[1].shape[1:])
        one, other = np.moveaxis(inputs[0], a, -1), np.moveaxis(inputs[1], b, -1)
        if self.normalize:
            one, other = _unit(one), _unit(other)
        y = _rows(one) @ _rows(other).swapaxes(1, 2)
        return y.reshape(len(y), *self.output_shape(inputs[0].shape[1:], inputs[1].shape[1:]))

    def _axes(self, one: Shape, other: Shape) -> tuple[int, int]:
        both = (self.axes,) if isinstance(self.axes, int) else self.axes
        return array_axis(both[0], one), array_axis(both[-1], other)


def _rows(x: Array) -> Array:
    """(n, …, k) -> (n, rows, k)"""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def _unit(x: Array) -> Array:
    length = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    return x / np.maximum(length, 1e-7)
