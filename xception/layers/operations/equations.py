"""Einsum equations of one or two operands, such as "abc,cd->abd".

An equation from a file is parsed, checked and bounded here. NumPy never sees it.
"""

from __future__ import annotations

import math
import re
import reprlib
import string
from collections.abc import Sequence
from dataclasses import dataclass

from ...kernels import Array
from ..base import Cost, Shape, Sizes
from ..costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_ROW

#: Bounds the text that is parsed, and the axes of the arrays of a product. NumPy's have at most 32.
MAX_EQUATION_CHARACTERS = 100
MAX_LABELS = 16


@dataclass(frozen=True)
class Equation:
    """A parsed equation: a label for each axis of the operands and of the output.

    Attributes:
        operands: The labels of each operand, a letter for each axis: ("abc", "cd").
        output: The labels of the output: "abd".
    """

    operands: tuple[str, ...]
    output: str

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the output.

        Args:
            *shapes: The whole shape of each operand, with the batch axis.

        Raises:
            ValueError: The shapes do not fit the equation.
        """
        sizes: dict[str, int | None] = {}
        for labels, shape in zip(self.operands, shapes, strict=True):
            if len(labels) != len(shape):
                raise ValueError(f"an operand {labels!r} of the equation has {len(shape)} axes: {shape}")
            for label, size in zip(labels, shape, strict=True):
                former = sizes.get(label)
                if former is not None and size is not None and former != size:
                    raise ValueError(f"the axes {label!r} of the equation have the sizes {former} and {size}")
                sizes[label] = size if former is None else former
        return tuple(sizes[label] for label in self.output)

    def cost(self, *shapes: Sizes) -> Cost:
        """Return what `forward` takes.

        Args:
            *shapes: The whole shape of each operand, with a batch axis of size 1.
        """
        sizes = {
            label: size
            for labels, shape in zip(self.operands, shapes, strict=True)
            for label, size in zip(labels, shape, strict=True)
        }
        read, written = sum(map(math.prod, shapes)), math.prod(sizes[label] for label in self.output)
        shared, rows, summed, columns = (math.prod(map(sizes.__getitem__, part)) for part in self._parts())
        product = 2 * shared * rows * summed * columns + shared * rows * OPERATIONS_PER_ROW
        copied = read + written
        work = OPERATIONS_PER_CALL + product + copied * (4 * OPERATIONS_PER_ELEMENT + OPERATIONS_PER_ROW)
        return Cost(work, 2 * copied)

    def forward(self, *arrays: Array) -> Array:
        """Compute the output as a product of matrices, one for each index of the shared axes.

        Args:
            *arrays: The operands, with the batch axis.
        """
        self.output_shape(*(x.shape for x in arrays))  # raises ValueError for shapes that do not fit
        sizes = {
            label: size
            for labels, x in zip(self.operands, arrays, strict=True)
            for label, size in zip(labels, x.shape, strict=True)
        }
        operands = [
            _transposed(x, labels, "".join(label for label in labels if label in self._needed(i)))
            for i, (labels, x) in enumerate(zip(self.operands, arrays, strict=True))
        ]
        if len(operands) == 1:
            return _transposed(operands[0], self._reduced(0), self.output)
        shared, rows, summed, columns = self._parts()

        def matrices(x: Array, labels: str, *parts: str) -> Array:
            shape = [math.prod(map(sizes.__getitem__, part)) for part in parts]
            return _transposed(x, labels, "".join(parts)).reshape(shape)

        a = matrices(operands[0], self._reduced(0), shared, rows, summed)
        b = matrices(operands[1], self._reduced(1), shared, summed, columns)
        order = shared + rows + columns
        y = (a @ b).reshape([sizes[label] for label in order])
        return _transposed(y, order, self.output)

    def _needed(self, operand: int) -> set[str]:
        """Return the labels of the output and of the other operands. An axis of no such label is summed."""
        others = (labels for i, labels in enumerate(self.operands) if i != operand)
        return {*self.output, *"".join(others)}

    def _reduced(self, operand: int) -> str:
        """Return the labels of an operand that remain when its own axes have been summed."""
        needed = self._needed(operand)
        return "".join(label for label in self.operands[operand] if label in needed)

    def _parts(self) -> tuple[str, str, str, str]:
        """Return the labels of the product's axes: shared by both, of the first, summed, of the second."""
        a, b = (*map(self._reduced, range(len(self.operands))), "")[:2]
        return (
            "".join(label for label in a if label in b and label in self.output),
            "".join(label for label in a if label not in b),
            "".join(label for label in a if label in b and label not in self.output),
            "".join(label for label in b if label not in a),
        )


def parse_equation(equation: object, ranks: Sequence[int]) -> Equation:
    """Parse an equation.

    Args:
        equation: The equation, such as "abc,cd->abd" or "...x,xy->...y".
        ranks: Number of axes of each operand, the batch axis included.

    Returns:
        The equation, with letters in place of each "...".

    Raises:
        ValueError: It is no valid equation for one or two operands of these ranks, or lists a label
            twice for an operand.

    Examples:
        >>> parse_equation("...x,xy->...y", (3, 2))
        Equation(operands=('BAx', 'xy'), output='BAy')
    """
    if not isinstance(equation, str) or len(equation) > MAX_EQUATION_CHARACTERS:
        raise ValueError(f"the equation must be text such as 'abc,cd->abd', got {reprlib.repr(equation)}")
    text = equation.replace(" ", "")
    term = r"[A-Za-z]*(?:\.\.\.)?[A-Za-z]*"
    if not re.fullmatch(rf"{term}(,{term})?(->{term})?", text):
        raise ValueError(f"the equation must be like 'abc,cd->abd', with one or two operands, got {text!r}")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"the equation {text!r} is for {len(terms)} operand(s), got {len(ranks)}")
    spare = [letter for letter in string.ascii_uppercase + string.ascii_lowercase if letter not in text]
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(n < 0 or (n and "..." not in term) for n, term in zip(hidden, terms, strict=True)):
        raise ValueError(f"the equation {text!r} does not fit operands of {ranks} axes")
    longest = max((n for n, term in zip(hidden, terms, strict=True) if "..." in term), default=0)
    if longest > min(len(spare), MAX_LABELS):
        raise ValueError(f"the equation {text!r} has more than {MAX_LABELS} axes in place of '...'")

    def expand(term: str, count: int) -> str:
        return term.replace("...", "".join(reversed(spare[:count])))  # aligned at the last axis

    operands = tuple(expand(term, n) for term, n in zip(terms, hidden, strict=True))
    if arrow:
        output = expand(output, longest)
    else:  # as in NumPy: the axes of "...", then the labels that occur once, sorted
        once = sorted(label for label in set(left) - set(".,") if left.count(label) == 1)
        output = "".join(reversed(spare[:longest])) + "".join(once)
    all_labels = "".join(operands)
    if any(len(set(labels)) < len(labels) for labels in (*operands, output)):
        raise ValueError(f"the equation {text!r} lists a label twice for one array, which is not supported")
    if not set(output) <= set(all_labels):
        raise ValueError(f"the output of the equation {text!r} has a label that no operand has")
    if len(set(all_labels)) > MAX_LABELS:
        raise ValueError(f"the equation {text!r} has more than {MAX_LABELS} labels")
    return Equation(operands, output)


def _transposed(x: Array, labels: str, order: str) -> Array:
    """Return `x`, whose axes have `labels`, with the axes of `order`. Other axes are summed."""
    summed = tuple(i for i, label in enumerate(labels) if label not in order)
    if summed:
        x = x.sum(axis=summed)
        labels = "".join(label for label in labels if label in order)
    return x.transpose([labels.index(label) for label in order])
