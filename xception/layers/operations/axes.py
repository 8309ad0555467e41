"""Axes of arrays: added, removed, stacked, repeated, padded, rolled and summed up."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, elementwise_cost
from ..shapes import array_axes, array_axis
from ..validation import (
    MAX_INT,
    as_ints,
    check_axes,
    check_choice,
    check_int,
    check_number,
    store_setting,
)


@dataclass(frozen=True)
class ExpandDims(Layer):
    """A new axis of size 1: with axis 1, (h, w, c) -> (1, h, w, c).

    Attributes:
        axis: Its place in the output, counted with the batch axis as 0.
    """

    axis: int

    def __post_init__(self) -> None:
        check_int(self, "axis", minimum=-MAX_INT)

    def output_shape(self, *inputs: Shape) -> Shape:
        axis = new_axis(self.axis, inputs[0]) - 1
        return (*inputs[0][:axis], 1, *inputs[0][axis:])

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.expand_dims(inputs[0], new_axis(self.axis, inputs[0].shape[1:]))


@dataclass(frozen=True)
class Squeeze(Layer):
    """Removal of axes of size 1: (1, 1, c) -> (c,).

    Attributes:
        axis: Axis or axes, counted with the batch axis as 0; None for all of size 1 except the batch axis.
    """

    axis: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_axes(self, optional=True)

    def output_shape(self, *inputs: Shape) -> Shape:
        if self.axis is None:
            if None in inputs[0]:
                raise ValueError(f"needs known sizes or an axis, got an input of shape {inputs[0]}")
            return tuple(size for size in inputs[0] if size != 1)
        axes = array_axes(self.axis, inputs[0])
        if any(inputs[0][axis - 1] not in (1, None) for axis in axes):
            raise ValueError(f"axis {self.axis} of an input of shape {inputs[0]} does not have the size 1")
        return tuple(size for axis, size in enumerate(inputs[0], start=1) if axis not in axes)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        return x.reshape(len(x), *(size or 0 for size in self.output_shape(x.shape[1:])))


@dataclass(frozen=True)
class Stack(Layer):
    """Inputs of one shape along a new axis: with axis -1, two of (h, w) -> (h, w, 2).

    Attributes:
        axis: Place of the new axis in the output, counted with the batch axis as 0.
    """

    axis: int = -1
    arity: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        check_int(self, "axis", minimum=-MAX_INT)

    def accepts(self, count: int) -> bool:
        return count >= 1

    def output_shape(self, *inputs: Shape) -> Shape:
        axis = new_axis(self.axis, inputs[0]) - 1
        sizes = list(inputs[0])
        for shape in inputs[1:]:
            fits = len(shape) == len(sizes) and all(
                a is None or b is None or a == b for a, b in zip(sizes, shape, strict=True)
            )
            if not fits:
                raise ValueError(f"inputs must have the same shape, got {inputs[0]} and {shape}")
            sizes = [b if a is None else a for a, b in zip(sizes, shape, strict=True)]
        return (*sizes[:axis], len(inputs), *sizes[axis:])

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), 0, 10 * OPERATIONS_PER_ELEMENT)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.stack(inputs, axis=new_axis(self.axis, inputs[0].shape[1:]))


@dataclass(frozen=True)
class Tile(Layer):
    """Repetition of the whole array: with (1, 1, 1, 3), (h, w, c) -> (h, w, 3 · c), as c1 c2 c1 c2 ….

    Attributes:
        repeats: Number of repetitions of each axis, the batch axis first. That of the batch axis is 1. If
            they are fewer than the axes, they stand for the last ones.
    """

    repeats: tuple[int, ...]

    def __post_init__(self) -> None:
        store_setting(self, "repeats", as_ints("repeats", self.repeats))

    def output_shape(self, *inputs: Shape) -> Shape:
        repeats = self._repeats(inputs[0])
        return tuple(
            None if size is None else size * count for size, count in zip(inputs[0], repeats[1:], strict=True)
        )

    def cost(self, *inputs: Sizes) -> Cost:
        shape = self.output_shape(*inputs)
        return elementwise_cost(shape, 1, 5 * OPERATIONS_PER_ELEMENT, 1 + len(shape))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.tile(inputs[0], self._repeats(inputs[0].shape[1:]))

    def _repeats(self, shape: Shape) -> tuple[int, ...]:
        """Return the number of repetitions of each axis of (n, *shape)."""
        repeats = (1,) * (len(shape) + 1 - len(self.repeats)) + self.repeats
        if len(repeats) != len(shape) + 1 or repeats[0] != 1:
            raise ValueError(
                f"repeats must be one for each axis, and 1 for the batch axis, got {self.repeats} for an "
                f"input of shape {shape}"
            )
        return repeats


@dataclass(frozen=True)
class Repeat(Layer):
    """Repetition of each element along an axis: (h, w, c) -> (h, w, repeats · c), as c1 c1 c2 c2 ….

    Attributes:
        repeats: Number of repetitions.
        axis: The axis, counted with the batch axis as 0.
    """

    repeats: int
    axis: int = -1

    def __post_init__(self) -> None:
        check_int(self, "repeats")
        check_int(self, "axis", minimum=-MAX_INT)

    def output_shape(self, *inputs: Shape) -> Shape:
        axis = array_axis(self.axis, inputs[0]) - 1
        size = inputs[0][axis]
        repeated = None if size is None else size * self.repeats
        return (*inputs[0][:axis], repeated, *inputs[0][axis + 1 :])

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), 0, 20 * OPERATIONS_PER_ELEMENT)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.repeat(inputs[0], self.repeats, axis=array_axis(self.axis, inputs[0].shape[1:]))


@dataclass(frozen=True)
class Pad(Layer):
    """Padding of any axes: with ((0, 0), (1, 2)), (c,) -> (1 + c + 2,).

    Attributes:
        pad_width: (before, after) of each axis, the batch axis first. That of the batch axis is (0, 0).
        mode: "constant", or "reflect" or "symmetric" for the mirrored input, without or with its edge.
        constant: Value of the padding in the mode "constant".
    """

    pad_width: tuple[tuple[int, int], ...]
    mode: Literal["constant", "reflect", "symmetric"] = "constant"
    constant: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.pad_width, list | tuple):
            raise ValueError(f"pad_width must list a pair for each axis, got {reprlib.repr(self.pad_width)}")
        widths = tuple(as_ints("pad_width", width, minimum=0) for width in self.pad_width)
        if not widths or any(len(width) != 2 for width in widths) or any(widths[0]):
            raise ValueError(
                f"pad_width must be (0, 0), then a pair for each axis, got {reprlib.repr(widths)}"
            )
        store_setting(self, "pad_width", widths)
        check_choice(self, "mode", ("constant", "reflect", "symmetric"))
        check_number(self, "constant")

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) + 1 != len(self.pad_width):
            raise ValueError(f"pads {len(self.pad_width) - 1} axes, got an input of shape {inputs[0]}")
        widths = self.pad_width[1:]
        largest = {"constant": math.inf, "reflect": -1, "symmetric": 0}[self.mode]
        for size, width in zip(inputs[0], widths, strict=True):
            if size is not None and max(width) > size + largest:
                raise ValueError(f"an axis of size {size} cannot be mirrored {max(width)} beyond its end")
        return tuple(
            None if size is None else size + sum(width) for size, width in zip(inputs[0], widths, strict=True)
        )

    def cost(self, *inputs: Sizes) -> Cost:
        shape = self.output_shape(*inputs)
        return elementwise_cost(shape, 1, 5 * OPERATIONS_PER_ELEMENT, 1 + len(shape))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        if self.mode == "constant":
            return np.pad(inputs[0], self.pad_width, constant_values=self.constant)
        return np.pad(inputs[0], self.pad_width, mode=self.mode)


@dataclass(frozen=True)
class Roll(Layer):
    """Elements moved along axes; those that leave at the end come in at the beginning.

    Attributes:
        shift: Places to move by, for each axis, or for all.
        axis: Axis or axes, counted with the batch axis as 0.
    """

    shift: int | tuple[int, ...]
    axis: int | tuple[int, ...]

    def __post_init__(self) -> None:
        check_axes(self, "shift")
        check_axes(self)
        if isinstance(self.shift, tuple) and len(self.shift) != len(as_ints("axis", self.axis, -MAX_INT)):
            raise ValueError(f"shift must have a number for each axis {self.axis}, got {self.shift}")

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axes(self.axis, inputs[0])  # raises ValueError if there is no such axis
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        copies = 2 ** len(array_axes(self.axis, inputs[0])) * OPERATIONS_PER_CALL
        return elementwise_cost(inputs[0], 1, 10 * OPERATIONS_PER_ELEMENT, 2) + Cost(copies, 0)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.roll(inputs[0], self.shift, self.axis)


@dataclass(frozen=True)
class Cumsum(Layer):
    """Sums of all elements up to each, along an axis. The shape does not change.

    Attributes:
        axis: The axis, counted with the batch axis as 0.
    """

    axis: int

    def __post_init__(self) -> None:
        check_int(self, "axis", minimum=-MAX_INT)

    def output_shape(self, *inputs: Shape) -> Shape:
        array_axis(self.axis, inputs[0])  # raises ValueError if there is no such axis
        return inputs[0]

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 1, 20 * OPERATIONS_PER_ELEMENT, 3)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].cumsum(axis=self.axis)


def new_axis(axis: int, shape: Shape) -> int:
    """Return the place of an axis that is added to an array (n, *shape), as a non-negative integer.

    Raises:
        ValueError: There is no such place, or it is before the batch axis.
    """
    rank = len(shape) + 2
    positive = axis + rank if axis < 0 else axis
    if not 1 <= positive < rank:
        raise ValueError(
            f"an axis {axis} cannot be added to an input of shape {shape} (axis 0 is the batch axis)"
        )
    return positive
