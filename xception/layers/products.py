"""Products of matrices and tensors."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .base import Cost, Layer, Parameters, Shape, Sizes
from .costs import (
    OPERATIONS_PER_CALL,
    OPERATIONS_PER_ELEMENT,
    OPERATIONS_PER_ROW,
    count,
    known,
)
from .shapes import broadcast_shapes
from .validation import NestedFloats, check_bool, check_numbers, store_setting

MAX_EQUATION_CHARACTERS = 40


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


@dataclass(frozen=True)
class Einsum(Layer):
    """Einstein summation of one or two inputs, such as "bhwc,bhwd->bcd".

    Attributes:
        subscripts: A letter for each axis of each input, and those of the output after "->". All begin with
            the letter of the batch axis. No letter stands twice in one input or in the output.
    """

    subscripts: str
    arity: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        text = self.subscripts
        if not isinstance(text, str) or len(text) > MAX_EQUATION_CHARACTERS:
            raise ValueError(f"subscripts must be an equation of letters, got {reprlib.repr(text)}")
        text = text.replace(" ", "")
        match = re.fullmatch(r"([a-zA-Z]+)(?:,([a-zA-Z]+))?->([a-zA-Z]+)", text)
        if match is None:
            raise ValueError(
                f"subscripts must be letters of one or two inputs and of the output, such as "
                f"'bij,bjk->bik', got {text!r}"
            )
        store_setting(self, "subscripts", text)
        *operands, output = self.terms
        if any(len(set(term)) < len(term) for term in self.terms):
            raise ValueError(f"no letter can stand twice in one term, got {text!r}")
        if len({term[0] for term in self.terms}) > 1:
            raise ValueError(f"every term must begin with the letter of the batch axis, got {text!r}")
        if not set(output) <= set("".join(operands)):
            raise ValueError(f"every letter of the output must stand in an input, got {text!r}")

    @property
    def terms(self) -> tuple[str, ...]:
        """The letters of each input, and of the output."""
        return tuple(re.split(",|->", self.subscripts))

    def accepts(self, count: int) -> bool:
        return count == len(self.terms) - 1

    def output_shape(self, *inputs: Shape) -> Shape:
        sizes = self._sizes(*inputs)
        return tuple(sizes[letter] for letter in self.terms[-1][1:])

    def cost(self, *inputs: Sizes) -> Cost:
        sizes = self._sizes(*inputs)
        out, read = known(self.output_shape(*inputs)), sum(map(count, inputs))
        products = math.prod(size or 0 for size in sizes.values())
        work = OPERATIONS_PER_CALL + 2 * products + (count(out) + read) * 10 * OPERATIONS_PER_ELEMENT
        work += sum(count(shape[:-1]) for shape in (*inputs, out)) * OPERATIONS_PER_ROW
        # A product of matrices with one short side takes as long as their rows or columns.
        return Cost(work + math.prod(out[:-1]) * OPERATIONS_PER_ROW, 2 * count(out) + 2 * read)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        *operands, output = self.terms
        return contract(operands, output, *inputs)

    def _sizes(self, *inputs: Shape) -> dict[str, int | None]:
        """Return the size of each letter except the batch axis's."""
        sizes: dict[str, int | None] = {}
        for term, shape in zip(self.terms, inputs, strict=False):
            if len(shape) != len(term) - 1:
                raise ValueError(f"{term!r} takes inputs of rank {len(term)}, got an input of shape {shape}")
            for letter, size in zip(term[1:], shape, strict=True):
                before = sizes.get(letter)
                if before is not None and size is not None and size != before:
                    raise ValueError(f"the axes {letter!r} must have one size, got {before} and {size}")
                sizes[letter] = before if size is None else size
        return sizes


def contract(operands: list[str], output: str, *inputs: Array) -> Array:
    """Return the Einstein summation of one or two arrays, as a product of matrices.

    Args:
        operands: The letters of each array.
        output: The letters of the result; each stands in an array.
        *inputs: The arrays.
    """
    elsewhere = [set(output).union(*(operands[:i] + operands[i + 1 :])) for i in range(len(operands))]
    summed = []
    for term, x, letters in zip(operands, inputs, elsewhere, strict=True):
        axes = tuple(axis for axis, letter in enumerate(term) if letter not in letters)
        kept = "".join(letter for letter in term if letter in letters)
        summed.append((kept, x.sum(axis=axes) if axes else x))
    if len(summed) == 1:
        ((term, x),) = summed
        return x.transpose([term.index(letter) for letter in output]).copy()
    (a, x), (b, y) = summed
    shared = [letter for letter in a if letter in b and letter in output]
    inner = [letter for letter in a if letter in b and letter not in output]
    rows, columns = ([letter for letter in term if letter not in other] for term, other in ((a, b), (b, a)))
    sizes: Mapping[str, int] = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    size = [math.prod(sizes[letter] for letter in group) for group in (shared, rows, inner, columns)]
    x = x.transpose([a.index(letter) for letter in (*shared, *rows, *inner)]).reshape(
        size[0], size[1], size[2]
    )
    y = y.transpose([b.index(letter) for letter in (*shared, *inner, *columns)]).reshape(
        size[0], size[2], size[3]
    )
    order = [*shared, *rows, *columns]
    product = (x @ y).reshape([sizes[letter] for letter in order])
    return np.ascontiguousarray(product.transpose([order.index(letter) for letter in output]))
