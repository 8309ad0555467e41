"""Elementwise layers, merging and arithmetic as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...layers.operations.selection import INTEGERS, Where
from .activations import add_activation
from .building import Builder, NotExpressibleError, Tensor, parameter
from .convolutions import Use

Operands = Sequence[Tensor]
MERGING = {
    "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Average": "Add", "Maximum": "Max", "Minimum": "Min",
}  # fmt: skip
UNARY = {
    "negative": "Neg", "absolute": "Abs", "sqrt": "Sqrt", "reciprocal": "Reciprocal", "exp": "Exp",
    "log": "Log", "sin": "Sin", "cos": "Cos", "sign": "Sign", "floor": "Floor", "ceil": "Ceil",
    "round": "Round",
}  # fmt: skip
BINARY = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "maximum": "Max",
    "minimum": "Min",
}  # fmt: skip
#: Those whose result is a mask, with whether it is turned around.
COMPARISONS = {
    "equal": ("Equal", False), "not_equal": ("Equal", True), "greater": ("Greater", False),
    "greater_equal": ("GreaterOrEqual", False), "less": ("Less", False), "less_equal": ("LessOrEqual", False),
}  # fmt: skip
LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
FLOAT, BOOL = 1, 9  #: ONNX's numbers of types


def _as_mask(b: Builder, x: str, stem: str) -> str:
    return b.add("Cast", [x], f"{stem}/mask", to=BOOL)


def _as_floats(b: Builder, mask: str, name: str) -> str:
    return b.add("Cast", [mask], name, to=FLOAT)


def add_own_activation(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    y = add_activation(builder, use.layer, inputs[0], use.name)
    if y is inputs[0]:
        return Tensor(builder.add("Identity", [y.name], use.name), y.shape, y.is_first)
    return y


def add_prelu(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,) = inputs
    slope = builder.like(parameter(use.owner, "alpha"), use.parameters["alpha"], x)
    return Tensor(builder.add("PRelu", [x.name, slope], use.name), x.shape, x.is_first)


def add_merge(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Combine inputs from left to right. One of lower rank gets new axes after the batch axis."""
    tensors = builder.aligned(inputs)
    rank = max(x.rank for x in tensors)
    names = []
    for x in tensors:
        axes = list(range(1, 1 + rank - x.rank))
        names.append(
            builder.add("Unsqueeze", [x.name, builder.integers(axes)], f"{x.name}/raised") if axes else x.name
        )
    operator, is_mean = MERGING[use.layer.kind], use.layer.kind == "Average"
    y = names[0]
    for position, name in enumerate(names[1:], start=1):
        is_last = position == len(names) - 1 and not is_mean
        y = builder.add(operator, [y, name], use.name if is_last else f"{use.name}/sum")
    if is_mean:
        y = builder.add("Mul", [y, builder.number(1 / len(names))], use.name)
    return Tensor(y, use.output_shape, tensors[0].is_first)


def add_concatenation(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    tensors = builder.aligned(inputs)
    axis = tensors[0].axis(use.layer.axis)
    name = builder.add("Concat", [x.name for x in tensors], use.name, axis=axis)
    return Tensor(name, use.output_shape, tensors[0].is_first)


def add_rescaling(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    return _add_linear(builder, use, inputs[0], np.asarray(use.layer.scale), np.asarray(use.layer.offset))


def add_normalization(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, (x,) = use.layer, inputs
    example = np.zeros((1, *(size or 1 for size in x.shape)))
    mean, deviation = (array[0] for array in layer.statistics(use.parameters, example))
    if layer.invert:
        return _add_linear(builder, use, x, deviation, mean)
    return _add_linear(builder, use, x, 1 / deviation, -mean / deviation)


def _add_linear(builder: Builder, use: Use, x: Tensor, scale: Any, offset: Any) -> Tensor:
    product = builder.add("Mul", [x.name, builder.like(f"{use.name}/scale", scale, x)], f"{use.name}/product")
    name = builder.add("Add", [product, builder.like(f"{use.name}/offset", offset, x)], use.name)
    return Tensor(name, x.shape, x.is_first)


def add_batch_normalization(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Batch normalization that is not folded. ONNX's operator takes channels first, and vectors."""
    (x,), layer, names = inputs, use.layer, ("gamma", "beta", "moving_mean", "moving_variance")
    if layer.axis not in (-1, x.rank - 1) or x.rank not in (2, 4) or (x.rank == 4 and not x.is_first):
        return _add_linear(builder, use, x, *batch_normalization_terms(use))
    channels = use.parameters["moving_mean"].shape
    defaults = {"gamma": np.ones(channels), "beta": np.zeros(channels)}
    constants = [
        builder.constant(parameter(use.owner, name), use.parameters.get(name, defaults.get(name)))
        for name in names
    ]
    name = builder.add("BatchNormalization", [x.name, *constants], use.name, epsilon=layer.epsilon)
    return Tensor(name, x.shape, x.is_first)


def batch_normalization_terms(use: Use) -> tuple[Any, Any]:
    """Return (scale, offset) of a batch normalization, by channel, in float64."""
    values = {name: array.astype(np.float64) for name, array in use.parameters.items()}
    scale = values.get("gamma", 1.0) / np.sqrt(values["moving_variance"] + use.layer.epsilon)
    return scale, values.get("beta", 0.0) - values["moving_mean"] * scale


# --- operations -----------------------------------------------------------------------------


def add_arithmetic(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, tensors = use.layer, builder.aligned(inputs)
    if layer.constant is not None and np.ndim(layer.constant) > tensors[0].rank - 1:
        tensors = [builder.last(x) for x in tensors]
    x = tensors[0]
    names = [tensor.name for tensor in tensors]
    if layer.constant is not None:
        names.append(builder.like(f"{use.name}/constant", layer.constant, x))
        names = names[::-1] if layer.constant_first else names
    return Tensor(_add_operation(builder, layer.operation, names, use.name), use.output_shape, x.is_first)


def _add_operation(b: Builder, operation: str, names: list[str], name: str) -> str:
    if operation in UNARY:
        return b.add(UNARY[operation], names, name)
    if operation in BINARY:
        return b.add(BINARY[operation], names, name)
    if operation in COMPARISONS:
        operator, is_turned = COMPARISONS[operation]
        mask = b.add(operator, names, f"{name}/mask")
        return _as_floats(b, b.add("Not", [mask], f"{name}/not") if is_turned else mask, name)
    if operation in LOGICAL:
        masks = [_as_mask(b, x, f"{name}/operand") for x in names]
        return _as_floats(b, b.add(LOGICAL[operation], masks, f"{name}/both"), name)
    if operation not in COMPOSED:
        raise NotExpressibleError(f"the operation {operation!r}")
    return COMPOSED[operation](b, names, name)


def _rsqrt(b: Builder, names: list[str], name: str) -> str:
    return b.add("Reciprocal", [b.add("Sqrt", names, f"{name}/root")], name)


def _log1p(b: Builder, names: list[str], name: str) -> str:
    return b.add("Log", [b.add("Add", [names[0], b.number(1)], f"{name}/sum")], name)


def _expm1(b: Builder, names: list[str], name: str) -> str:
    return b.add("Sub", [b.add("Exp", names, f"{name}/exp"), b.number(1)], name)


def _floor_divide(b: Builder, names: list[str], name: str) -> str:
    return b.add("Floor", [b.add("Div", names, f"{name}/quotient")], name)


def _mod(b: Builder, names: list[str], name: str) -> str:
    """x − ⌊x / y⌋ · y, whose sign is that of y, as in NumPy."""
    quotient = b.add("Floor", [b.add("Div", names, f"{name}/quotient")], f"{name}/floor")
    return b.add("Sub", [names[0], b.add("Mul", [quotient, names[1]], f"{name}/part")], name)


def _divide_no_nan(b: Builder, names: list[str], name: str) -> str:
    is_zero = b.add("Equal", [names[1], b.number(0)], f"{name}/is_zero")
    quotient = b.add("Div", names, f"{name}/quotient")
    return b.add("Where", [is_zero, b.number(0), quotient], name)


def _logical_not(b: Builder, names: list[str], name: str) -> str:
    return _as_floats(b, b.add("Not", [_as_mask(b, names[0], name)], f"{name}/not"), name)


COMPOSED: dict[str, Callable[[Builder, list[str], str], str]] = {
    "square": lambda b, names, name: b.add("Mul", [names[0], names[0]], name),
    "rsqrt": _rsqrt,
    "expm1": _expm1,
    "log1p": _log1p,
    "zeros_like": lambda b, names, name: b.add("Mul", [names[0], b.number(0)], name),
    "ones_like": lambda b, names, name: b.add("Sub", [b.number(1), _zeros(b, names, name)], name),
    "floor_divide": _floor_divide,
    "mod": _mod,
    "divide_no_nan": _divide_no_nan,
    "logical_not": _logical_not,
}


def _zeros(b: Builder, names: list[str], name: str) -> str:
    return b.add("Mul", [names[0], b.number(0)], f"{name}/zeros")


def add_where(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer: Where = use.layer
    tensors = [builder.last(x) for x in inputs]
    names = [x.name for x in tensors]
    mask = _as_mask(builder, names.pop(0), use.name)
    branches = []
    for side, constant in (("x", layer.x), ("y", layer.y)):
        is_given = constant is not None
        branches.append(builder.constant(f"{use.name}/{side}", constant) if is_given else names.pop(0))
    return Tensor(builder.add("Where", [mask, *branches], use.name), use.output_shape)


def add_cast(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Drop the fraction, and keep within the range of the type."""
    (x,), layer = inputs, use.layer
    if layer.dtype == "bool":
        name = _as_floats(builder, _as_mask(builder, x.name, use.name), use.name)
    elif layer.dtype == "float32":
        name = builder.add("Identity", [x.name], use.name)
    else:
        sign = builder.add("Sign", [x.name], f"{use.name}/sign")
        whole = builder.add("Floor", [builder.add("Abs", [x.name], f"{use.name}/size")], f"{use.name}/whole")
        name = builder.add("Mul", [sign, whole], f"{use.name}/signed")
        low, high = (builder.number(float(bound)) for bound in INTEGERS[layer.dtype])
        name = builder.add("Clip", [name, low, high], use.name)
    return Tensor(name, x.shape, x.is_first)


def add_rational_tanh(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,), b, name = inputs, builder, use.name
    u = b.add("Mul", [b.add("Abs", [x.name], f"{name}/size"), b.number(2 / 3)], f"{name}/u")
    square = b.add("Mul", [u, u], f"{name}/square")
    power = b.add("Mul", [square, square], f"{name}/power")
    fourth = b.add("Mul", [power, b.number(1.41645)], f"{name}/fourth")
    total = b.add("Add", [b.add("Add", [u, square], f"{name}/low"), fourth], f"{name}/sum")
    part = b.add("Div", [total, b.add("Add", [total, b.number(1)], f"{name}/divisor")], f"{name}/part")
    signed = b.add("Mul", [b.add("Sign", [x.name], f"{name}/sign"), part], f"{name}/signed")
    return Tensor(b.add("Mul", [signed, b.number(1.7159)], name), x.shape, x.is_first)


OPERATORS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    **dict.fromkeys(
        ("Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Softmax"), add_own_activation
    ),
    "RationalTanh": add_rational_tanh,
    "PReLU": add_prelu,
    **dict.fromkeys(MERGING, add_merge),
    "Concatenate": add_concatenation,
    "Rescaling": add_rescaling,
    "Normalization": add_normalization,
    "BatchNormalization": add_batch_normalization,
    "Where": add_where,
    "Cast": add_cast,
}
