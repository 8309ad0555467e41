"""Table of the operations that are read, with the layers that compute each of them.

Names are in lower case without underscores: "l2normalize" is TensorFlow's `tf.math.l2_normalize`, and
"expanddims" both Keras's `ExpandDims` and TensorFlow's `tf.expand_dims`.
"""

from __future__ import annotations

import math
from typing import Any

from .... import layers
from ....layers import Activation, Arithmetic, Concatenate, Identity, Layer
from ....layers.core import BINARY, UNARY
from ..config_calls import Reference
from ..layer_settings import read_activation
from .settings import FLOATS, Reader, Settings, Steps
from .shapes import SHAPE_OPERATIONS

#: Other names of operations of `layers.Arithmetic`.
ARITHMETIC_NAMES = {
    "addv2": "add", "biasadd": "add", "sub": "subtract", "mul": "multiply", "div": "divide",
    "truediv": "divide", "truedivide": "divide", "realdiv": "divide", "divnonan": "divide_no_nan",
    "floordiv": "floor_divide", "floormod": "mod", "pow": "power", "neg": "negative", "abs": "absolute",
    "rint": "round", "inv": "reciprocal",
}  # fmt: skip
ARITHMETIC = {name.replace("_", ""): name for name in (*UNARY, *BINARY)} | ARITHMETIC_NAMES
#: Operations of `layers.Reduction` by their names, which begin with "reduce_" in TensorFlow.
REDUCTIONS = {
    "mean": "mean", "average": "mean", "max": "max", "amax": "max", "min": "min", "amin": "min", "sum": "sum",
    "prod": "prod", "std": "std", "var": "var", "variance": "var", "any": "any", "all": "all",
    "logsumexp": "logsumexp", "argmax": "argmax", "argmin": "argmin",
}  # fmt: skip
#: What `tf.image.rgb_to_grayscale` weighs the channels with.
LUMINANCE = ((0.2989,), (0.5870,), (0.1140,))


# --- elementwise ----------------------------------------------------------------------------


def _identity(settings: Settings) -> Steps:
    return [Identity()], [settings.tensor("x")]


def _cast(settings: Settings) -> Steps:
    dtype = settings.take("dtype", default="float32")
    return [layers.Cast("float32" if dtype in FLOATS else dtype)], [settings.tensor("x")]


def _arithmetic(settings: Settings) -> Steps:
    operation = ARITHMETIC[settings.compact]
    if operation in UNARY:
        return [Arithmetic(operation)], [settings.tensor("x")]
    first, second = settings.take("x", "x1"), settings.take("y", "x2", "value", "bias")
    tensors = [operand for operand in (first, second) if isinstance(operand, Reference)]
    if not tensors:
        raise ValueError(f"its operation {settings.name!r} reads no tensor")
    if len(tensors) == 2:
        return [Arithmetic(operation)], tensors
    constant_first = tensors[0] is second
    constant = settings.constant(first if constant_first else second)
    return [Arithmetic(operation, constant, constant_first)], tensors


def _squared_difference(settings: Settings) -> Steps:
    settings.compact = "subtract"
    steps, tensors = _arithmetic(settings)
    return [*steps, Arithmetic("square")], tensors


def _clip(settings: Settings) -> Steps:
    tensor = settings.tensor("x")
    bounds = settings.take("x_min", "clip_value_min"), settings.take("x_max", "clip_value_max")
    low, high = map(settings.constant, bounds)
    return [Arithmetic("maximum", low), Arithmetic("minimum", high)], [tensor]


def _where(settings: Settings) -> Steps:
    operands = [settings.take("condition"), settings.take("x1", "x"), settings.take("x2", "y")]
    if not isinstance(operands[0], Reference):
        raise ValueError("its condition is no tensor")
    x, y = (None if isinstance(value, Reference) else settings.constant(value) for value in operands[1:])
    return [layers.Where(x, y)], [value for value in operands if isinstance(value, Reference)]


def _activation(settings: Settings) -> Steps:
    name, tensor = ACTIVATIONS[settings.compact], settings.tensor("x")
    if name in ("softmax", "log_softmax"):
        axis = settings.axis("axis", default=-1)
        if name == "softmax" and axis != -1:
            return [layers.Softmax(axis)], [tensor]
        if axis != -1:
            raise ValueError(f"its operation {settings.name!r} goes along axis {axis}; supported is -1")
    if name == "leaky_relu":
        return [layers.LeakyReLU(settings.take("negative_slope", "alpha", default=0.2))], [tensor]
    if name == "elu":
        return [layers.ELU(settings.take("alpha", default=1.0))], [tensor]
    if name == "gelu" and settings.take("approximate", default=settings.keras > 2):
        name = "gelu_tanh"
    return [Activation(read_activation(name, settings.keras))], [tensor]


# --- reductions -----------------------------------------------------------------------------


def _reduction(settings: Settings) -> Steps:
    tensor = settings.tensor("x")
    keepdims = settings.take("keepdims", "keep_dims", default=False)
    operation = REDUCTIONS[settings.compact]
    steps: list[Layer] = [layers.Reduction(operation, settings.axis("axis", "dim"), keepdims)]
    initial = settings.take("initial", default=None)
    if initial is not None and operation in ("max", "min"):
        steps.append(Arithmetic(f"{operation}imum", settings.constant(initial)))
    return steps, [tensor]


def _norm(settings: Settings) -> Steps:
    order, tensor = settings.take("ord", default="euclidean"), settings.tensor("x")
    axis, keepdims = settings.axis(), settings.take("keepdims", "keep_dims", default=False)
    if order == "euclidean" or (order == 2 and isinstance(axis, int)):
        steps = [Arithmetic("square"), layers.Reduction("sum", axis, keepdims), Arithmetic("sqrt")]
        return steps, [tensor]
    if order == 1 and isinstance(axis, int):
        return [Arithmetic("absolute"), layers.Reduction("sum", axis, keepdims)], [tensor]
    raise ValueError(f"its norm of order {order!r} is not supported; supported are 1 and 2 along one axis")


def _normalize(settings: Settings) -> Steps:
    tensor, axis = settings.tensor("x"), settings.axis("axis", "dim", default=-1)
    order, epsilon = settings.take("order", default=2), settings.take("epsilon", default=1e-7)
    return [layers.Normalize(axis, order, epsilon)], [tensor]


def _l2_normalize(settings: Settings) -> Steps:
    tensor, axis = settings.tensor("x"), settings.axis("axis", "dim")
    epsilon = settings.constant(settings.take("epsilon", default=1e-12))  # of the squared norm
    return [layers.Normalize(axis, 2, math.sqrt(max(epsilon, 0)))], [tensor]


# --- products and images --------------------------------------------------------------------


def _matmul(settings: Settings) -> Steps:
    a, b = settings.take("x1", "a"), settings.take("x2", "b")
    transposed = settings.take("transpose_a", default=False), settings.take("transpose_b", default=False)
    return _product(settings, a, b, *transposed)


def _product(settings: Settings, a: Any, b: Any, *transposed: bool) -> Steps:
    tensors = [operand for operand in (a, b) if isinstance(operand, Reference)]
    if len(tensors) == 2:
        return [layers.Matmul(None, False, *transposed)], tensors
    if not tensors:
        raise ValueError(f"its operation {settings.name!r} reads no tensor")
    constant_first = tensors[0] is b
    return [
        layers.Matmul(settings.constant(a if constant_first else b), constant_first, *transposed)
    ], tensors


def _dot(settings: Settings) -> Steps:
    a, b = settings.take("x1", "a"), settings.take("x2", "b")
    if settings.take("axes", default=1) not in (1, [[-1], [0]], [-1, 0]) or isinstance(b, Reference):
        raise ValueError(
            f"its operation {settings.name!r} is supported with a constant matrix as its second operand"
        )
    return _product(settings, a, b)


#: Products of stacks of matrices as Keras writes them: see `operations.writing`.
MATMUL_EQUATIONS = {
    f"...{a},...{b}->...ik": (a == "ji", b == "kj") for a in ("ij", "ji") for b in ("jk", "kj")
}  # fmt: skip


def _einsum(settings: Settings) -> Steps:
    operands = settings.take("operands", "inputs", default=None)
    if settings.keras < 3:
        raise ValueError("the operands of its einsum are not in the file: Keras 2 does not write them")
    equation = settings.take("subscripts", "equation")
    if equation in MATMUL_EQUATIONS and isinstance(operands, list) and len(operands) == 2:
        return _product(settings, operands[0], operands[1], *MATMUL_EQUATIONS[equation])
    if not operands or not all(isinstance(operand, Reference) for operand in operands):
        raise ValueError("its einsum reads a constant, or nothing; supported are tensors")
    return [layers.Einsum(equation)], operands


def _to_rgb(settings: Settings) -> Steps:
    return [Concatenate(-1)], [settings.tensor("x")] * 3


def _to_grayscale(settings: Settings) -> Steps:
    return [layers.Matmul(LUMINANCE)], [settings.tensor("x")]


def _resize(settings: Settings) -> Steps:
    tensor, size = settings.tensor("x"), settings.take("size")
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"its size {size!r:.80} should be two integers")
    given: dict[str, Any] = {"interpolation": settings.take("interpolation", "method", default="bilinear")}
    for name in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode", "fill_value", "antialias"):
        value = settings.take(name, default=None)
        given |= {} if value is None else {name: value}
    return [layers.Resizing(size[0], size[1], **given)], [tensor]


def _pool(settings: Settings) -> Steps:
    tensor, size = settings.tensor("x"), _window(settings.take("pool_size", "ksize"))
    strides, padding = (
        _window(settings.take("strides", default=size)),
        settings.take("padding", default="valid"),
    )
    kind = layers.MaxPooling2D if settings.compact.startswith("max") else layers.AveragePooling2D
    return [kind(size, strides, str(padding).lower())], [tensor]  # type: ignore[arg-type]


def _window(size: Any) -> Any:
    return size[1:3] if isinstance(size, list) and len(size) == 4 else size


# --- the table ------------------------------------------------------------------------------

#: Activation functions, by their names without underscores.
ACTIVATIONS = {
    name.replace("_", ""): name for name in layers.ACTIVATIONS if name not in ("linear", "exponential")
}

#: For each operation: the names of its positional arguments, and the function that reads it.
OPERATIONS: dict[str, tuple[tuple[str, ...], Reader]] = {
    **dict.fromkeys(("identity", "stopgradient", "converttotensor", "copy"), (("x",), _identity)),
    "cast": (("x",), _cast),
    **dict.fromkeys(ARITHMETIC, (("x", "y"), _arithmetic)),
    "squareddifference": (("x", "y"), _squared_difference),
    **dict.fromkeys(("clip", "clipbyvalue"), (("x",), _clip)),
    **dict.fromkeys(("where", "selectv2"), (("condition", "x", "y"), _where)),
    **dict.fromkeys(ACTIVATIONS, (("x",), _activation)),
    "gelu": (("x", "approximate"), _activation),
    **dict.fromkeys(REDUCTIONS, (("x", "axis"), _reduction)),
    "norm": (("x",), _norm),
    "normalize": (("x",), _normalize),
    "l2normalize": (("x",), _l2_normalize),
    **SHAPE_OPERATIONS,
    "matmul": (("x1", "x2"), _matmul),
    **dict.fromkeys(("dot", "tensordot"), (("x1", "x2"), _dot)),
    "einsum": (("*operands",), _einsum),
    "grayscaletorgb": (("x",), _to_rgb),
    "rgbtograyscale": (("x",), _to_grayscale),
    **dict.fromkeys(("resize", "resizeimages"), (("x",), _resize)),
    **dict.fromkeys(("averagepool", "maxpool", "avgpool2d", "maxpool2d", "avgpool"), (("x",), _pool)),
}  # fmt: skip
