"""Activations as operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable

from ...kernels.elementwise import GELU_CUBIC, GELU_SCALE, SELU_ALPHA, SELU_SCALE
from ...layers import ELU, Activation, Layer, LeakyReLU, ReLU, Softmax, ThresholdedReLU
from .building import Builder, NotExpressibleError, Tensor

#: Those that are one operator, with its attributes.
OPERATORS: dict[str, tuple[str, dict[str, float]]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "celu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_sigmoid_keras2": ("HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "hard_swish": ("HardSwish", {}),
    "soft_shrink": ("Shrink", {"bias": 0.5, "lambd": 0.5}),
    "hard_shrink": ("Shrink", {"bias": 0.0, "lambd": 0.5}),
}


def _clip(low: float, high: float) -> Callable[[Builder, str, str], str]:
    return lambda b, x, name: b.add("Clip", [x, b.number(low), b.number(high)], name)


def _times(b: Builder, x: str, factor: str, name: str) -> str:
    return b.add("Mul", [x, factor], name)


def _silu(b: Builder, x: str, name: str) -> str:
    return _times(b, x, b.add("Sigmoid", [x], f"{name}/sigmoid"), name)


def _mish(b: Builder, x: str, name: str) -> str:
    softplus = b.add("Softplus", [x], f"{name}/softplus")
    return _times(b, x, b.add("Tanh", [softplus], f"{name}/tanh"), name)


def _gelu(b: Builder, x: str, name: str) -> str:
    scaled = b.add("Mul", [x, b.number(1 / math.sqrt(2))], f"{name}/scaled")
    error = b.add("Erf", [scaled], f"{name}/erf")
    twice = b.add("Add", [error, b.number(1)], f"{name}/sum")
    return _times(b, b.add("Mul", [x, twice], f"{name}/twice"), b.number(0.5), name)


def _gelu_tanh(b: Builder, x: str, name: str) -> str:
    square = b.add("Mul", [x, x], f"{name}/square")
    cubic = b.add("Mul", [square, b.number(GELU_CUBIC)], f"{name}/cubic")
    inner = b.add("Mul", [x, b.add("Add", [cubic, b.number(1)], f"{name}/polynomial")], f"{name}/inner")
    tanh = b.add("Tanh", [b.add("Mul", [inner, b.number(GELU_SCALE)], f"{name}/scaled")], f"{name}/tanh")
    twice = b.add("Add", [tanh, b.number(1)], f"{name}/sum")
    return _times(b, b.add("Mul", [x, twice], f"{name}/twice"), b.number(0.5), name)


def _log_sigmoid(b: Builder, x: str, name: str) -> str:
    softplus = b.add("Softplus", [b.add("Neg", [x], f"{name}/negative")], f"{name}/softplus")
    return b.add("Neg", [softplus], name)


def _tanh_shrink(b: Builder, x: str, name: str) -> str:
    return b.add("Sub", [x, b.add("Tanh", [x], f"{name}/tanh")], name)


def _squareplus(b: Builder, x: str, name: str) -> str:
    square = b.add("Add", [b.add("Mul", [x, x], f"{name}/square"), b.number(4)], f"{name}/sum")
    total = b.add("Add", [x, b.add("Sqrt", [square], f"{name}/root")], f"{name}/total")
    return _times(b, total, b.number(0.5), name)


def _sparse_plus(b: Builder, x: str, name: str) -> str:
    """(x + 1)² / 4 between −1 and 1, 0 below, x above: a square of the clipped part, and the rest above 1."""
    inner = b.add("Clip", [x, b.number(-1), b.number(1)], f"{name}/inner")
    shifted = b.add("Add", [inner, b.number(1)], f"{name}/shifted")
    square = b.add("Mul", [shifted, shifted], f"{name}/square")
    quarter = b.add("Mul", [square, b.number(0.25)], f"{name}/quarter")
    above = b.add("Relu", [b.add("Sub", [x, b.number(1)], f"{name}/rest")], f"{name}/above")
    return b.add("Add", [quarter, above], name)


#: Those that are several operators.
COMPOSED: dict[str, Callable[[Builder, str, str], str]] = {
    "relu6": _clip(0, 6),
    "hard_tanh": _clip(-1, 1),
    "silu": _silu,
    "swish": _silu,
    "mish": _mish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "log_sigmoid": _log_sigmoid,
    "tanh_shrink": _tanh_shrink,
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
}


def add_activation(builder: Builder, value: str | Layer, x: Tensor, name: str) -> Tensor:
    """Add an activation.

    Args:
        builder: What is built.
        value: A name in `layers.ACTIVATIONS`, or a layer that stands for one.
        x: Its input.
        name: The name of its output.

    Returns:
        The output, in the order of axes of the input.

    Raises:
        NotExpressibleError: It cannot be expressed.
    """
    if isinstance(value, Activation):
        value = value.activation
    if isinstance(value, Softmax):
        return _add_softmax(builder, value, x, name)
    if isinstance(value, Layer):
        return Tensor(_add_layer(builder, value, x.name, name), x.shape, x.is_first)
    if value == "linear":
        return x
    if value in ("softmax", "log_softmax"):
        operator = "Softmax" if value == "softmax" else "LogSoftmax"
        return Tensor(builder.add(operator, [x.name], name, axis=x.axis(-1)), x.shape, x.is_first)
    if value in OPERATORS:
        operator, attributes = OPERATORS[value]
        return Tensor(builder.add(operator, [x.name], name, **attributes), x.shape, x.is_first)
    if value not in COMPOSED:
        raise NotExpressibleError(f"the activation {value!r}")
    return Tensor(COMPOSED[value](builder, x.name, name), x.shape, x.is_first)


def _add_softmax(builder: Builder, layer: Softmax, x: Tensor, name: str) -> Tensor:
    axes = (layer.axis,) if isinstance(layer.axis, int) else layer.axis
    if len(axes) == 1:
        return Tensor(builder.add("Softmax", [x.name], name, axis=x.axis(axes[0])), x.shape, x.is_first)
    own = [x.axis(axis) for axis in axes]
    largest = builder.add("ReduceMax", [x.name], f"{name}/max", axes=own, keepdims=1)
    shifted = builder.add("Sub", [x.name, largest], f"{name}/shifted")
    powers = builder.add("Exp", [shifted], f"{name}/exp")
    total = builder.add("ReduceSum", [powers, builder.integers(own)], f"{name}/sum", keepdims=1)
    return Tensor(builder.add("Div", [powers, total], name), x.shape, x.is_first)


def _add_layer(b: Builder, layer: Layer, x: str, name: str) -> str:
    if isinstance(layer, LeakyReLU):
        return b.add("LeakyRelu", [x], name, alpha=layer.negative_slope)
    if isinstance(layer, ELU):
        return b.add("Elu", [x], name, alpha=layer.alpha)
    if isinstance(layer, ThresholdedReLU):
        return b.add("ThresholdedRelu", [x], name, alpha=layer.theta)
    if not isinstance(layer, ReLU):
        raise NotExpressibleError(f"the activation {layer.kind}")
    if (layer.negative_slope, layer.threshold) == (0, 0):
        if layer.max_value is None:
            return b.add("Relu", [x], name)
        return b.add("Clip", [x, b.number(0), b.number(layer.max_value)], name)
    above = b.add("Greater", [x, b.number(layer.threshold)], f"{name}/above")
    high = x
    if layer.max_value is not None:
        high = b.add("Min", [x, b.number(layer.max_value)], f"{name}/high")
    shifted = b.add("Sub", [x, b.number(layer.threshold)], f"{name}/shifted")
    low = b.add("Mul", [shifted, b.number(layer.negative_slope)], f"{name}/low")
    return b.add("Where", [above, high, low], name)
