"""A `Network` to the JSON in which Keras 3 describes a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from ...graph import Graph
from ...graph.network import Member, Network, TensorRef, output_shapes
from ...layers import Arithmetic, Input, Layer, Shape, TrainingOnly

#: The version of Keras whose form this is; metadata of the file.
KERAS = "3.3.3"

#: Settings that Keras 3 does not take of a layer that works in training alone.
OF_KERAS_2 = frozenset(
    {"name", "dtype", "trainable", "batch_input_shape", "data_format", "rng_type", "force_generator",
     "auto_vectorize"}
)  # fmt: skip

#: What Keras 3 has no longer, and what does the same at inference.
GONE = {"RandomHeight": "Identity", "RandomWidth": "Identity"}


def describe(network: Network, graph: Graph) -> dict[str, Any]:
    """`config.json`. Raises ValueError for what Keras 3 cannot say."""
    return _network(network, graph, "")


def metadata() -> dict[str, str]:
    """`metadata.json`."""
    from ... import __version__

    return {
        "keras_version": KERAS,
        "written_by": f"xception {__version__}",
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
    }


def _network(network: Network, graph: Graph, path: str) -> dict[str, Any]:
    config: dict[str, Any] = {"name": keras_name(network.name), "trainable": True}
    if network.sequential:
        config["layers"] = [_layer(member, graph, path) for member in network.members.values()]
        return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    config["layers"] = [
        _layer(member, graph, path)
        | {"name": keras_name(member.name), "inbound_nodes": list(_calls(network, member, graph, path))}
        for member in network.in_order()
    ]
    outputs = [_output(network, tensor) for tensor in network.outputs]
    config["input_layers"] = [[keras_name(name), 0, 0] for name in network.inputs]
    config["output_layers"] = outputs if len(outputs) > 1 else outputs[0]
    if len(network.inputs) == 1:
        config["input_layers"] = config["input_layers"][0]
    if network.output_keys is not None:
        config["output_layers"] = dict(zip(network.output_keys, outputs, strict=True))
    return {
        "module": "keras.src.models.functional", "class_name": "Functional", "config": config,
        "registered_name": "Functional",
    }  # fmt: skip


def _layer(member: Member, graph: Graph, path: str) -> dict[str, Any]:
    layer = member.layer
    if isinstance(layer, Network):
        described = _network(layer, graph, f"{path}{member.name}/")
        described["config"] |= {"name": keras_name(member.name), "trainable": member.trainable}
        return described
    if isinstance(layer, Arithmetic):
        return {
            "module": "keras.src.ops.numpy", "class_name": layer.kind,
            "config": {"name": keras_name(member.name)}, "registered_name": layer.kind,
        }  # fmt: skip
    described = _of_class(layer)
    described["config"] = {"name": keras_name(member.name), "dtype": "float32"} | described["config"]
    if graph.nodes[f"{path}{member.name}"].parameters:  # not all of the others take it
        described["config"]["trainable"] = member.trainable
    return described


def _of_class(layer: Layer) -> dict[str, Any]:
    class_name, config = layer.kind, {}
    if isinstance(layer, Input):
        class_name, config = "InputLayer", {"batch_shape": [None, *layer.shape], "sparse": False}
    elif isinstance(layer, TrainingOnly):
        class_name = GONE.get(class_name, class_name)
        if class_name == layer.kind:
            config = {key: value for key, value in json.loads(layer.settings).items() if _is_plain(key)}
    else:
        config = {field.name: _value(getattr(layer, field.name)) for field in fields(layer)}  # type: ignore[arg-type]
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def _is_plain(key: str) -> bool:
    """Whether a setting of a layer that works in training alone is kept."""
    return key not in OF_KERAS_2


def _value(value: Any) -> Any:
    if isinstance(value, Layer):
        return _of_class(value)
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if value == "hard_sigmoid_keras2":
        raise ValueError("the hard_sigmoid of Keras 2 cannot be saved: that of Keras 3 is another function")
    return value


def _calls(network: Network, member: Member, graph: Graph, path: str) -> Iterator[dict[str, Any]]:
    for use in member.uses:
        if not use:
            return
        tensors: list[Any] = [_argument(network, tensor, graph, path) for tensor in use]
        layer = member.layer
        if isinstance(layer, Arithmetic):
            if layer.constant is not None:
                tensors.insert(0 if layer.constant_first else 1, _constant(layer.constant))
        elif len(tensors) > 1:
            tensors = [tensors]
        yield {"args": tensors, "kwargs": {}}


def _constant(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return {"class_name": "__numpy__", "config": {"value": _value(value), "dtype": "float32"}}


def _argument(network: Network, tensor: TensorRef, graph: Graph, path: str) -> dict[str, Any]:
    shape = _shape(network.members, tensor, graph, path)
    return {
        "class_name": "__keras_tensor__",
        "config": {
            "shape": [None, *shape], "dtype": "float32",
            "keras_history": [keras_name(tensor[0]), *tensor[1:]],
        },
    }  # fmt: skip


def _shape(members: Mapping[str, Member], tensor: TensorRef, graph: Graph, path: str) -> Shape:
    name, use, output = tensor
    node = f"{path}{name}:{use}" if use else f"{path}{name}"
    return output_shapes(graph, members[name], node)[output]


def _output(network: Network, tensor: TensorRef) -> list[Any]:
    """As Keras counts here: the uses of a network from 1 on, its own building being the first."""
    name, use, output = tensor
    layer = network.members[name].layer
    counted_from = 1 if isinstance(layer, Network) and not layer.sequential else 0
    return [keras_name(name), use + counted_from, output]


def keras_name(name: str) -> str:
    """A layer's name as Keras 3 allows it."""
    return name.replace("/", "_")
