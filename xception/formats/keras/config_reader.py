"""Reader of Keras configs: from the JSON of a `.keras` or `.h5` file to a `Network`.

No class, function or module is looked up by a name in the file, except in tables of this library.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ...errors import GraphError, ModelFileError
from ...graph import Member, Network, TensorRef
from ...layers import BatchNormalization, Dropout, Identity, Input, Layer, Shape, TrainingOnly
from ...layers.validation import as_int
from ..limits import MAX_AXES, MAX_NAME_CHARACTERS, MAX_NETWORK_DEPTH, MAX_WRAPPING_DEPTH
from .config_calls import Reference, is_called_in_training, rank_uses, read_calls, read_references
from .json_reader import summarize_error
from .layer_settings import check_dtype, check_origin, read_layer
from .masks import pass_on_masks
from .named_calls import check_no_mask, read_named_calls
from .operations import is_operation, read_operation
from .unknown_layers import explain_lambda, explain_model

NETWORKS = ("Functional", "Model", "Sequential")  #: the classes of models that are read

#: Layers that compute something else if they are called with a mask.
MASKED_LAYERS = ("GlobalAveragePooling1D", "Softmax")

#: What reading a malformed config raises: it can be any JSON.
CONFIG_ERRORS = (LookupError, TypeError, AttributeError, ValueError, OverflowError)


#: Whether a layer reads an input of its network, and whether it computes an output.
Place: TypeAlias = tuple[bool, bool]


class _ConfigError(Exception):
    """The reason why a layer is refused. Each network around it prepends its name."""


@dataclass
class _ReadLayer:
    """A layer of a functional model, and the tensors that each of its uses reads."""

    layer: Layer | Network
    uses: list[list[Reference]]
    trainable: bool


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
    except (GraphError, _ConfigError) as error:
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
        name = _check_name(name or class_name.lower())
    except CONFIG_ERRORS as error:
        raise _ConfigError(summarize_error(error)) from None
    try:
        read = _read_sequential if class_name == "Sequential" else _read_functional
        return read(name, config, keras, depth)
    except _ConfigError as error:
        raise _ConfigError(f"{name}: {error}") from None
    except CONFIG_ERRORS as error:
        raise _ConfigError(f"{name}: its config is damaged ({summarize_error(error)})") from None


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
        raise _layer_error(name, described, summarize_error(error)) from None
    if within["class_name"] in NETWORKS:
        try:
            return replace(_read_model(within, keras, depth + 1), frame_axes=frame_axes)
        except _ConfigError as error:
            raise _ConfigError(f"{name}: {error}") from None
    try:
        config = described["config"]
        if class_name in ("Lambda", "lambda"):
            raise ValueError(explain_lambda(name, config, *place))
        if class_name == "InputLayer":
            return Input(_read_input_shape(config))
        return read_layer(class_name, config, keras)
    except (*CONFIG_ERRORS, RecursionError) as error:
        raise _layer_error(name, described, summarize_error(error)) from None


def _look_within(described: Any) -> tuple[int, Any]:
    """Return how many `TimeDistributed` are around a layer or network, and its own description."""
    frame_axes = 0
    while described["class_name"] == "TimeDistributed" and frame_axes < MAX_WRAPPING_DEPTH:
        frame_axes, described = frame_axes + 1, described["config"]["layer"]
        check_origin(described)
    return frame_axes, described


def _layer_error(name: str, described: Mapping[str, Any], reason: str) -> _ConfigError:
    return _ConfigError(f"{name} ({described.get('class_name')}): {reason}")


def _read_input_shape(config: Mapping[str, Any]) -> Shape:
    check_dtype(config.get("dtype"))
    if config.get("sparse") or config.get("ragged"):
        raise ValueError("takes sparse or ragged tensors; supported are arrays")
    if str(config.get("dtype")) in ("string", "complex64", "complex128"):
        raise ValueError(f"takes {config['dtype']}; supported are real numbers")
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key):
            return _read_shape(config[key])
    raise ValueError("has no shape")


def _read_shape(shape: Any) -> Shape:
    """Return a shape without its batch axis."""
    if not isinstance(shape, list | tuple) or not 1 <= len(shape) - 1 <= MAX_AXES:
        raise ValueError(
            f"its shape should list the batch size and from 1 to {MAX_AXES} more sizes, got "
            f"{reprlib.repr(shape)}"
        )
    try:
        return tuple(None if size is None else as_int("a size", size) for size in shape[1:])
    except ValueError:
        raise ValueError(
            f"its shape should list positive integers or null, got {reprlib.repr(shape)}"
        ) from None


def _read_name(described: Mapping[str, Any]) -> str:
    return _check_name(described.get("name") or described["config"].get("name"))


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not name or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(
            f"a layer's name should be printable text of at most {MAX_NAME_CHARACTERS} characters, got "
            f"{reprlib.repr(name)}"
        )
    return name


def _is_trainable(described: Mapping[str, Any]) -> bool:
    config = described["config"]
    if not isinstance(config, dict):
        return True
    if described["class_name"] == "TimeDistributed" and config["layer"]["class_name"] not in NETWORKS:
        return config.get("trainable", True) is not False and _is_trainable(config["layer"])
    return config.get("trainable", True) is not False  # a frozen network's layers say so themselves


# --- sequential models ----------------------------------------------------------------------


def _read_sequential(name: str, config: Any, keras: int, depth: int) -> Network:
    layers = config["layers"] if isinstance(config, dict) else config  # Keras 1 wrote a bare list
    if not layers:
        raise ValueError("has no layers")
    members: dict[str, Member] = {}
    for described in layers:
        is_network = described["class_name"] in NETWORKS
        layer_name = _read_network_name(described) if is_network else _read_name(described)
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
        members[layer_name] = Member(layer_name, layer, (reads,), _is_trainable(described))
    first, last = next(iter(members)), next(reversed(members))
    return Network(name, members, (first,), ((last, 0, 0),), sequential=True)


def _read_network_name(described: Mapping[str, Any]) -> str:
    if isinstance(described["config"], dict):
        return _read_name(described)
    return _check_name(described.get("name") or "sequential")


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
            return _read_shape(holder[key])
    return None


# --- functional models ----------------------------------------------------------------------


def _read_functional(name: str, config: Any, keras: int, depth: int) -> Network:
    outputs = list(read_references(config["output_layers"]))
    inputs = [reference[0] for reference in read_references(config["input_layers"])]
    listed_layers: dict[str, Any] = {}
    for described in config["layers"]:
        layer_name = _read_name(described)
        if layer_name in listed_layers:
            raise ValueError(f"has two layers called {layer_name!r}")
        listed_layers[layer_name] = described
    # Keras 2 also lists what only add_loss and add_metric read, which may be layers that are not supported.
    output_names = [reference[0] for reference in outputs]
    needed = _find_needed(listed_layers, [*inputs, *output_names])
    layers = {
        layer_name: _read_functional_layer(described, layer_name, keras, depth, (inputs, output_names))
        for layer_name, described in listed_layers.items()
        if layer_name in needed
    }
    if keras < 3:
        pass_on_masks(layers.items(), lambda name, reason: _layer_error(name, listed_layers[name], reason))
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
) -> _ReadLayer:
    """Read a layer. `ends` names the inputs of its network, and the layers that compute the outputs."""
    calls = read_calls(described)
    sources = {operand[0] for call in calls for operand in call if isinstance(operand, Reference)}
    place = not sources.isdisjoint(ends[0]), name in ends[1]
    try:
        if is_operation(described, calls):
            (operands,) = calls
            operation, tensors = read_operation(described, operands, keras)
            return _ReadLayer(operation, [tensors], trainable=True)
    except CONFIG_ERRORS as error:
        raise _layer_error(name, described, summarize_error(error)) from None
    layer = _read_member(described, name, keras, depth, place)
    # Keras 3 writes the argument too, but ignores it in predictions.
    if keras < 3 and _differs_in_training(layer) and is_called_in_training(described.get("inbound_nodes")):
        raise _layer_error(
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
        raise _layer_error(name, described, summarize_error(error)) from None
    return _ReadLayer(layer, uses or [[]], _is_trainable(described))


def _differs_in_training(layer: Layer | Network) -> bool:
    """Return True if a layer, or one within it, computes something else in training than at inference."""
    if isinstance(layer, Network | BatchNormalization | Dropout | TrainingOnly):
        return True
    within = (getattr(layer, name) for name in layer.wraps)
    return any(isinstance(each, Layer) and _differs_in_training(each) for each in within)


def _resolve_uses(
    layers: Mapping[str, _ReadLayer], outputs: list[Reference], keras: int
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
