"""Normalization, reductions and products as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...layers.operations.reductions import Reduction
from .activations import add_activation
from .building import Builder, NotExpressibleError, Tensor, parameter
from .convolutions import Use
from .elementwise import BOOL, FLOAT

Operands = Sequence[Tensor]
REDUCTIONS = {
    "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
    "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


def _own(x: Tensor, axes: int | tuple[int, ...]) -> list[int]:
    return sorted({axis % x.rank for axis in ((axes,) if isinstance(axes, int) else axes)})


def total(builder: Builder, x: str, axes: Sequence[int], name: str, keepdims: bool = True) -> str:
    """Add a sum along axes, which ONNX takes as an input."""
    return builder.add("ReduceSum", [x, builder.integers(axes)], name, keepdims=int(keepdims))


def variance(builder: Builder, x: str, axes: Sequence[int], name: str) -> tuple[str, str]:
    """Add the deviations from the mean and the variance along axes. Return the names of both."""
    mean = builder.add("ReduceMean", [x], f"{name}/mean", axes=axes, keepdims=1)
    centered = builder.add("Sub", [x, mean], f"{name}/centered")
    square = builder.add("Mul", [centered, centered], f"{name}/square")
    return centered, builder.add("ReduceMean", [square], f"{name}/variance", axes=axes, keepdims=1)


def _divide_by_root(builder: Builder, x: str, power: str, epsilon: float, name: str) -> str:
    """Add x / √(power + epsilon)."""
    raised = builder.add("Add", [power, builder.number(epsilon)], f"{name}/raised")
    return builder.add("Div", [x, builder.add("Sqrt", [raised], f"{name}/root")], name)


def _scale(builder: Builder, use: Use, x: str, shape: Sequence[int], names: Sequence[tuple[str, str]]) -> str:
    """Multiply by a parameter, and add another, as far as there are any. Each broadcasts by a shape."""
    for key, operator in names:
        if key in use.parameters:
            array = use.parameters[key].reshape(shape)
            constant = builder.constant(parameter(use.owner, key), array)
            x = builder.add(operator, [x, constant], use.name)
    return x


def _along(x: Tensor, axes: Sequence[int]) -> list[int]:
    """Return the shape of a parameter that varies along axes, with size 1 along the others."""
    sizes = [1, *x.shape]
    if len(axes) == 1:
        return [-1 if axis in axes else 1 for axis in range(x.rank)]
    return [(sizes[axis] or 1) if axis in axes else 1 for axis in range(x.rank)]


def add_layer_normalization(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.last(inputs[0])
    axes = _own(x, layer.axis)
    if axes == [x.rank - 1] and not layer.rms_scaling and layer.scale:
        names = ["gamma", *(["beta"] if layer.center else [])]
        constants = [builder.constant(parameter(use.owner, name), use.parameters[name]) for name in names]
        name = builder.add(
            "LayerNormalization", [x.name, *constants], use.name, axis=-1, epsilon=layer.epsilon
        )
        return Tensor(name, x.shape)
    centered, power = variance(builder, x.name, axes, use.name)
    operand = x.name if layer.rms_scaling else centered
    y = _divide_by_root(builder, operand, power, layer.epsilon, use.name)
    y = _scale(builder, use, y, _along(x, axes), (("gamma", "Mul"), ("beta", "Add")))
    return Tensor(y, x.shape)


def add_rms_normalization(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.last(inputs[0])
    axes = _own(x, layer.axis)
    square = builder.add("Mul", [x.name, x.name], f"{use.name}/square")
    power = builder.add("ReduceMean", [square], f"{use.name}/power", axes=axes, keepdims=1)
    y = _divide_by_root(builder, x.name, power, layer.epsilon, use.name)
    return Tensor(_scale(builder, use, y, _along(x, axes), (("scale", "Mul"),)), x.shape)


def add_group_normalization(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """(n, …, c) -> (n, pixels, groups, c / groups), whose pixels and channels of a group are normalized."""
    layer, x = use.layer, builder.last(inputs[0])
    channels = x.shape[-1]
    if channels is None or (layer.axis not in (-1, x.rank - 1)):
        raise NotExpressibleError(f"axis {layer.axis} of an input of shape {x.shape}")
    groups = channels if layer.groups == -1 else layer.groups
    grouped = builder.add(
        "Reshape", [x.name, builder.integers([0, -1, groups, channels // groups])], f"{use.name}/grouped"
    )
    centered, power = variance(builder, grouped, [1, 3], use.name)
    y = _divide_by_root(builder, centered, power, layer.epsilon, f"{use.name}/normalized")
    shape = builder.add("Shape", [x.name], f"{use.name}/shape")
    y = builder.add("Reshape", [y, shape], use.name)
    return Tensor(_scale(builder, use, y, [channels], (("gamma", "Mul"), ("beta", "Add"))), x.shape)


def add_division_by_norm(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, (x,) = use.layer, inputs
    axes = [x.axis(axis) for axis in ((layer.axis,) if isinstance(layer.axis, int) else layer.axis)]
    operator = "ReduceL1" if layer.order == 1 else "ReduceL2"
    norm = builder.add(operator, [x.name], f"{use.name}/norm", axes=axes, keepdims=1)
    norm = builder.add("Max", [norm, builder.number(layer.epsilon)], f"{use.name}/divisor")
    return Tensor(builder.add("Div", [x.name, norm], use.name), x.shape, x.is_first)


def add_local_response(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """ONNX divides alpha by the number of channels."""
    layer, x = use.layer, builder.first(inputs[0])
    settings = {"alpha": layer.alpha * layer.n, "beta": layer.beta, "bias": layer.k, "size": layer.n}
    return Tensor(builder.add("LRN", [x.name], use.name, **settings), x.shape, is_first=True)


def add_cube(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    (x,) = inputs
    square = builder.add("Mul", [x.name, x.name], f"{use.name}/square")
    return Tensor(builder.add("Mul", [square, x.name], use.name), x.shape, x.is_first)


def add_scale(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """`LayerScale`: a factor for each channel."""
    (x,) = inputs
    factor = builder.like(parameter(use.owner, "gamma"), use.parameters["gamma"], x)
    return Tensor(builder.add("Mul", [x.name, factor], use.name), x.shape, x.is_first)


def add_scaled_residual(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """`CustomScaleLayer`: x + scale · residual."""
    x, residual = builder.aligned(inputs)
    scaled = builder.add("Mul", [residual.name, builder.number(use.layer.scale)], f"{use.name}/scaled")
    return Tensor(builder.add("Add", [x.name, scaled], use.name), use.output_shape, x.is_first)


# --- operations -----------------------------------------------------------------------------


def add_reduction(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer: Reduction = use.layer
    x = builder.last(inputs[0])
    axes, keepdims = _own(x, layer.axis), layer.keepdims
    if layer.operation in REDUCTIONS:
        name = builder.add(REDUCTIONS[layer.operation], [x.name], use.name, axes=axes, keepdims=int(keepdims))
    elif layer.operation == "sum":
        name = total(builder, x.name, axes, use.name, keepdims)
    elif layer.operation in ("var", "std"):
        _, name = variance(builder, x.name, axes, use.name)
        if layer.operation == "std":
            name = builder.add("Sqrt", [name], f"{use.name}/root")
        if not keepdims:
            name = builder.add("Squeeze", [name, builder.integers(axes)], use.name)
    elif layer.operation in ("argmax", "argmin"):
        operator = "ArgMax" if layer.operation == "argmax" else "ArgMin"
        index = builder.add(operator, [x.name], f"{use.name}/index", axis=axes[0], keepdims=int(keepdims))
        name = builder.add("Cast", [index], use.name, to=1)
    else:  # "any" and "all", of numbers that are not 0
        mask = builder.add("Cast", [x.name], f"{use.name}/mask", to=BOOL)
        ones = builder.add("Cast", [mask], f"{use.name}/ones", to=FLOAT)
        operator = "ReduceMax" if layer.operation == "any" else "ReduceMin"
        name = builder.add(operator, [ones], use.name, axes=axes, keepdims=int(keepdims))
    return Tensor(name, use.output_shape)


def add_matmul(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, tensors = use.layer, [builder.last(x) for x in inputs]
    names = [x.name for x in tensors]
    ranks = [x.rank for x in tensors]
    if layer.constant is not None:
        array = np.asarray(layer.constant)
        names.append(builder.constant(f"{use.name}/constant", array))
        ranks.append(array.ndim)
        if layer.constant_first:
            names, ranks = names[::-1], ranks[::-1]
    for position, turned in enumerate((layer.transpose_a, layer.transpose_b)):
        if turned:
            axes = [*range(ranks[position] - 2), ranks[position] - 1, ranks[position] - 2]
            names[position] = builder.add("Transpose", [names[position]], f"{use.name}/turned", perm=axes)
    return Tensor(builder.add("MatMul", names, use.name), use.output_shape)


def add_einsum(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    names = [builder.last(x).name for x in inputs]
    return Tensor(builder.add("Einsum", names, use.name, equation=use.layer.subscripts), use.output_shape)


def add_einsum_dense(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    layer, x = use.layer, builder.last(inputs[0])
    kernel = builder.constant(parameter(use.owner, "kernel"), use.parameters["kernel"])
    equation = layer.equation
    is_linear = layer.activation == "linear"
    name = use.name if is_linear else f"{use.name}/linear"
    y = builder.add("Einsum", [x.name, kernel], name, equation=equation)
    if "bias" in use.parameters:
        y = builder.add(
            "Add", [y, builder.constant(parameter(use.owner, "bias"), use.parameters["bias"])], name
        )
    tensor = Tensor(y, use.output_shape)
    return tensor if is_linear else add_activation(builder, layer.activation, tensor, use.name)


def add_dot(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """A product of two inputs along one axis each, as an Einstein sum."""
    layer, (a, b) = use.layer, [builder.last(x) for x in inputs]
    first, second = (layer.axes, layer.axes) if isinstance(layer.axes, int) else layer.axes
    axes = first % a.rank, second % b.rank
    names = [a.name, b.name]
    if layer.normalize:
        names = [
            builder.add(
                "LpNormalization", [name], f"{use.name}/unit", axis=axis, p=2
            ) for name, axis in zip(names, axes, strict=True)
        ]  # fmt: skip
    letters = iter("cdefghijklmnopqrstuvwxy")
    terms = [["b"] + [next(letters) for _ in range(x.rank - 1)] for x in (a, b)]
    terms[0][axes[0]] = terms[1][axes[1]] = "z"
    kept = [letter for term in terms for letter in term[1:] if letter != "z"]
    equation = f"{''.join(terms[0])},{''.join(terms[1])}->b{''.join(kept)}"
    y = builder.add("Einsum", names, use.name, equation=equation)
    if not kept:
        y = builder.add("Unsqueeze", [y, builder.integers([1])], use.name)
    return Tensor(y, use.output_shape)


OPERATORS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    "LayerNormalization": add_layer_normalization,
    "RMSNormalization": add_rms_normalization,
    "GroupNormalization": add_group_normalization,
    "UnitNormalization": add_division_by_norm,
    "LocalResponseNormalization": add_local_response,
    "Cube": add_cube,
    "LayerScale": add_scale,
    "CustomScaleLayer": add_scaled_residual,
    "EinsumDense": add_einsum_dense,
    "Dot": add_dot,
}
OPERATIONS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    "Reduction": add_reduction,
    "Normalize": add_division_by_norm,
    "Matmul": add_matmul,
    "Einsum": add_einsum,
}
