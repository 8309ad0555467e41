"""Arithmetic that stands in a model between layers, as `x / 127.5 - 1` leaves it there.

Keras 3 keeps it as an operation of its own ("Divide"), Keras 2 as the name of a TensorFlow
function ("math.truediv"), the first Keras in TensorFlow 2 as a node of TensorFlow's ("RealDiv").
A name that is not in these tables is refused; none is ever looked up anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import Activation, Arithmetic, Identity, Layer
from .layer_settings import check_origin, known, plain_numbers, read_activation

#: The operation, by all of its names, in lower case without underscores.
ARITHMETIC = {
    "add": "add", "addv2": "add", "sub": "subtract", "subtract": "subtract", "mul": "multiply",
    "multiply": "multiply", "div": "divide", "divide": "divide", "truediv": "divide", "truedivide": "divide",
    "realdiv": "divide", "pow": "power", "power": "power", "maximum": "maximum", "minimum": "minimum",
    "neg": "negative", "negative": "negative", "abs": "absolute", "absolute": "absolute",
    "square": "square", "sqrt": "sqrt", "exp": "exp", "log": "log", "biasadd": "add",
}  # fmt: skip
UNARY = frozenset({"negative", "absolute", "square", "sqrt", "exp", "log"})
ACTIVATIONS = frozenset(
    {"relu", "relu6", "elu", "selu", "silu", "swish", "gelu", "sigmoid", "softmax", "softplus", "softsign",
     "tanh", "log_softmax", "leaky_relu", "hard_sigmoid", "hard_silu", "log_sigmoid"}
)  # fmt: skip
MERGING = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum"})
NOTHING = frozenset({"cast", "identity", "stopgradient"})


class Reference(tuple[str, int, int]):
    """A tensor that is read: (layer, which use of it, which of its outputs)."""


def is_operation(described: Mapping[str, Any], calls: Sequence[Sequence[Any]]) -> bool:
    """Whether this is arithmetic rather than a layer. Keras 3 says so by the module, but not in
    `.h5`: there an "Add" that is given a number is no layer."""
    class_name, module = described.get("class_name"), described.get("module")
    if class_name in ("TFOpLambda", "TensorFlowOpLayer"):
        return True
    if module is not None:
        return isinstance(module, str) and module.startswith("keras.src.ops.")
    constants = any(not isinstance(operand, Reference) for call in calls for operand in call)
    plain = str(class_name).lower()
    if class_name in known():
        return class_name in MERGING and constants
    return plain in ARITHMETIC or plain in NOTHING or _words(str(class_name)) in ACTIVATIONS


def read_operation(
    described: Mapping[str, Any], operands: Sequence[Any], keras: int
) -> tuple[Layer, list[Reference]]:
    """The layer that does this operation, and the tensors that it reads.

    operands: References and constants, in the order of the call. Raises ValueError.
    """
    class_name, config = described["class_name"], described["config"]
    if class_name == "TensorFlowOpLayer":
        name, operands = _node_of_tensorflow(config, operands)
    elif class_name == "TFOpLambda":
        name = str(config.get("function"))
    else:
        check_origin(described)
        name = class_name
    short = _words(name.rpartition(".")[2])
    plain = short.replace("_", "")
    tensors = [operand for operand in operands if isinstance(operand, Reference)]
    if plain in NOTHING:
        return Identity(), tensors[:1]
    if short in ACTIVATIONS:
        settings = [
            *operands[1:],
            *(value for key, value in config.items() if key in ("axis", "approximate")),
        ]
        if any(value not in (None, -1, False) for value in settings):
            raise ValueError(f"its operation {name!r} has settings that are not known here: {settings}")
        return Activation(read_activation(short, keras)), tensors[:1]
    if plain not in ARITHMETIC:
        raise ValueError(
            f"its operation {name!r} is not known here; known are "
            f"{', '.join(sorted({*ARITHMETIC.values(), *ACTIVATIONS, 'cast'}))}"
        )
    operation = ARITHMETIC[plain]
    if operation in UNARY:
        return Arithmetic(operation), tensors[:1]
    if len(operands) < 2:
        raise ValueError(f"its operation {name!r} needs two operands, got {len(operands)}")
    first, second = operands[:2]
    if isinstance(first, Reference) and isinstance(second, Reference):
        return Arithmetic(operation), [first, second]
    constant_first = isinstance(second, Reference)
    constant, tensor = (first, second) if constant_first else (second, first)
    if not isinstance(tensor, Reference):
        raise ValueError(f"its operation {name!r} reads no tensor")
    return Arithmetic(operation, _nested(constant), constant_first), [tensor]


def _node_of_tensorflow(config: Mapping[str, Any], operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """(operation, all operands): constants are kept apart, by their position."""
    node = config["node_def"]
    found = re.search(r'\bop: ?"(\w+)"|"op": ?"(\w+)"', node) if isinstance(node, str) else None
    name = found[1] or found[2] if found else node["op"]
    everything = list(operands)
    constants = config.get("constants") or {}
    for position in sorted(constants, key=int):
        everything.insert(int(position), constants[position])
    return str(name), everything


def _words(name: str) -> str:
    """ "LogSoftmax" -> "log_softmax"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _nested(value: Any) -> Any:
    """A constant as numbers in nested tuples."""
    value = plain_numbers(value)
    if isinstance(value, list | tuple):
        return tuple(_nested(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"its constant should be numbers, got {str(value)[:80]!r}")
    return float(value)
