"""Writer of Keras 3 configs: from a `Network` to the JSON of a `.keras` file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from ...graph import Graph
from ...graph.frames import subgraph
from ...graph.names import use_name
from ...graph.network import Member, Network, TensorRef, output_shapes
from ...layers import DEEPLEARNING4J, Identity, Input, Layer, Shape, TimeDistributed, TrainingOnly
from ...layers.penalized import Penalized, penalties_of
from ..matching import join_some
from .operations.writing import describe_arguments, describe_operation, is_written_as_operation, output_number
from .stored_layers import AUTHOR

#: The version of Keras whose configs these are.
KERAS_VERSION = "3.3.3"

#: Settings of Keras 2 that training-only layers of Keras 3 do not take.
KERAS_2_SETTINGS = frozenset(
    {"name", "dtype", "trainable", "batch_input_shape", "data_format", "rng_type", "force_generator",
     "auto_vectorize"}
)  # fmt: skip

#: Classes that Keras 3 no longer has, and layers that do the same at inference.
REMOVED_CLASSES = {"RandomHeight": "Identity", "RandomWidth": "Identity"}


#: Activations that layers of Keras 3 do not have, with the reasons.
UNKNOWN_ACTIVATIONS = {
    "hard_sigmoid_keras2": "the hard_sigmoid of Keras 3 is another function than that of Keras 2",
    "gelu_tanh": "in Keras 3 it is an operation, between the layers of a functional model",
}

#: Names in `keras.layers` of classes that have another name themselves.
PUBLIC_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}

#: Where Keras 3 finds the layers that its published models define.
APPLICATION_MODULES = {
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
}


def describe_network(network: Network, graph: Graph) -> dict[str, Any]:
    """Return the config of a network, the content of `config.json`.

    Args:
        network: The model as Keras nests it.
        graph: The same model, flat.

    Raises:
        ValueError: Keras 3 cannot express a layer.
    """
    unknown = list(_list_unknown(network))
    if unknown:
        raise ValueError(f"Keras has no layers for {join_some(unknown)}, so it cannot load such a model")
    return _describe_model(network, graph, "")


def _list_unknown(network: Network) -> Iterator[str]:
    """Yield the name and the class of each layer that Keras has no counterpart of."""
    for member in network.in_order():
        if isinstance(member.layer, Network):
            yield from _list_unknown(member.layer)
        elif member.kind in DEEPLEARNING4J:
            yield f"{member.name} ({member.kind})"


def describe_origin() -> dict[str, str]:
    """Return the content of `metadata.json`."""
    return {
        "keras_version": KERAS_VERSION,
        "written_by": AUTHOR,
        "date_saved": datetime.now(UTC).strftime("%Y-%m-%d@%H:%M:%S"),
    }


def keras_name(name: str) -> str:
    """Return a layer's name as Keras 3 allows it."""
    return name.replace("/", "_")


def _describe_model(network: Network, graph: Graph, path: str) -> dict[str, Any]:
    """Describe a network. Its nodes in the graph have names that begin with `path`."""
    config: dict[str, Any] = {"name": keras_name(network.name), "trainable": True}
    if network.sequential:
        for member in network.members.values():
            if is_written_as_operation(member.layer):
                raise ValueError(
                    f"{member.name}: {member.kind} cannot be saved in a Sequential model: in Keras 3 it is "
                    "an operation, between the layers of a functional model"
                )
        config["layers"] = [_describe_member(member, graph, path) for member in network.members.values()]
        return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    config["layers"] = []
    for member in network.in_order():
        calls = list(_describe_calls(network, member, graph, path))
        described = _describe_member(member, graph, path)
        config["layers"].append(described | {"name": keras_name(member.name), "inbound_nodes": calls})
    outputs = [_describe_output(network, tensor) for tensor in network.outputs]
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


def _describe_member(member: Member, graph: Graph, path: str) -> dict[str, Any]:
    layer = member.layer
    if isinstance(layer, Network) and layer.frame_axes:
        return _describe_frames(member, layer, graph, path)
    if isinstance(layer, Network):
        described = _describe_model(layer, graph, f"{path}{member.name}/")
        described["config"] |= {"name": keras_name(member.name), "trainable": member.trainable}
        return described
    if is_written_as_operation(layer):
        described = describe_operation(layer)
        described["config"] = {"name": keras_name(member.name)} | described["config"]
        return described
    if isinstance(layer, TimeDistributed) and not layer.accepts(1):
        raise ValueError(
            f"{member.name}: {layer.kind} around a layer of several inputs cannot be saved: that of Keras 3 "
            "takes one"
        )
    described = _describe_layer(layer)
    described["config"] = {"name": keras_name(member.name), "dtype": "float32"} | described["config"]
    if graph.nodes[f"{path}{member.name}"].parameters:  # some layers without parameters have no such setting
        described["config"]["trainable"] = member.trainable
    return described


def _describe_frames(member: Member, network: Network, graph: Graph, path: str) -> dict[str, Any]:
    """Describe a network within `TimeDistributed`, whose own shapes are those of one frame."""
    name = f"{path}{member.name}"
    frame = subgraph(
        graph, [node for node in graph.nodes if node.startswith((f"{name}/", f"{name}:"))], of_frame=True
    )
    inner_name = network.name if network.frame_axes == 1 else "time_distributed"
    within = Member(member.name, replace(network, frame_axes=network.frame_axes - 1), (), member.trainable)
    described = _describe_member(within, frame, path)
    described["config"]["name"] = keras_name(inner_name)
    return {
        "module": "keras.layers", "class_name": "TimeDistributed", "registered_name": None,
        "config": {"name": keras_name(member.name), "trainable": member.trainable, "layer": described},
    }  # fmt: skip


def _describe_layer(layer: Layer) -> dict[str, Any]:
    class_name, config = layer.kind, {}
    if class_name == "SeparableConv1D" and getattr(layer, "padding", None) == "causal":
        raise ValueError("a causal SeparableConv1D cannot be saved: Keras 3 has none")
    if isinstance(layer, Input):
        class_name, config = "InputLayer", {"batch_shape": [None, *layer.shape], "sparse": False}
    elif isinstance(layer, TrainingOnly):
        class_name = REMOVED_CLASSES.get(class_name, class_name)
        if class_name == layer.kind:
            settings = json.loads(layer.settings)
            config = {key: value for key, value in settings.items() if key not in KERAS_2_SETTINGS}
            if class_name.startswith("SpatialDropout"):
                config.pop("noise_shape", None)  # Keras 2 writes it, always as null; Keras 3 refuses it
    else:
        names = [field.name for field in fields(layer) if field.name not in layer.call_settings]  # type: ignore[arg-type]
        # A setting that has the name of one of the layer's methods is called "output_shape_setting" here.
        config = {
            name.removesuffix("_setting"): _as_json(getattr(layer, name))
            for name in names
            if name != "penalties"
        }
        config |= _describe_penalties(layer)
    module, class_name = APPLICATION_MODULES.get(class_name), PUBLIC_NAMES.get(class_name, class_name)
    return {
        "module": module or "keras.layers", "class_name": class_name, "config": config,
        "registered_name": class_name if module else None,
    }  # fmt: skip


def _describe_penalties(layer: Layer) -> dict[str, Any]:
    if not isinstance(layer, Penalized) or layer.penalties is None:
        return {}
    from .penalties import describe_penalty  # few models have one

    described = {name: describe_penalty(value) for name, value in penalties_of(layer).items()}
    return {name: value for name, value in described.items() if value is not None}


def _as_json(value: Any) -> Any:
    if isinstance(value, Layer):
        # An input that reads another layer changes nothing.
        return _describe_layer(Identity() if isinstance(value, Input) else value)
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, str) and value in UNKNOWN_ACTIVATIONS:
        raise ValueError(f"the activation {value!r} cannot be saved: {UNKNOWN_ACTIVATIONS[value]}")
    return value


def _describe_calls(network: Network, member: Member, graph: Graph, path: str) -> Iterator[dict[str, Any]]:
    """Yield the operands of each use of a member, as Keras 3 writes them in `inbound_nodes`."""
    for use in member.uses:
        if not use:
            return
        tensors: list[Any] = [_describe_tensor(network, tensor, graph, path) for tensor in use]
        layer = member.layer
        if isinstance(layer, Network):
            yield {"args": [tensors] if len(tensors) > 1 else tensors, "kwargs": {}}
        elif is_written_as_operation(layer):
            yield describe_arguments(layer, tensors)
        elif layer.takes_mask and len(tensors) == 2:
            yield {"args": tensors[:1], "kwargs": {"mask": tensors[1]}}
        else:
            is_list = len(tensors) > 1 and not layer.call_operands
            named = {name: True for name in layer.call_settings if getattr(layer, name)}
            yield {"args": [tensors] if is_list else tensors, "kwargs": named}


def _describe_tensor(network: Network, tensor: TensorRef, graph: Graph, path: str) -> dict[str, Any]:
    shape = _tensor_shape(network.members, tensor, graph, path)
    return {
        "class_name": "__keras_tensor__",
        "config": {
            "shape": [None, *shape], "dtype": "float32",
            "keras_history": _tensor_history(network, tensor),
        },
    }  # fmt: skip


def _tensor_history(network: Network, tensor: TensorRef, first_use: int = 0) -> list[Any]:
    name, use, output = tensor
    return [keras_name(name), use + first_use, output or output_number(network.members[name].layer)]


def _tensor_shape(members: Mapping[str, Member], tensor: TensorRef, graph: Graph, path: str) -> Shape:
    name, use, output = tensor
    return output_shapes(graph, members[name], f"{path}{use_name(name, use)}")[output]


def _describe_output(network: Network, tensor: TensorRef) -> list[Any]:
    """Return an output with Keras's number of the use: use 0 of a nested functional model is its building."""
    first_use = 1 if network.members[tensor[0]].kind == "Functional" else 0
    return _tensor_history(network, tensor, first_use)
