"""Writer of operations as Keras 3 stores them: class, settings, and the arguments of the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import layers
from ....layers import OPERATIONS, Arithmetic, Layer
from ....layers.base import KERAS_EPSILON

#: Modules of Keras in which operations are, where it is not `keras.src.ops.numpy`.
MODULES = {"Rsqrt": "math", "Logsumexp": "math", "Normalize": "nn", "Cast": "core", "Gelu": "nn"}
#: The activation that Keras 3 has as an operation only.
GELU_TANH = layers.Activation("gelu_tanh")


def is_written_as_operation(layer: object) -> bool:
    """Return True if a layer of this library is an operation of Keras 3."""
    return type(layer).__name__ in OPERATIONS or layer == GELU_TANH


def describe_operation(layer: Layer) -> dict[str, Any]:
    """Return the config of an operation, without its name and calls.

    Args:
        layer: A layer that `is_written_as_operation`.
    """
    class_name, config = layer.kind, _config(layer)
    if layer == GELU_TANH:
        class_name, config = "Gelu", {"approximate": True}
    if class_name == "Matmul" and "subscripts" in config:
        class_name = "Einsum"
    module = f"keras.src.ops.{MODULES.get(class_name, 'numpy')}"
    return {"module": module, "class_name": class_name, "config": config, "registered_name": class_name}


def describe_arguments(layer: Layer, tensors: list[Any]) -> dict[str, Any]:
    """Return the arguments of an operation's call.

    Args:
        layer: A layer that `is_written_as_operation`.
        tensors: The tensors that it reads, as Keras 3 writes them.
    """
    named = {}
    if isinstance(layer, Arithmetic | layers.Matmul) and layer.constant is not None:
        tensors = list(tensors)
        tensors.insert(0 if layer.constant_first else 1, _constant(layer.constant))
    elif isinstance(layer, layers.Where):
        remaining = iter(tensors[1:])
        values = (next(remaining) if value is None else _constant(value) for value in (layer.x, layer.y))
        tensors = [tensors[0], *values]
    elif isinstance(layer, layers.GetItem):
        tensors = [*tensors, [_index(index) for index in layer.key]]
    elif isinstance(layer, layers.Take):
        tensors = [*tensors, list(layer.indices)]
    elif isinstance(layer, layers.Stack):
        tensors = [tensors]
    elif isinstance(layer, layers.Pad):
        named = {"constant_values": layer.constant if layer.mode == "constant" else None}
    return {"args": tensors, "kwargs": named}


def output_number(layer: object) -> int:
    """Return which output of an operation a layer of this library computes."""
    return layer.output if isinstance(layer, layers.Split) else 0


#: Settings by class, by Keras's names. Classes that are not listed have none.
_CONFIGS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Reduction": lambda layer: {"axis": _axes(layer), "keepdims": layer.keepdims},
    "Normalize": lambda layer: (
        {"axis": _axes(layer), "order": layer.order}
        # Keras 3.3 knows no other epsilon, and not the setting.
        | ({} if layer.epsilon == KERAS_EPSILON else {"epsilon": layer.epsilon})
    ),
    "Split": lambda layer: {"indices_or_sections": _listed(layer.sections), "axis": layer.axis},
    "Take": lambda layer: {"axis": layer.axis},
    "ExpandDims": lambda layer: {"axis": layer.axis},
    "Squeeze": lambda layer: {"axis": _listed(layer.axis)},
    "Stack": lambda layer: {"axis": layer.axis},
    "Tile": lambda layer: {"repeats": list(layer.repeats)},
    "Repeat": lambda layer: {"repeats": layer.repeats, "axis": layer.axis},
    "Roll": lambda layer: {"shift": _listed(layer.shift), "axis": _listed(layer.axis)},
    "Cumsum": lambda layer: {"axis": layer.axis},
    "Pad": lambda layer: {"pad_width": _listed(layer.pad_width), "mode": layer.mode},
    "Matmul": lambda layer: _matmul(layer),
    "Einsum": lambda layer: {"subscripts": layer.subscripts},
    "Cast": lambda layer: {"dtype": layer.dtype},
}


def _config(layer: Layer) -> dict[str, Any]:
    describe = _CONFIGS.get(type(layer).__name__)
    return describe(layer) if describe else {}


def _matmul(layer: layers.Matmul) -> dict[str, Any]:
    """Return the equation that stands for a product with transposed operands, which Keras 3 does not have."""
    if not layer.transpose_a and not layer.transpose_b:
        return {}
    a, b = "ji" if layer.transpose_a else "ij", "kj" if layer.transpose_b else "jk"
    return {"subscripts": f"...{a},...{b}->...ik"}


def _axes(layer: Any) -> Any:
    """Return the axes of a layer: one alone as an integer, since some operations take no list."""
    axis = layer.axis
    return axis[0] if isinstance(axis, tuple) and len(axis) == 1 else _listed(axis)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _constant(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return {"class_name": "__numpy__", "config": {"value": _listed(value), "dtype": "float32"}}


def _index(index: Any) -> Any:
    if index == "...":
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(index, tuple):
        return {
            "class_name": "__slice__",
            "config": dict(zip(("start", "stop", "step"), index, strict=True)),
        }
    return index
