"""Arithmetic between the layers of a model, as in `x / 127.5 - 1`.

Keras 3 stores it as an operation ("Divide"), Keras 2 as the name of a TensorFlow function
("math.truediv"), and the first Keras in TensorFlow 2 as a TensorFlow node ("RealDiv"). A name that is
not in the tables of this module is refused; it is never looked up elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import Activation, Arithmetic, Identity, Layer
from ...layers.core import UNARY
from .config_calls import Reference
from .layer_settings import check_origin, known_layers, read_activation, unwrap_array

#: Operations of `layers.Arithmetic` by all of their names, in lower case without underscores.
ARITHMETIC = {
    "add": "add", "addv2": "add", "sub": "subtract", "subtract": "subtract", "mul": "multiply",
    "multiply": "multiply", "div": "divide", "divide": "divide", "truediv": "divide", "truedivide": "divide",
    "realdiv": "divide", "pow": "power", "power": "power", "maximum": "maximum", "minimum": "minimum",
    "neg": "negative", "negative": "negative", "abs": "absolute", "absolute": "absolute",
    "square": "square", "sqrt": "sqrt", "exp": "exp", "log": "log", "biasadd": "add",
}  # fmt: skip
ACTIVATIONS = frozenset(
    {"relu", "relu6", "elu", "selu", "silu", "swish", "gelu", "sigmoid", "softmax", "softplus", "softsign",
     "tanh", "log_softmax", "leaky_relu", "hard_sigmoid", "hard_silu", "log_sigmoid"}
)  # fmt: skip
MERGING_LAYERS = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum"})
NO_OPERATION = frozenset({"cast", "identity", "stopgradient"})


def is_operation(described: Mapping[str, Any], calls: Sequence[Sequence[Any]]) -> bool:
    """Return True if a member of a config is an operation, not a layer.

    Keras 3 marks operations by their module, but not in `.h5`. There, an "Add" that reads a number is an
    operation.

    Args:
        described: The member, as parsed JSON.
        calls: Its operands at each use.
    """
    class_name, module = described.get("class_name"), described.get("module")
    if class_name in ("TFOpLambda", "TensorFlowOpLayer"):
        return True
    if module is not None:
        return isinstance(module, str) and module.startswith("keras.src.ops.")
    if class_name in known_layers():
        has_constants = any(not isinstance(operand, Reference) for call in calls for operand in call)
        return class_name in MERGING_LAYERS and has_constants
    lower = str(class_name).lower()
    return lower in ARITHMETIC or lower in NO_OPERATION or _snake_case(str(class_name)) in ACTIVATIONS


def read_operation(
    described: Mapping[str, Any], operands: Sequence[Any], keras: int
) -> tuple[Layer, list[Reference]]:
    """Return the layer that computes an operation, and the tensors that it reads.

    Args:
        described: The operation, as parsed JSON.
        operands: References and constants, in the order of the call.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.

    Raises:
        ValueError: The operation is not supported.
    """
    name, operands = _name_and_operands(described, operands)
    snake_case = _snake_case(name.rpartition(".")[2])
    compact = snake_case.replace("_", "")
    tensors = [operand for operand in operands if isinstance(operand, Reference)]
    if compact in NO_OPERATION:
        return Identity(), tensors[:1]
    if snake_case in ACTIVATIONS:
        config = described["config"]
        settings = [*operands[1:], *(config[key] for key in ("axis", "approximate") if key in config)]
        if any(value not in (None, -1, False) for value in settings):
            raise ValueError(f"its operation {name!r} has unsupported settings: {settings}")
        return Activation(read_activation(snake_case, keras)), tensors[:1]
    if compact not in ARITHMETIC:
        supported = sorted({*ARITHMETIC.values(), *ACTIVATIONS, "cast"})
        raise ValueError(f"its operation {name!r} is not supported; supported: {', '.join(supported)}")
    operation = ARITHMETIC[compact]
    if operation in UNARY:
        return Arithmetic(operation), tensors[:1]
    return _read_binary(operation, name, operands)


def _read_binary(operation: str, name: str, operands: Sequence[Any]) -> tuple[Layer, list[Reference]]:
    """Return the layer for an operation on two tensors, or on a tensor and a constant."""
    if len(operands) < 2:
        raise ValueError(f"its operation {name!r} needs two operands, got {len(operands)}")
    first, second = operands[:2]
    if isinstance(first, Reference) and isinstance(second, Reference):
        return Arithmetic(operation), [first, second]
    constant_first = isinstance(second, Reference)
    constant, tensor = (first, second) if constant_first else (second, first)
    if not isinstance(tensor, Reference):
        raise ValueError(f"its operation {name!r} reads no tensor")
    return Arithmetic(operation, _as_tuples(constant), constant_first), [tensor]


def _name_and_operands(described: Mapping[str, Any], operands: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return the operation's name and all operands, from any of the three forms."""
    class_name, config = described["class_name"], described["config"]
    if class_name == "TFOpLambda":
        return str(config.get("function")), operands
    if class_name != "TensorFlowOpLayer":
        check_origin(described)
        return class_name, operands
    node = config["node_def"]
    match = re.search(r'\bop: ?"(\w+)"|"op": ?"(\w+)"', node) if isinstance(node, str) else None
    name = match[1] or match[2] if match else node["op"]
    operands = list(operands)
    constants = config.get("constants") or {}
    for position in sorted(constants, key=int):  # constants are stored apart, by position
        operands.insert(int(position), constants[position])
    return str(name), operands


def _snake_case(name: str) -> str:
    """Return "log_softmax" for "LogSoftmax"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _as_tuples(value: Any) -> Any:
    """Return a constant as nested tuples of numbers."""
    value = unwrap_array(value)
    if isinstance(value, list | tuple):
        return tuple(_as_tuples(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"its constant should be numbers, got {str(value)[:80]!r}")
    return float(value)
