"""Operations between the layers of a model, such as `x / 127.5 - 1`, `ops.mean(x, -1)` or `x[..., ::-1]`.

Keras 3 stores one as an operation ("Mean"), Keras 2 as the name of a TensorFlow function
("math.reduce_mean"), and the first Keras in TensorFlow 2 as a TensorFlow node ("Mean"). A name that is
not in the tables of this library is refused; it is never looked up elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....layers import Layer
from ...limits import MAX_SETTINGS
from ..config_calls import Arguments, Reference, read_arguments, references_in
from ..layer_settings import check_origin, known_layers
from .settings import Settings, Steps
from .table import OPERATIONS

#: Classes that Keras 2 has for all operations.
OLD_CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
#: Layers whose names operations have too, and a setting that only the layer or only the operation has.
#: Keras 3 does not write in `.h5` which of them is meant.
ONLY_OF_LAYERS = {"Dot": "axes", "Reshape": "target_shape"}
ONLY_OF_OPERATIONS = {"Average": "axis"}
MERGING_LAYERS = frozenset({"Add", "Subtract", "Multiply", "Maximum", "Minimum"})


class ShapeOfTensor(Layer):
    """The shape of a tensor, or the batch size, as a tensor of Keras 2.

    It is read as long as nothing but the batch size of a new shape depends on it.
    """

    def output_shape(self, *inputs: Any) -> Any:
        raise ValueError("computes with the shape of a tensor; supported is its batch size in a new shape")


def is_operation(described: Mapping[str, Any], calls: Sequence[Sequence[Any]]) -> bool:
    """Return True if a member of a config is an operation, not a layer.

    Keras 3 marks operations by their module, but not in `.h5`. There, an "Add" that reads a number is an
    operation.

    Args:
        described: The member, as parsed JSON.
        calls: Its operands at each use.
    """
    class_name, module = str(described.get("class_name")), described.get("module")
    if class_name in OLD_CLASSES:
        return True
    if module is not None:
        return isinstance(module, str) and module.startswith("keras.src.ops.")
    if class_name in known_layers():
        config = described["config"]
        if class_name in ONLY_OF_LAYERS:
            return ONLY_OF_LAYERS[class_name] not in config and "trainable" not in config
        if class_name in ONLY_OF_OPERATIONS:
            return ONLY_OF_OPERATIONS[class_name] in config
        has_constants = any(not isinstance(operand, Reference) for call in calls for operand in call)
        return class_name in MERGING_LAYERS and has_constants
    return _compact(class_name) in OPERATIONS


def read_operation(
    described: Mapping[str, Any], keras: int, outputs: Sequence[int] = (0,),
    sizes: frozenset[str] = frozenset(),
) -> list[Steps]:  # fmt: skip
    """Return the layers that compute an operation one after the other, and the tensors that the first reads.

    Args:
        described: The operation, as parsed JSON.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.
        outputs: Numbers of the outputs that are needed.
        sizes: Names of the members that are batch sizes: see `batch_sizes`.

    Returns:
        For each of these outputs, the layers and tensors.

    Raises:
        ValueError: The operation, or one of its settings, is not supported.
    """
    # Once for all outputs: a file may have megabytes of arguments, and thousands of outputs.
    name, arguments = _name_and_arguments(described)
    compact = _compact(name.rpartition(".")[2])
    if compact == "shape" or described.get("name") in sizes:
        return [([ShapeOfTensor()], list(references_in(arguments.positional))[:1]) for _ in outputs]
    if compact not in OPERATIONS:
        raise ValueError(
            f"its operation {name!r} is not supported; supported: {', '.join(supported_operations())}"
        )
    if len(arguments.named) > MAX_SETTINGS:
        raise ValueError(f"its operation {name!r} has {len(arguments.named):,} settings; refused")
    parameters, read = OPERATIONS[compact]
    computed = []
    for output in outputs:
        if output and compact not in ("split", "unstack"):
            raise ValueError(f"its operation {name!r} has 1 output; there is none with number {output}")
        settings = Settings(name, compact, parameters, arguments, keras, output, sizes)
        computed.append(read(settings))
        settings.check_finished()
    return computed


def batch_sizes(layers: Iterable[Any]) -> frozenset[str]:
    """Return the names of the members that are `tf.shape(x)[0]`, the second of its two operations.

    Args:
        layers: The members of a functional model, as parsed JSON.
    """
    sliced: dict[str, str] = {}
    shapes = set()
    for described in layers:
        class_name, config = described.get("class_name"), described.get("config")
        if class_name == "TFOpLambda" and _compact(str(config.get("function")).rpartition(".")[2]) == "shape":
            shapes.add(described.get("name"))
        elif class_name == "SlicingOpLambda":
            arguments = read_arguments(described)
            sources = list(references_in(arguments.positional))
            if sources and arguments.named.get("slice_spec") == 0:
                sliced[str(described.get("name"))] = sources[0][0]
    return frozenset(name for name, source in sliced.items() if source in shapes)


def _name_and_arguments(described: Mapping[str, Any]) -> tuple[str, Arguments]:
    """Return the operation's name and arguments, from any of the three forms."""
    class_name, config = described["class_name"], described["config"]
    arguments = read_arguments(described)
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        return str(config.get("function")), arguments
    if class_name != "TensorFlowOpLayer":
        check_origin(described)
        settings = {key: value for key, value in config.items() if key not in ("name", "trainable")}
        return class_name, Arguments(arguments.positional, settings | arguments.named)
    node = config["node_def"]
    match = re.search(r'\bop: ?"(\w+)"|"op": ?"(\w+)"', node) if isinstance(node, str) else None
    name = match[1] or match[2] if match else node["op"]
    operands = list(arguments.positional)
    constants = config.get("constants") or {}
    for position in sorted(constants, key=int):  # constants are stored apart, by position
        operands.insert(int(position), constants[position])
    return str(name), Arguments(operands, _node_attributes(node))


def _node_attributes(node: Any) -> dict[str, Any]:
    """Return the flags and integers among the attributes of a TensorFlow node."""
    try:
        attributes = (json.loads(node) if isinstance(node, str) else node).get("attr") or {}
    except ValueError:  # protobuf's text
        return {"keep_dims": True} if re.search(r'key: "keep_dims"\s*value \{\s*b: true', node) else {}
    flags = {key: value["b"] for key, value in attributes.items() if "b" in value}
    return flags | {
        key: int(value["i"]) for key, value in attributes.items() if key == "axis" and "i" in value
    }


def _compact(name: str) -> str:
    """Return "logsoftmax" for "LogSoftmax" and "log_softmax", and "mean" for "reduce_mean"."""
    return name.replace("_", "").lower().removeprefix("reduce")


def supported_operations() -> list[str]:
    """Return the names of the operations that are read, without those that differ only in spelling."""
    return sorted({*OPERATIONS} - {name for name in OPERATIONS if name.endswith(("v2", "2d", "keras2"))})
