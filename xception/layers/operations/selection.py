"""Selection by a mask, and conversion to integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_ELEMENT, elementwise_cost
from ..shapes import broadcast_operands
from ..validation import NestedFloats, check_choice, check_numbers

#: Types of whole numbers, with their smallest and largest value.
INTEGERS: dict[str, tuple[int, int]] = {
    name: (int(np.iinfo(name).min), int(np.iinfo(name).max))
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}


@dataclass(frozen=True)
class Where(Layer):
    """Selection by a mask: `x` where the mask is not 0, `y` elsewhere.

    The inputs are the mask, `x` and `y`, of one rank, without those that are constants.

    Attributes:
        x: A constant for `x`, as a number or nested lists of numbers.
        y: A constant for `y`.
    """

    x: NestedFloats | None = None
    y: NestedFloats | None = None

    def __post_init__(self) -> None:
        check_numbers(self, *(name for name in ("x", "y") if getattr(self, name) is not None))

    @property
    def arity(self) -> int:  # type: ignore[override]
        return 1 + (self.x is None) + (self.y is None)

    def output_shape(self, *inputs: Shape) -> Shape:
        return broadcast_operands(
            inputs, tuple(array.shape for array in self._constants if array is not None)
        )

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), 1, 10 * OPERATIONS_PER_ELEMENT, 3)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        mask, *given = inputs
        values = iter(given)
        x, y = (next(values) if array is None else array.astype(mask.dtype) for array in self._constants)
        selected: Array = np.where(mask != 0, x, y)
        return selected

    @cached_property
    def _constants(self) -> tuple[Array | None, Array | None]:
        """x and y as arrays, converted once: a file can list many numbers."""
        x, y = (None if value is None else np.asarray(value, np.float64) for value in (self.x, self.y))
        return x, y


@dataclass(frozen=True)
class Cast(Layer):
    """Conversion to whole numbers, which stay in the type of the input: the fraction is dropped.

    Numbers beyond the range of the type become its smallest or largest. TensorFlow leaves them undefined.

    Attributes:
        dtype: A type of integers, such as "uint8" or "int32"; "bool" for 0 and 1; or "float32", which changes
            nothing.
    """

    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_choice(self, "dtype", ("float32", "bool", *INTEGERS))

    @property
    def identity(self) -> bool:  # type: ignore[override]
        return self.dtype == "float32"

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 2, 100 * OPERATIONS_PER_ELEMENT, 3)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        if self.identity:
            return x
        if self.dtype == "bool":
            return (x != 0).astype(x.dtype)
        smallest, largest = INTEGERS[self.dtype]
        clipped: Array = np.clip(np.trunc(x), smallest, largest).astype(x.dtype, copy=False)
        return clipped
