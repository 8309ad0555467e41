"""Einsum equations of one or two operands, such as "abc,cd->abd", and the dense layer that is given by one.

An equation from a file is parsed, checked and bounded here. NumPy never sees it.
"""

from __future__ import annotations

import math
import re
import reprlib
import string
from collections.abc import Sequence
from dataclasses import dataclass

from ..kernels import Array
from .activations import apply_epilogue, check_activation, epilogue_cost
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_ROW, known
from .shapes import fully_known
from .validation import as_int, store_setting

#: Bounds the text that is parsed, and the axes of the arrays of a product. NumPy's have at most 32.
MAX_EQUATION_CHARACTERS = 100
MAX_LABELS = 16


@dataclass(frozen=True)
class Einsum:
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


def parse_einsum(equation: object, ranks: Sequence[int]) -> Einsum:
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
        >>> parse_einsum("...x,xy->...y", (3, 2))
        Einsum(operands=('BAx', 'xy'), output='BAy')
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
    return Einsum(operands, output)


def _transposed(x: Array, labels: str, order: str) -> Array:
    """Return `x`, whose axes have `labels`, with the axes of `order`. Other axes are summed."""
    summed = tuple(i for i, label in enumerate(labels) if label not in order)
    if summed:
        x = x.sum(axis=summed)
        labels = "".join(label for label in labels if label in order)
    return x.transpose([labels.index(label) for label in order])


@dataclass(frozen=True)
class EinsumDense(Layer):
    """Fully connected layer by an einsum equation: for "abc,cd->abd", (b, c) -> (b, d).

    The parameters are `kernel`, with the axes of the second operand, and `bias`, which varies along
    `bias_axes`.

    Attributes:
        equation: An equation of the input and the kernel. The first axis is the batch axis.
        output_shape_setting: Shape of the output, without the batch axis and the axes of "...". It may be
            None along axes of the input. In Keras the setting is called `output_shape`.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        bias_axes: The labels of the output along which the bias varies. None stands for no bias.
    """

    equation: str
    output_shape_setting: int | tuple[int | None, ...] | None
    activation: str | Layer = "linear"
    bias_axes: str | None = None

    def __post_init__(self) -> None:
        setting = self.output_shape_setting
        sizes = setting if isinstance(setting, list | tuple) else (setting,)
        sizes = tuple(None if size is None else as_int("output_shape", size) for size in sizes)
        store_setting(self, "output_shape_setting", sizes)
        check_activation(self)
        term = r"[A-Za-z]{1,16}"
        forms = (
            rf"{term},{term}->{term}",
            rf"\.\.\.{term},{term}->\.\.\.{term}",
            rf"{term}\.\.\.,{term}->{term}\.\.\.",
        )
        if not isinstance(self.equation, str) or not any(re.fullmatch(f, self.equation) for f in forms):
            raise ValueError(
                "equation must be like 'ab,bc->ac', '...a,ab->...b' or 'ab...,bc->ac...', got "
                f"{reprlib.repr(self.equation)}"
            )
        output = self.equation.partition("->")[2].replace(".", "")
        if self.bias_axes is not None and not (
            isinstance(self.bias_axes, str) and self.bias_axes and set(self.bias_axes) <= set(output)
        ):
            raise ValueError(f"bias_axes must be labels of the output, got {reprlib.repr(self.bias_axes)}")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        einsum, kernel = self._resolve(inputs[0])
        if self.bias_axes is None:
            return {"kernel": Parameter(kernel)}
        sizes = dict(zip(einsum.output, (None, *self.output_shape(inputs[0])), strict=True))
        varying = einsum.output[min(map(einsum.output.index, self.bias_axes)) :]
        bias = fully_known(tuple(sizes[x] if x in self.bias_axes else 1 for x in varying))
        if bias is None:
            raise ValueError(f"needs known sizes along the axes of its bias, got an input {inputs[0]}")
        return {"kernel": Parameter(kernel), "bias": Parameter(bias, "zeros")}

    def output_shape(self, *inputs: Shape) -> Shape:
        einsum, kernel = self._resolve(inputs[0])
        return einsum.output_shape((None, *inputs[0]), kernel)[1:]

    def cost(self, *inputs: Sizes) -> Cost:
        einsum, kernel = self._resolve(inputs[0])
        out = known(self.output_shape(*inputs))
        return einsum.cost((1, *inputs[0]), kernel) + epilogue_cost(self.activation, out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = self.einsum(inputs[0].shape[1:]).forward(inputs[0], parameters["kernel"])
        return apply_epilogue(y, parameters, self.activation)

    def einsum(self, shape: Shape) -> Einsum:
        """Return the equation for inputs of this shape.

        Args:
            shape: Shape of the input, without the batch axis.
        """
        kernel_rank = len(self.equation.partition("->")[0].partition(",")[2])
        return parse_einsum(self.equation, (len(shape) + 1, kernel_rank))

    def _resolve(self, shape: Shape) -> tuple[Einsum, tuple[int, ...]]:
        """Return the equation and the shape of the kernel, for inputs of this shape."""
        einsum = self.einsum(shape)
        x, kernel = einsum.operands
        if x[0] != einsum.output[:1] or x[0] in kernel:
            raise ValueError(f"the first axis of input and output must be the batch in {self.equation!r}")
        assert isinstance(self.output_shape_setting, tuple)  # __post_init__ has stored it so
        hidden = len(x) - len(self.equation.partition(",")[0].replace(".", ""))  # axes of "..."
        given = dict(zip(x, (None, *shape), strict=True))
        leading, trailing = ("", x[len(x) - hidden :]) if self.equation[0] != "." else (x[:hidden], "")
        labels = einsum.output[max(len(leading), 1) : len(einsum.output) - len(trailing)]
        if len(labels) != len(self.output_shape_setting):
            raise ValueError(f"output_shape {self.output_shape_setting} does not fit {self.equation!r}")
        sizes = dict(given)
        for label, size in zip(labels, self.output_shape_setting, strict=True):
            if size is not None and sizes.get(label) not in (None, size):
                raise ValueError(f"output_shape {self.output_shape_setting} does not fit an input {shape}")
            sizes[label] = size or sizes.get(label)
        shape_of_kernel = fully_known(tuple(sizes.get(label) for label in kernel))
        if shape_of_kernel is None:
            raise ValueError(f"needs known sizes along the axes of its kernel, got an input of shape {shape}")
        return einsum, shape_of_kernel
