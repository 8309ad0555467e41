"""Reader of Keras configs: from the JSON of a `.keras` or `.h5` file to a `Network`.

No class, function or module is looked up by a name in the file, except in tables of this library.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import GraphError, ModelFileError
from ...graph import Member, Network, TensorRef
from ...layers import BatchNormalization, Dropout, Identity, Input, Layer, Shape, TrainingOnly
from ...layers.validation import as_int
from ..limits import MAX_AXES, MAX_NAME_CHARACTERS, MAX_NETWORK_DEPTH, MAX_OPERATION_OUTPUTS
from .config_calls import Reference, is_called_in_training, rank_uses, read_calls, read_references
from .json_reader import summarize_error
from .layer_settings import check_dtype, check_origin, read_layer
from .operations import batch_sizes, is_operation, read_operation

NETWORKS = ("Functional", "Model", "Sequential")  #: the classes of models that are read

#: What reading a malformed config raises: it can be any JSON.
CONFIG_ERRORS = (LookupError, TypeError, AttributeError, ValueError, OverflowError)


class _ConfigError(Exception):
    """The reason why a layer is refused. Each network around it prepends its name."""


@dataclass
class _ReadLayer:
    """A layer of a functional model, and the tensors that each of its uses reads."""

    layer: Layer | Network
    uses: list[list[Reference]]
    trainable: bool = True


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
                f"the model is of the class {class_name!r}; supported: {', '.join(NETWORKS)}. Python code "
                "defines what other classes compute, and code is not run"
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


def _read_member(described: Any, name: str, keras: int, depth: int) -> Layer | Network:
    """Read a layer, or a network used as one."""
    class_name = described["class_name"]
    if class_name in NETWORKS:
        return _read_model(described, keras, depth + 1)
    try:
        check_origin(described)
        config = described["config"]
        if class_name == "InputLayer":
            return Input(_read_input_shape(config))
        return read_layer(class_name, config, keras)
    except (*CONFIG_ERRORS, RecursionError) as error:
        raise _layer_error(name, described, summarize_error(error)) from None


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
    return not isinstance(config, dict) or config.get("trainable", True) is not False


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
        layer = _read_member(described, layer_name, keras, depth)
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
    if isinstance(layer, Network):
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
    layers: dict[str, _ReadLayer] = {}
    outputs = list(read_references(config["output_layers"]))
    operations = _Operations(config["layers"], outputs, keras)
    for described in config["layers"]:
        layer_name = _read_name(described)
        read = (
            operations.read(described, layer_name)
            if layer_name in operations.names
            else {layer_name: _read_functional_layer(described, layer_name, keras, depth)}
        )
        if not layers.keys().isdisjoint(read):
            raise ValueError(f"has two layers called {layer_name!r}")
        layers |= read
    for each in layers.values():
        each.uses = [[operations.resolve(tensor) for tensor in use] for use in each.uses]
    outputs = [operations.resolve(tensor) for tensor in outputs]
    inputs = [reference[0] for reference in read_references(config["input_layers"])]
    if not inputs or not outputs:
        raise ValueError(f"has no {'outputs' if inputs else 'inputs'}")
    members, output_tensors = _resolve_uses(layers, outputs, keras)
    for entry in inputs:
        if entry not in members or not isinstance(members[entry].layer, Input):
            raise ValueError(f"its input {entry!r} is not an input layer")
    listed = config["output_layers"]
    keys = tuple(sorted(listed)) if isinstance(listed, dict) else None
    network = Network(name, members, tuple(inputs), output_tensors, keys)
    return network.without_loose_ends()


def _read_functional_layer(described: Any, name: str, keras: int, depth: int) -> _ReadLayer:
    layer = _read_member(described, name, keras, depth)
    differs_in_training = isinstance(layer, Network | BatchNormalization | Dropout | TrainingOnly)
    # Keras 3 writes the argument too, but ignores it in predictions.
    if keras < 3 and differs_in_training and is_called_in_training(described.get("inbound_nodes")):
        raise _layer_error(
            name, described,
            "is called with training=True, so that every prediction uses the statistics of its batch, or "
            "random numbers",
        )  # fmt: skip
    uses = [[operand for operand in call if isinstance(operand, Reference)] for call in read_calls(described)]
    return _ReadLayer(layer, uses or [[]], _is_trainable(described))


class _Operations:
    """The operations of a functional model.

    An operation becomes a layer for each of its outputs that is used, and for each step of its computation.
    """

    def __init__(self, described_layers: list[Any], outputs: list[Reference], keras: int) -> None:
        self._keras = keras
        self._sizes = batch_sizes(described_layers)
        self.names: set[str] = set()
        used = set(outputs)
        for described in described_layers:
            calls = read_calls(described)
            used.update(operand for call in calls for operand in call if isinstance(operand, Reference))
            if is_operation(described, calls):
                self.names.add(_read_name(described))
        self._outputs: dict[str, list[int]] = {name: [] for name in self.names}
        for name, output in sorted({(name, output) for name, _, output in used}):
            if name in self.names and output not in self._outputs[name][-1:]:  # they are sorted
                self._outputs[name].append(output)

    def resolve(self, tensor: Reference) -> Reference:
        """Return the tensor of the layer that computes an output of an operation."""
        name, use, output = tensor
        return Reference((self._name(name, output), use, 0)) if name in self.names else tensor

    def read(self, described: Any, name: str) -> dict[str, _ReadLayer]:
        """Return the layers that compute an operation, by name."""
        layers: dict[str, _ReadLayer] = {}
        outputs = self._outputs[name] or [0]
        try:
            if len(outputs) > MAX_OPERATION_OUTPUTS:
                raise ValueError(f"has {len(outputs):,} outputs; supported are {MAX_OPERATION_OUTPUTS:,}")
            for output in outputs:
                steps, tensors = read_operation(described, self._keras, output, self._sizes)
                last = self._name(name, output)
                names = [f"{last}_step_{number}" for number in range(1, len(steps))] + [last]
                for step_name, layer in zip(names, steps, strict=True):
                    layers[step_name] = _ReadLayer(layer, [tensors])
                    tensors = [Reference((step_name, 0, 0))]
        except CONFIG_ERRORS as error:
            raise _layer_error(name, described, summarize_error(error)) from None
        return layers

    def _name(self, name: str, output: int) -> str:
        """Return the name of the layer that computes an output: for the first in use, the operation's."""
        outputs = self._outputs[name]
        return name if not outputs or output == outputs[0] else f"{name}_output_{output}"


def _resolve_uses(
    layers: Mapping[str, _ReadLayer], outputs: list[Reference], keras: int
) -> tuple[dict[str, Member], tuple[TensorRef, ...]]:
    """Return members and outputs with the uses of each layer counted from 0."""
    use_counts = {name: len(read.uses) for name, read in layers.items()}
    functional = [
        name for name, r in layers.items() if isinstance(r.layer, Network) and not r.layer.sequential
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
