"""Writer of whole models in Keras 2's HDF5 form, which Keras 2, Keras 3 and Deeplearning4j load.

The config is made from that of Keras 3 (`config_writer`): the nesting, names and settings are the same. What
differs is how layers are described, how calls are listed, and which layers and activations exist.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...data.atomic import replace_file
from ...graph import Graph, Network
from ..hdf5.file import create_file
from ..stored import StoredModel
from . import weights_by_name
from .config_writer import describe_network, keras_name
from .operations.writing import is_written_as_operation
from .stored_layers import sign
from .training_record import RECORD_ATTRIBUTE, TrainingRecord

#: The version of Keras whose configs these are. Deeplearning4j refuses Keras 3.
KERAS_VERSION = "2.15.0"

#: Classes of layers that Keras 2 and Keras 3 load with equal answers from this form.
LAYERS = frozenset(
    {"Activation", "Add", "AdditiveAttention", "Attention", "Average", "AveragePooling1D",
     "AveragePooling2D", "BatchNormalization", "Bidirectional", "CenterCrop", "Concatenate", "Conv1D",
     "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Cropping1D", "Cropping2D", "Dense",
     "DepthwiseConv1D", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "EinsumDense", "Flatten", "GRU",
     "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
     "GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
     "GroupNormalization", "Identity", "InputLayer", "LSTM", "LayerNormalization", "LeakyReLU",
     "MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum", "MultiHeadAttention", "Multiply",
     "Normalization", "PReLU", "Permute", "RandomBrightness", "RandomContrast", "RandomFlip",
     "RandomRotation", "RandomTranslation", "RandomZoom", "ReLU", "RepeatVector", "Rescaling",
     "Reshape", "Resizing", "SeparableConv1D", "SeparableConv2D", "SimpleRNN", "Softmax",
     "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Subtract", "TimeDistributed",
     "UnitNormalization", "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D"}
)  # fmt: skip
NETWORKS = ("Functional", "Sequential")

#: Activations that Keras 2 and Keras 3 compute alike, by the names that both have.
ACTIVATIONS = {
    name: name
    for name in ("linear", "relu", "softmax", "sigmoid", "tanh", "elu", "selu", "gelu", "swish", "mish",
                 "softplus", "softsign", "exponential")
} | {"silu": "swish"}  # fmt: skip

#: Settings that Keras 2 calls otherwise.
OLD_NAMES = {"LeakyReLU": {"negative_slope": "alpha"}}

#: Layers over one axis or several.
SINGLE_AXIS = ("BatchNormalization", "LayerNormalization", "Normalization", "Softmax", "UnitNormalization")

#: Settings that only Keras 3 has, with the values that change nothing. Left out, they mean the same in both.
NEW_SETTINGS: dict[str, dict[str, tuple[Any, ...]]] = {
    "LayerNormalization": {"rms_scaling": (False,)},
    "Resizing": {
        "data_format": ("channels_last", None), "antialias": (False,), "pad_to_aspect_ratio": (False,),
        "fill_mode": ("constant",), "fill_value": (0,),
    },
    "CenterCrop": {"data_format": ("channels_last", None)},
    "Attention": {"score_mode": ("dot", "concat")},
    "MultiHeadAttention": {"flash_attention": (None, False), "use_gate": (False,), "seed": (None,)},
}  # fmt: skip

#: Settings of layers that act only in training, and that Keras 2 has otherwise or not at all.
TRAINING_SETTINGS = ("data_format", "value_range")

#: Deeplearning4j refuses layers that do not say how their weights began.
INITIALIZERS = {
    "Conv1D": ("kernel",), "Conv2D": ("kernel",), "Dense": ("kernel",), "Conv2DTranspose": ("kernel",),
    "DepthwiseConv2D": ("depthwise",), "SeparableConv1D": ("depthwise", "pointwise"),
    "SeparableConv2D": ("depthwise", "pointwise"),
}  # fmt: skip


def write_model(path: Path, stored: StoredModel) -> None:
    """Write a whole model in Keras 2's HDF5 form.

    Args:
        path: The file to write. An interrupted write leaves the former file unchanged.
        stored: The model.

    Raises:
        ValueError: Keras 2 cannot express a layer, or the model has a class name that cannot be read again.
        OSError: The file cannot be written.
    """
    config = describe_legacy_network(stored.network, stored.graph)
    record = TrainingRecord(stored.class_names, stored.preprocessing, stored.task).to_json()
    content = io.BytesIO()
    with replace_file(path) as unfinished:
        with create_file(content) as file:
            # As str these have variable length: HDF5 limits attributes of fixed length to 64 kB.
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = KERAS_VERSION
            file.attrs["backend"] = "tensorflow"
            sign(file)
            if record is not None:
                file.attrs[RECORD_ATTRIBUTE] = record
            group = file.create_group("model_weights")
            weights_by_name.write(group, stored.network, stored.graph, stored.parameters, rename=keras_name)
        unfinished.write_bytes(content.getbuffer())


def describe_legacy_network(network: Network, graph: Graph) -> dict[str, Any]:
    """Return the config of a network as Keras 2 writes it.

    Args:
        network: The model as Keras nests it.
        graph: The same model, flat.

    Raises:
        ValueError: Keras 2 cannot express a layer.
    """
    described_for_keras_3 = describe_network(network, graph)
    _check_members(network)
    if network.output_keys is not None:
        raise ValueError(_explain("the model", "a dictionary of outputs"))
    described = _convert_model(described_for_keras_3)
    if described["class_name"] == "Functional":
        described["class_name"] = "Model"  # as before Keras 2.4, and in Deeplearning4j before 1.0.0-M1.1
        config = described["config"]
        for key in ("input_layers", "output_layers"):
            if not isinstance(config[key][0], list):
                config[key] = [config[key]]
    return described


def _check_members(network: Network) -> None:
    """Check what the config does not show: operations, and weights with other layouts."""
    for member in network.in_order():
        if isinstance(member.layer, Network):
            _check_members(member.layer)
        elif is_written_as_operation(member.layer):
            raise ValueError(_explain(member.name, f"{member.kind}, an operation of Keras 3"))


def _explain(name: str, what: str) -> str:
    return f"{name}: {what}, cannot be saved as .h5, the form of Keras 2; save the model as .keras"


def _convert_model(described: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the config of a model from that of Keras 3."""
    config = dict(described["config"])
    kinds = {each["config"]["name"]: each["class_name"] for each in config["layers"]}
    nested = {name for name, kind in kinds.items() if kind in NETWORKS}
    layers = []
    for each in config["layers"]:
        layer = _convert_layer(each, each["config"]["name"])
        if described["class_name"] == "Functional":
            layer["name"] = each["name"]
            calls = [_convert_call(call, nested) for call in each["inbound_nodes"]]
            if each["name"] in nested:
                calls = [call for call in calls for _ in range(2)]  # see _reference
            layer["inbound_nodes"] = calls
        layers.append(layer)
    config["layers"] = layers
    if "output_layers" in config:
        outputs = config["output_layers"]
        ends = []
        for name, use, output in outputs if isinstance(outputs[0], list) else [outputs]:
            call = use - 1 if kinds[name] == "Functional" else use  # as Keras 3 counts here
            ends.append([name, 2 * call + 1 if name in nested else use, output])
        # A list of one would make Keras 3 return a list where a network is a layer.
        config["output_layers"] = ends if len(ends) > 1 else ends[0]
    return {"class_name": described["class_name"], "config": config}


def _convert_layer(described: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Convert the config of a layer. `name` is that of the layer around it, for messages."""
    kind = described["class_name"]
    if kind in NETWORKS:
        return _convert_model(described)
    if kind not in LAYERS:
        raise ValueError(_explain(name, f"{kind}, which Keras 2 does not have or stores in another form"))
    config: dict[str, Any] = {}
    for key, value in described["config"].items():
        key = OLD_NAMES.get(kind, {}).get(key, key)
        if key in NEW_SETTINGS.get(kind, {}):
            if value not in NEW_SETTINGS[kind][key]:
                raise ValueError(_explain(name, f"{kind} with {key} = {value!r}"))
            if value != "concat":
                continue
        if kind.startswith("Random") and key in TRAINING_SETTINGS:
            continue
        if key == "axis" and kind in SINGLE_AXIS:
            value = _single_axis(value, kind, name)
        if key in ("activation", "recurrent_activation"):
            config[key] = _convert_activation(value, name)
        elif key.endswith(("_regularizer", "_constraint")):
            config[key] = None if value is None else {each: value[each] for each in ("class_name", "config")}
        elif isinstance(value, Mapping) and "class_name" in value:
            config[key] = _convert_wrapped(value, name)
        else:
            config[key] = value
    if kind == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
        config["ragged"] = False
    for part in INITIALIZERS.get(kind, ()):
        config[f"{part}_initializer"] = {"class_name": "GlorotUniform", "config": {"seed": None}}
    return {"class_name": kind, "config": config}


def _convert_wrapped(described: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Convert the config of a layer within a layer, for which Keras 3 wants the module."""
    layer = _convert_layer(described, name)
    if layer["class_name"] == "Functional":
        layer["class_name"] = "Model"  # Functional is not public
    module = "keras.models" if layer["class_name"] in ("Model", "Sequential") else "keras.layers"
    return {"module": module, "registered_name": None} | layer


def _single_axis(axis: Any, kind: str, name: str) -> int:
    """Return the only axis. Keras 3 reads the first of several from this form, and no axis as the default."""
    axes = axis if isinstance(axis, list) else [axis]
    if len(axes) != 1 or axes[0] is None:
        raise ValueError(_explain(name, f"{kind} over the axes {axis!r}"))
    number: int = axes[0]
    return number


def _convert_activation(value: Any, name: str) -> str:
    if value not in ACTIVATIONS:
        kind = value["class_name"] if isinstance(value, Mapping) else value
        raise ValueError(_explain(name, f"the activation {kind!r}, which Keras 2 and 3 do not share"))
    return ACTIVATIONS[value]


def _convert_call(call: Mapping[str, Any], nested: set[str]) -> list[list[Any]]:
    """Return a call as a list of [layer, use, output, {argument: value}], one for each tensor."""
    named = {key: _convert_argument(value, nested) for key, value in call["kwargs"].items()}
    tensors = [_reference(tensor, nested) for tensor in _flatten(call["args"])]
    return [[*tensor, named if index == 0 else {}] for index, tensor in enumerate(tensors)]


def _convert_argument(value: Any, nested: set[str]) -> Any:
    return _reference(value, nested) if isinstance(value, Mapping) else value


def _flatten(arguments: Any) -> Iterator[Mapping[str, Any]]:
    for each in arguments:
        if isinstance(each, list):
            yield from _flatten(each)
        else:
            yield each


def _reference(tensor: Mapping[str, Any], nested: set[str]) -> list[Any]:
    """Return [layer, use, output].

    Keras 2 counts the building of a nested model as its use 0. Keras 3 does so where a model lists its
    outputs, and nowhere else. Each call of a nested model is therefore written twice: use 2n + 1 is call n
    however it is counted, and no tensor depends on the other.
    """
    name, use, output = tensor["config"]["keras_history"]
    return [name, 2 * use + 1 if name in nested else use, output]
