"""Parts of arrays: slices, sections, and selected indices."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_ELEMENT, OPERATIONS_PER_RESIZED_TAP, elementwise_cost
from ..shapes import array_axis
from ..validation import MAX_INT, as_int, as_ints, check_int, store_setting

ELLIPSIS = "..."
Slice = tuple[int | None, int | None, int | None]  #: (start, stop, step)
#: An index: of one element, a slice, a new axis (None), or all axes that are not named ("...").
Index = int | Slice | None | str
FULL: Slice = (None, None, None)
MAX_INDICES = 64  #: NumPy's limit on axes


class IndexedPart(Layer):
    """Base class of layers that return a part of their input."""

    def part(self, x: Array) -> Array:
        """Return a view of the part of an array.

        Args:
            x: An input, with a batch axis.
        """
        raise NotImplementedError

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), 0, 10 * OPERATIONS_PER_ELEMENT)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return self.part(inputs[0]).copy()  # a view would keep the whole array


@dataclass(frozen=True)
class GetItem(IndexedPart):
    """Indexing as by `x[…]`: with ("...", (None, None, -1)), it reverses the channels.

    Attributes:
        key: An index for each axis, the batch axis first: an integer, (start, stop, step), None for a new
            axis, or once "..." for all axes that are not named. The batch axis must be taken whole.
    """

    key: tuple[Index, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.key, list | tuple) or not 1 <= len(self.key) <= MAX_INDICES:
            raise ValueError(f"key must list from 1 to {MAX_INDICES} indices, got {reprlib.repr(self.key)}")
        store_setting(self, "key", tuple(map(_check_index, self.key)))
        if self.key.count(ELLIPSIS) > 1:
            raise ValueError(f"key can have one '...', got {reprlib.repr(self.key)}")

    def output_shape(self, *inputs: Shape) -> Shape:
        sizes: list[int | None] = []
        remaining = iter(inputs[0])
        for index in self._indices(inputs[0])[1:]:
            if index is None:
                sizes.append(1)
                continue
            size = next(remaining)
            if isinstance(index, int):
                if size is not None and not -size <= index < size:
                    raise ValueError(f"there is no index {index} along an axis of size {size}")
            elif size is None:
                sizes.append(None)
            else:
                sizes.append(len(range(*index.indices(size))))
        if 0 in sizes:
            raise ValueError(f"nothing remains of an input of shape {inputs[0]}")
        return tuple(sizes)

    def part(self, x: Array) -> Array:
        return x[self._indices(x.shape[1:])]

    def _indices(self, shape: Shape) -> tuple[Any, ...]:
        """Return NumPy's indices for an array (n, *shape), with one for every axis of it."""
        named = sum(index is not None and index != ELLIPSIS for index in self.key)
        free = [FULL] * (len(shape) + 1 - named)
        if named > len(shape) + 1:
            raise ValueError(f"{named} indices are too many for an input of shape {shape}")
        key: list[Any] = list(self.key if ELLIPSIS in self.key else (*self.key, ELLIPSIS))
        at = key.index(ELLIPSIS)
        key[at : at + 1] = free
        if key[0] not in (FULL, (0, None, None), (None, None, 1), (0, None, 1)):
            raise ValueError("takes a part of the batch, or adds an axis before it; supported are other axes")
        return tuple(slice(*index) if isinstance(index, tuple) else index for index in key)


@dataclass(frozen=True)
class Split(IndexedPart):
    """One of the sections into which an axis is split.

    Attributes:
        sections: Number of equal sections, or the indices before which the axis is split.
        axis: The axis, counted with the batch axis as 0.
        output: Number of the section that is returned.
    """

    sections: int | tuple[int, ...]
    axis: int = -1
    output: int = 0

    def __post_init__(self) -> None:
        check_int(self, "axis", minimum=-MAX_INT)
        check_int(self, "output", minimum=0)
        indices = as_ints("sections", self.sections, minimum=-MAX_INT)
        if isinstance(self.sections, list | tuple):
            store_setting(self, "sections", indices)
        else:
            check_int(self, "sections")
        count = self.sections if isinstance(self.sections, int) else len(indices) + 1
        if self.output >= count:
            raise ValueError(f"has {count} output(s); there is none with number {self.output}")

    def output_shape(self, *inputs: Shape) -> Shape:
        axis = array_axis(self.axis, inputs[0]) - 1
        size = inputs[0][axis]
        if size is None:
            section = None
        else:
            start, stop = self._bounds(size)
            section = stop - start
            if section < 1:
                raise ValueError(f"nothing remains of an input of shape {inputs[0]}")
        return (*inputs[0][:axis], section, *inputs[0][axis + 1 :])

    def part(self, x: Array) -> Array:
        axis = array_axis(self.axis, x.shape[1:])
        return x[(slice(None),) * axis + (slice(*self._bounds(x.shape[axis])),)]

    def _bounds(self, size: int) -> tuple[int, int]:
        """Return where the section starts and ends, along an axis of this size."""
        if isinstance(self.sections, int):
            if size % self.sections:
                raise ValueError(
                    f"an axis of size {size} cannot be split into {self.sections} equal sections"
                )
            length = size // self.sections
            return self.output * length, (self.output + 1) * length
        start, stop, _ = slice(*(0, *self.sections, size)[self.output : self.output + 2]).indices(size)
        return start, stop


@dataclass(frozen=True)
class Take(Layer):
    """Selection of indices along an axis: with (2, 1, 0) and axis -1, RGB becomes BGR.

    Attributes:
        indices: The indices. Negative ones count from the end.
        axis: The axis, counted with the batch axis as 0.
    """

    indices: tuple[int, ...]
    axis: int = -1
    arity: ClassVar[int | None] = 1

    def __post_init__(self) -> None:
        indices = as_ints("indices", self.indices, minimum=-MAX_INT)
        if not indices:
            raise ValueError("indices must list at least one index")
        store_setting(self, "indices", indices)
        check_int(self, "axis", minimum=-MAX_INT)

    def output_shape(self, *inputs: Shape) -> Shape:
        axis = array_axis(self.axis, inputs[0]) - 1
        size = inputs[0][axis]
        if size is not None and not -size <= min(self.indices) <= max(self.indices) < size:
            raise ValueError(f"indices must be from {-size} to {size - 1}, got {reprlib.repr(self.indices)}")
        return (*inputs[0][:axis], len(self.indices), *inputs[0][axis + 1 :])

    def cost(self, *inputs: Sizes) -> Cost:
        shape = self.output_shape(*inputs)
        return elementwise_cost(shape, 1, OPERATIONS_PER_RESIZED_TAP) + Cost(
            0, 4 * math.ceil(len(self.indices))
        )

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.take(inputs[0], self.indices, array_axis(self.axis, inputs[0].shape[1:]))


def _check_index(index: Any) -> Index:
    if index is None or index == ELLIPSIS:
        return index
    if not isinstance(index, list | tuple):
        return as_int("an index", index, -MAX_INT)
    if len(index) != 3:
        raise ValueError(f"a slice must be (start, stop, step), got {reprlib.repr(index)}")
    start, stop, step = (None if value is None else as_int("a slice", value, -MAX_INT) for value in index)
    if step == 0:
        raise ValueError("a slice's step must not be 0")
    return start, stop, step
