"""Reader of Keras configs: from the JSON of a `.keras` or `.h5` file to a `Network`.

No class, function or module is looked up by a name in the file, except in tables of this library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ...errors import GraphError, ModelFileError
from ...graph import Member, Network, TensorRef
from ...layers import BatchNormalization, Dropout, Identity, Input, Layer, Shape, TrainingOnly
from ..limits import MAX_NETWORK_DEPTH, MAX_WRAPPING_DEPTH
from .config_calls import Reference, is_called_in_training, rank_uses, read_calls, read_references
from .config_members import (
    CONFIG_ERRORS,
    NETWORKS,
    ConfigError,
    ReadLayer,
    check_name,
    is_trainable,
    layer_error,
    read_input_shape,
    read_name,
    read_shape,
)
from .json_reader import summarize_error
from .layer_settings import check_origin, read_layer
from .masks import pass_on_masks
from .named_calls import check_no_mask, read_named_calls
from .operations.members import OperationLayers
from .operations.reading import batch_sizes
from .unknown_layers import LAMBDAS, explain_lambda, explain_model

#: Layers that compute something else if they are called with a mask.
MASKED_LAYERS = ("GlobalAveragePooling1D", "Softmax")

#: Whether a layer reads an input of its network, and whether it computes an output.
Place: TypeAlias = tuple[bool, bool]


def read_network(config: Mapping[str, Any], keras: int, location: str) -> Network:
    """Read the network that a config describes.

    Args:
        config: The config of a model, as parsed JSON.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.
        location: The file's name, for messages.

    Returns:
        The network.

    Raises:
        ModelFileError: A layer is not supported, or the config is damaged; the message names the layer.
    """
    try:
        return _read_model(config, keras, depth=0)
    except (GraphError, ConfigError) as error:
        raise ModelFileError(f"{location}: {error}") from None
    except RecursionError:
        raise ModelFileError(f"{location}: its config is nested too deep") from None


def major_version(version: object) -> int:
    """Return 1, 2 or 3 for a version of Keras such as "2.12.0"; 3 for anything else."""
    first = str(version or "").partition(".")[0]
    return int(first) if first in ("1", "2", "3") else 3


def _read_model(described: Any, keras: int, depth: int) -> Network:
    """Read a model, or a model used as a layer. `depth` is the number of networks around it."""
    try:
        class_name, config = described["class_name"], described["config"]
        if class_name not in NETWORKS:
            raise ValueError(
                explain_model(class_name, described.get("module"), described.get("registered_name"), NETWORKS)
            )
        check_origin(described)
        if depth > MAX_NETWORK_DEPTH:
            raise ValueError(f"networks within networks, more than {MAX_NETWORK_DEPTH} deep")
        name = described.get("name") or (config.get("name") if isinstance(config, dict) else None)
        name = check_name(name or class_name.lower())
    except CONFIG_ERRORS as error:
        raise ConfigError(summarize_error(error)) from None
    try:
        read = _read_sequential if class_name == "Sequential" else _read_functional
        return read(name, config, keras, depth)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    except CONFIG_ERRORS as error:
        raise ConfigError(f"{name}: its config is damaged ({summarize_error(error)})") from None


# --- one layer ------------------------------------------------------------------------------


def _read_member(described: Any, name: str, keras: int, depth: int, place: Place) -> Layer | Network:
    """Read a layer, or a network used as one."""
    class_name = described["class_name"]
    if class_name in NETWORKS:
        return _read_model(described, keras, depth + 1)
    try:
        check_origin(described)
        frame_axes, within = _look_within(described)
    except CONFIG_ERRORS as error:
        raise layer_error(name, described, summarize_error(error)) from None
    if within["class_name"] in NETWORKS:
        try:
            return replace(_read_model(within, keras, depth + 1), frame_axes=frame_axes)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from None
    try:
        config = described["config"]
        if class_name in LAMBDAS:
            raise ValueError(explain_lambda(name, config, *place))
        if class_name == "InputLayer":
            return Input(read_input_shape(config))
        return read_layer(class_name, config, keras)
    except (*CONFIG_ERRORS, RecursionError) as error:
        raise layer_error(name, described, summarize_error(error)) from None


def _look_within(described: Any) -> tuple[int, Any]:
    """Return how many `TimeDistributed` are around a layer or network, and its own description."""
    frame_axes = 0
    while described["class_name"] == "TimeDistributed" and frame_axes < MAX_WRAPPING_DEPTH:
        frame_axes, described = frame_axes + 1, described["config"]["layer"]
        check_origin(described)
    return frame_axes, described


# --- sequential models ----------------------------------------------------------------------


def _read_sequential(name: str, config: Any, keras: int, depth: int) -> Network:
    layers = config["layers"] if isinstance(config, dict) else config  # Keras 1 wrote a bare list
    if not layers:
        raise ValueError("has no layers")
    members: dict[str, Member] = {}
    for described in layers:
        is_network = described["class_name"] in NETWORKS
        layer_name = _read_network_name(described) if is_network else read_name(described)
        if layer_name in members:
            raise ValueError(f"has two layers called {layer_name!r}")
        is_first = all(isinstance(member.layer, Input) for member in members.values())
        layer = _read_member(described, layer_name, keras, depth, (is_first, described is layers[-1]))
        if not members and not isinstance(layer, Input):
            entry = f"{name}_input"
            shape = _first_input_shape(layer, described, config)
            if shape is None and not depth:
                raise ValueError(
                    "was saved before it had seen an input: the shape of its input is not in the file"
                )
            # A nested network without a shape accepts any input: the identity checks none.
            members[entry] = Member(entry, Identity() if shape is None else Input(shape), ((),))
        reads: tuple[TensorRef, ...] = ((next(reversed(members)), 0, 0),) if members else ()
        members[layer_name] = Member(layer_name, layer, (reads,), is_trainable(described))
    first, last = next(iter(members)), next(reversed(members))
    return Network(name, members, (first,), ((last, 0, 0),), sequential=True)


def _read_network_name(described: Mapping[str, Any]) -> str:
    if isinstance(described["config"], dict):
        return read_name(described)
    return check_name(described.get("name") or "sequential")


def _first_input_shape(layer: Layer | Network, described: Mapping[str, Any], config: Any) -> Shape | None:
    """Return the input shape of a sequential model without an input layer, or None if not recorded."""
    if isinstance(layer, Network) and not layer.frame_axes:
        first = layer.members[layer.inputs[0]].layer
        return first.shape if isinstance(first, Input) else None
    for holder, key in (
        (described["config"], "batch_input_shape"),
        (described["config"], "batch_shape"),
        (config, "build_input_shape"),
    ):
        if isinstance(holder, dict) and holder.get(key):
            return read_shape(holder[key])
    return None


# --- functional models ----------------------------------------------------------------------


def _read_functional(name: str, config: Any, keras: int, depth: int) -> Network:
    outputs = list(read_references(config["output_layers"]))
    inputs = [reference[0] for reference in read_references(config["input_layers"])]
    listed_layers: dict[str, Any] = {}
    for described in config["layers"]:
        layer_name = read_name(described)
        if layer_name in listed_layers:
            raise ValueError(f"has two layers called {layer_name!r}")
        listed_layers[layer_name] = described
    # Keras 2 also lists what only add_loss and add_metric read, which may be layers that are not supported.
    output_names = [reference[0] for reference in outputs]
    needed = _find_needed(listed_layers, [*inputs, *output_names])
    used_layers = {name: described for name, described in listed_layers.items() if name in needed}
    sizes = batch_sizes(listed_layers.values())  # read by settings only, so that none is needed
    operations = OperationLayers(used_layers.values(), outputs, keras, sizes)
    layers: dict[str, ReadLayer] = {}
    for layer_name, described in used_layers.items():
        if layer_name in operations.names:
            read = operations.read(described, layer_name)
        else:
            ends = inputs, output_names
            read = {layer_name: _read_functional_layer(described, layer_name, keras, depth, ends)}
        if not layers.keys().isdisjoint(read):
            raise ValueError(f"has two layers called {layer_name!r}")
        layers |= read
    for each in layers.values():
        each.uses = [[operations.resolve(tensor) for tensor in use] for use in each.uses]
    outputs = [operations.resolve(tensor) for tensor in outputs]
    if keras < 3:
        pass_on_masks(
            layers.items(), lambda name, reason: layer_error(name, listed_layers.get(name, {}), reason)
        )
    loose_ends = {
        layer_name: str(described.get("class_name"))
        for layer_name, described in listed_layers.items()
        if layer_name not in needed
    }
    if not inputs or not outputs:
        raise ValueError(f"has no {'outputs' if inputs else 'inputs'}")
    members, output_tensors = _resolve_uses(layers, outputs, keras)
    for entry in inputs:
        if entry not in members or not isinstance(members[entry].layer, Input):
            raise ValueError(f"its input {entry!r} is not an input layer")
    listed = config["output_layers"]
    keys = tuple(sorted(listed)) if isinstance(listed, dict) else None
    network = Network(name, members, tuple(inputs), output_tensors, keys, loose_ends=loose_ends)
    return network.without_loose_ends()


def _find_needed(layers: Mapping[str, Any], names: list[str]) -> set[str]:
    """Return the names of all layers that these layers depend on, and their own."""
    needed: set[str] = set()
    stack = names.copy()
    while stack:
        name = stack.pop()
        if name not in needed and name in layers:
            needed.add(name)
            calls = read_calls(layers[name])
            stack += [operand[0] for call in calls for operand in call if isinstance(operand, Reference)]
    return needed


def _read_functional_layer(
    described: Any, name: str, keras: int, depth: int, ends: tuple[list[str], list[str]]
) -> ReadLayer:
    """Read a layer. `ends` names the inputs of its network, and the layers that compute the outputs."""
    calls = read_calls(described)
    sources = {operand[0] for call in calls for operand in call if isinstance(operand, Reference)}
    place = not sources.isdisjoint(ends[0]), name in ends[1]
    layer = _read_member(described, name, keras, depth, place)
    # Keras 3 writes the argument too, but ignores it in predictions.
    if keras < 3 and _differs_in_training(layer) and is_called_in_training(described.get("inbound_nodes")):
        raise layer_error(
            name, described,
            "is called with training=True, so that every prediction uses the statistics of its batch, or "
            "random numbers",
        )  # fmt: skip
    uses = [[operand for operand in call if isinstance(operand, Reference)] for call in calls]
    try:
        if isinstance(layer, Layer) and layer.call_settings:
            layer, uses = read_named_calls(layer, described)
        elif layer.kind in MASKED_LAYERS:
            check_no_mask(described)
    except CONFIG_ERRORS as error:
        raise layer_error(name, described, summarize_error(error)) from None
    return ReadLayer(layer, uses or [[]], is_trainable(described))


def _differs_in_training(layer: Layer | Network) -> bool:
    """Return True if a layer, or one within it, computes something else in training than at inference."""
    if isinstance(layer, Network | BatchNormalization | Dropout | TrainingOnly):
        return True
    within = (getattr(layer, name) for name in layer.wraps)
    return any(isinstance(each, Layer) and _differs_in_training(each) for each in within)


def _resolve_uses(
    layers: Mapping[str, ReadLayer], outputs: list[Reference], keras: int
) -> tuple[dict[str, Member], tuple[TensorRef, ...]]:
    """Return members and outputs with the uses of each layer counted from 0."""
    use_counts = {name: len(read.uses) for name, read in layers.items()}
    functional = [
        name for name, r in layers.items() if isinstance(r.layer, Network) and r.layer.kind == "Functional"
    ]
    # Keras 1 and 2 count the building of a nested functional model as its first use. Keras 3 does so
    # only in the list of a model's outputs.
    inner = rank_uses(
        [tensor for read in layers.values() for use in read.uses for tensor in use],
        use_counts,
        dict.fromkeys(functional, 0 if keras > 2 else 1),
    )
    outer = rank_uses(outputs, use_counts, dict.fromkeys(functional, 1))
    members = {
        name: Member(
            name, read.layer,
            tuple(tuple((t[0], inner[t[:2]], t[2]) for t in use) for use in read.uses), read.trainable,
        )
        for name, read in layers.items()
    }  # fmt: skip
    return members, tuple((tensor[0], outer[tensor[:2]], tensor[2]) for tensor in outputs)
