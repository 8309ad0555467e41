"""Products of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameters, Shape, Sizes
from ..costs import (
    OPERATIONS_PER_CALL,
    OPERATIONS_PER_ELEMENT,
    OPERATIONS_PER_ROW,
    count,
    known,
)
from ..shapes import broadcast_shapes
from ..validation import NestedFloats, check_bool, check_numbers


@dataclass(frozen=True)
class Matmul(Layer):
    """Matrix product along the last two axes: (…, m, k), (…, k, n) -> (…, m, n).

    It takes two inputs of one rank, whose other axes broadcast, or one input and a constant matrix.

    Attributes:
        constant: One of the matrices, as two nested lists of numbers.
        constant_first: Whether the constant is the first operand.
        transpose_a: Whether the first operand is (…, k, m).
        transpose_b: Whether the second operand is (…, n, k).
    """

    constant: NestedFloats | None = None
    constant_first: bool = False
    transpose_a: bool = False
    transpose_b: bool = False

    def __post_init__(self) -> None:
        check_bool(self, "constant_first", "transpose_a", "transpose_b")
        if self.constant is not None:
            check_numbers(self, "constant")
            if self._constant.ndim != 2:
                raise ValueError(
                    f"the constant must be a matrix, got an array of shape {self._constant.shape}"
                )
        elif self.constant_first:
            raise ValueError("constant_first requires a constant")

    @property
    def arity(self) -> int:  # type: ignore[override]
        return 2 if self.constant is None else 1

    def output_shape(self, *inputs: Shape) -> Shape:
        transposed = self.transpose_a, self.transpose_b
        if self.constant is None:
            a, b = inputs
            if len(a) != len(b) or len(a) < 2:
                raise ValueError(
                    f"takes two stacks of matrices (…, m, k) of one rank, got shapes {a} and {b}"
                )
        else:
            is_vector = len(inputs[0]) == 1
            if not inputs[0] or (is_vector and (self.constant_first or any(transposed))):
                raise ValueError(f"takes a stack of matrices (…, m, k), got an input of shape {inputs[0]}")
            first = (1, *inputs[0]) if is_vector else inputs[0]
            a, b = (self._constant.shape, first) if self.constant_first else (first, self._constant.shape)
        a, b = (
            (*shape[:-2], shape[-1], shape[-2]) if flag else shape
            for shape, flag in zip((a, b), transposed, strict=True)
        )
        if a[-1] is not None and b[-2] is not None and a[-1] != b[-2]:
            raise ValueError(f"matrices of shapes {a[-2:]} and {b[-2:]} cannot be multiplied")
        stack = broadcast_shapes(a[:-2], b[:-2])
        if stack is None:
            raise ValueError(f"operands must have compatible shapes, got {a} and {b}")
        shape = (*stack, a[-2], b[-1])
        return shape[1:] if self.constant is not None and len(inputs[0]) == 1 else shape

    def cost(self, *inputs: Sizes) -> Cost:
        out = known(self.output_shape(*inputs))
        a = known(self._constant.shape if self.constant_first else inputs[0])
        k = a[-2] if self.transpose_a else a[-1]
        read = sum(map(count, inputs)) + self._constant.size
        work = OPERATIONS_PER_CALL + 2 * count(out) * k + count(out[:-1]) * OPERATIONS_PER_ROW
        work += 2 * count(out) * OPERATIONS_PER_ELEMENT  # of an outer product most of the time
        return Cost(work + 10 * read * OPERATIONS_PER_ELEMENT, count(out) + read)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        a, b = self.matrices(*inputs)
        return np.ascontiguousarray(a) @ np.ascontiguousarray(b)  # BLAS multiplies no other arrays

    def matrices(self, *inputs: Array) -> tuple[Array, Array]:
        """Return both operands in order, transposed as the settings say.

        Args:
            *inputs: The inputs of the layer: two, or one if there is a constant.
        """
        a, b = (*inputs, self._constant.astype(inputs[0].dtype))[:2]
        if self.constant_first:
            a, b = b, a
        return (a.swapaxes(-1, -2) if self.transpose_a else a, b.swapaxes(-1, -2) if self.transpose_b else b)

    @cached_property
    def _constant(self) -> Array:
        """The constant as an array, converted once: a file can list many numbers."""
        return np.asarray(() if self.constant is None else self.constant, np.float64)
