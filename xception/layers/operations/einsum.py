"""Layers that are given by an einsum equation."""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...kernels import Array
from ..activations import apply_epilogue, check_activation, epilogue_cost
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import known
from ..penalized import Penalized
from ..shapes import fully_known
from ..validation import as_int, store_setting
from .equations import Equation, parse_equation


@dataclass(frozen=True)
class Einsum(Layer):
    """Einstein summation of one or two inputs, such as "bhwc,bhwd->bcd".

    Attributes:
        subscripts: An equation. The first axis of each input and of the output is the batch axis.
    """

    subscripts: str
    arity: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        if isinstance(self.subscripts, str):
            store_setting(self, "subscripts", self.subscripts.replace(" ", ""))
        terms = str(self.subscripts).partition("->")[0].split(",")
        self._parse([len(term.replace("...", "A")) for term in terms])  # "..." is one axis at least

    def accepts(self, count: int) -> bool:
        return count == self.subscripts.partition("->")[0].count(",") + 1

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.equation(*inputs).output_shape(*((None, *shape) for shape in inputs))[1:]

    def cost(self, *inputs: Sizes) -> Cost:
        return self.equation(*inputs).cost(*((1, *shape) for shape in inputs))

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return np.ascontiguousarray(self.equation(*(x.shape[1:] for x in inputs)).forward(*inputs))

    def equation(self, *inputs: Shape) -> Equation:
        """Return the equation for inputs of these shapes.

        Args:
            *inputs: Their shapes, without the batch axis.
        """
        return self._parse([len(shape) + 1 for shape in inputs])

    def _parse(self, ranks: list[int]) -> Equation:
        equation = parse_equation(self.subscripts, ranks)
        if len({labels[:1] for labels in (*equation.operands, equation.output)}) > 1:
            raise ValueError(f"every term must begin with the batch axis in {self.subscripts!r}")
        return equation


@dataclass(frozen=True)
class EinsumDense(Penalized):
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
        self.check_penalties()
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
        equation, kernel = self._resolve(inputs[0])
        if self.bias_axes is None:
            return {"kernel": Parameter(kernel)}
        sizes = dict(zip(equation.output, (None, *self.output_shape(inputs[0])), strict=True))
        varying = equation.output[min(map(equation.output.index, self.bias_axes)) :]
        bias = fully_known(tuple(sizes[x] if x in self.bias_axes else 1 for x in varying))
        if bias is None:
            raise ValueError(f"needs known sizes along the axes of its bias, got an input {inputs[0]}")
        return {"kernel": Parameter(kernel), "bias": Parameter(bias, "zeros")}

    def output_shape(self, *inputs: Shape) -> Shape:
        equation, kernel = self._resolve(inputs[0])
        return equation.output_shape((None, *inputs[0]), kernel)[1:]

    def cost(self, *inputs: Sizes) -> Cost:
        equation, kernel = self._resolve(inputs[0])
        out = known(self.output_shape(*inputs))
        return equation.cost((1, *inputs[0]), kernel) + epilogue_cost(self.activation, out)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = self.parsed(inputs[0].shape[1:]).forward(inputs[0], parameters["kernel"])
        return apply_epilogue(y, parameters, self.activation)

    def parsed(self, shape: Shape) -> Equation:
        """Return the equation for inputs of this shape.

        Args:
            shape: Shape of the input, without the batch axis.
        """
        kernel_rank = len(self.equation.partition("->")[0].partition(",")[2])
        return parse_equation(self.equation, (len(shape) + 1, kernel_rank))

    def _resolve(self, shape: Shape) -> tuple[Equation, tuple[int, ...]]:
        """Return the equation and the shape of the kernel, for inputs of this shape."""
        equation = self.parsed(shape)
        x, kernel = equation.operands
        if x[0] != equation.output[:1] or x[0] in kernel:
            raise ValueError(f"the first axis of input and output must be the batch in {self.equation!r}")
        assert isinstance(self.output_shape_setting, tuple)  # __post_init__ has stored it so
        hidden = len(x) - len(self.equation.partition(",")[0].replace(".", ""))  # axes of "..."
        given = dict(zip(x, (None, *shape), strict=True))
        leading, trailing = ("", x[len(x) - hidden :]) if self.equation[0] != "." else (x[:hidden], "")
        labels = equation.output[max(len(leading), 1) : len(equation.output) - len(trailing)]
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
        return equation, shape_of_kernel
