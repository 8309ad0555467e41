"""The JSON in which Keras describes a model, to a `Network`. Text in, data out, nothing run."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import GraphError, ModelFileError
from ...graph.network import Member, Network, TensorRef
from ...layers import BatchNormalization, Dropout, Identity, Input, Layer, TrainingOnly
from .layer_settings import check_dtype, check_origin, read_layer
from .operations import Reference, is_operation, read_operation

#: By name: the layer, what each of its uses reads, whether it is trainable.
_Found = dict[str, tuple[Layer | Network, list[list[Reference]], bool]]

NETWORKS = ("Functional", "Model", "Sequential")
MOST_TEXT = 16 << 20  #: bytes; Xception's own is 120 kB
MOST_AXES = 31  #: of an array, beside the batch's
LONGEST_NAME = 500  #: letters; names of layers deep inside are made of several
DEEPEST = 16  #: networks within networks


def parse(text: bytes | str, place: str) -> dict[str, Any]:
    """JSON text, of bounded size and depth, that must hold an object."""
    if len(text) > MOST_TEXT:
        raise ModelFileError(
            f"{place}: describes the model in {len(text):,} bytes; at most {MOST_TEXT:,} are read"
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{place}: is not the JSON that Keras writes ({_short(error)})") from None
    if not isinstance(found, dict):
        raise ModelFileError(f"{place}: should hold a JSON object, found {type(found).__name__}")
    return found


def version(text: object) -> int:
    """Keras 1, 2 or 3, by a version like "2.12.0"."""
    first = str(text or "").partition(".")[0]
    return int(first) if first in ("1", "2", "3") else 3


def read_network(described: Mapping[str, Any], keras: int, place: str) -> Network:
    """The network that a file describes. keras: which Keras wrote it, 1, 2 or 3.

    Raises ModelFileError, naming the layer, for anything that is not known here.
    """
    try:
        return _network(described, keras, 0)
    except GraphError as error:
        raise ModelFileError(f"{place}: {error}") from None
    except _RefusedError as error:
        raise ModelFileError(f"{place}: {error}") from None
    except RecursionError:
        raise ModelFileError(f"{place}: its description is nested too deep") from None


class _RefusedError(Exception):
    """Why a layer is not read; the names of the networks around it are put before it on the way."""


def _network(described: Any, keras: int, depth: int) -> Network:
    try:
        class_name, config = described["class_name"], described["config"]
        if class_name not in NETWORKS:
            raise ValueError(
                f"the model is of the class {class_name!r}; known are {', '.join(NETWORKS)}. The layers of a "
                "class of somebody's own stand in Python code, which is not run"
            )
        check_origin(described)
        if depth > DEEPEST:
            raise ValueError(f"networks within networks, more than {DEEPEST} deep")
        name = described.get("name") or (config.get("name") if isinstance(config, dict) else None)
        name = _as_name(name or class_name.lower())
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise _RefusedError(_short(error)) from None
    try:
        read = _sequential if class_name == "Sequential" else _functional
        return read(name, config, keras, depth)
    except _RefusedError as error:
        raise _RefusedError(f"{name}: {error}") from None
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise _RefusedError(f"{name}: its description is damaged ({_short(error)})") from None


# --- one layer ------------------------------------------------------------------------------


def _layer(described: Any, name: str, keras: int, depth: int) -> Layer | Network:
    """What stands at a place in a network."""
    class_name = described["class_name"]
    if class_name in NETWORKS:
        return _network(described, keras, depth + 1)
    try:
        check_origin(described)
        config = described["config"]
        if class_name == "InputLayer":
            return Input(_input_shape(config))
        return read_layer(class_name, config, keras)
    except _RefusedError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise _RefusedError(f"{name} ({class_name}): {_short(error)}") from None


def _input_shape(config: Mapping[str, Any]) -> tuple[int | None, ...]:
    check_dtype(config.get("dtype"))
    if config.get("sparse") or config.get("ragged"):
        raise ValueError("takes sparse or ragged tensors; arrays are read")
    if str(config.get("dtype")) in ("string", "complex64", "complex128"):
        raise ValueError(f"takes {config['dtype']}; numbers are read")
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key):
            return _sizes(config[key])
    raise ValueError("has no shape")


def _sizes(shape: Any) -> tuple[int | None, ...]:
    """The sizes in a shape, behind the batch's."""
    if not isinstance(shape, list | tuple) or not 1 <= len(shape) - 1 <= MOST_AXES:
        raise ValueError(
            f"its shape should list the batch's size and from 1 to {MOST_AXES} more, got "
            f"{reprlib.repr(shape)}"
        )
    sizes = tuple(shape[1:])
    for size in sizes:
        if size is not None and (
            isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 1 << 31
        ):
            raise ValueError(
                f"its shape should list whole numbers from 1, or null, got {reprlib.repr(shape)}"
            )
    return sizes


def _name(described: Mapping[str, Any]) -> str:
    return _as_name(described.get("name") or described["config"].get("name"))


def _as_name(name: Any) -> str:
    if not isinstance(name, str) or not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"a layer's name should be printable text of at most {LONGEST_NAME} letters, got "
            f"{reprlib.repr(name)}"
        )
    return name


def _is_trainable(described: Mapping[str, Any]) -> bool:
    config = described["config"]
    return not isinstance(config, dict) or config.get("trainable", True) is not False


# --- layers in a row ------------------------------------------------------------------------


def _sequential(name: str, config: Any, keras: int, depth: int) -> Network:
    listed = config["layers"] if isinstance(config, dict) else config  # the first Kerases wrote a bare list
    if not listed:
        raise ValueError("has no layers")
    members: dict[str, Member] = {}
    for described in listed:
        layer_name = _name(described) if described["class_name"] not in NETWORKS else _network_name(described)
        if layer_name in members:
            raise ValueError(f"has two layers called {layer_name!r}")
        layer = _layer(described, layer_name, keras, depth)
        if not members and not isinstance(layer, Input):
            entry = f"{name}_input"
            shape = _first_shape(layer, described, config)
            if shape is None and not depth:
                raise ValueError(
                    "was saved before it had seen an input: the shape of its input is not in the file"
                )
            # Within another network, what enters has the shape of what is there.
            members[entry] = Member(entry, Identity() if shape is None else Input(shape), ((),))
        reads: tuple[TensorRef, ...] = ((next(reversed(members)), 0, 0),) if members else ()
        members[layer_name] = Member(layer_name, layer, (reads,), _is_trainable(described))
    first, last = next(iter(members)), next(reversed(members))
    return Network(name, members, (first,), ((last, 0, 0),), sequential=True)


def _network_name(described: Mapping[str, Any]) -> str:
    config = described["config"]
    return _name(described) if isinstance(config, dict) else _as_name(described.get("name") or "sequential")


def _first_shape(
    layer: Layer | Network, described: Mapping[str, Any], config: Any
) -> tuple[int | None, ...] | None:
    """What enters layers in a row of which the first is no input, if the file tells."""
    if isinstance(layer, Network):
        first = layer.members[layer.inputs[0]].layer
        return first.shape if isinstance(first, Input) else None
    for holder, key in (
        (described["config"], "batch_input_shape"),
        (described["config"], "batch_shape"),
        (config, "build_input_shape"),
    ):
        if isinstance(holder, dict) and holder.get(key):
            return _sizes(holder[key])
    return None


# --- layers that say what they read ---------------------------------------------------------


def _functional(name: str, config: Any, keras: int, depth: int) -> Network:
    found: _Found = {}
    for described in config["layers"]:
        layer_name = _name(described)
        if layer_name in found:
            raise ValueError(f"has two layers called {layer_name!r}")
        calls = [list(_operands(node)) for node in _calls(described.get("inbound_nodes") or [])]
        layer: Layer | Network
        try:
            if is_operation(described, calls):
                (operands,) = calls
                layer, tensors = read_operation(described, operands, keras)
                found[layer_name] = layer, [tensors], True
                continue
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise _RefusedError(f"{layer_name} ({described.get('class_name')}): {_short(error)}") from None
        layer = _layer(described, layer_name, keras, depth)
        # Keras 3 writes this too, but at a prediction it does not go by it.
        if keras < 3 and _differs_in_training(layer) and _in_training(described.get("inbound_nodes")):
            raise _RefusedError(
                f"{layer_name} ({described['class_name']}): is called with training=True, to work as in "
                "training at every prediction: with the statistics of the batch, or at random"
            )
        uses = [[operand for operand in call if isinstance(operand, Reference)] for call in calls]
        found[layer_name] = layer, uses or [[]], _is_trainable(described)

    outputs = list(_references(config["output_layers"]))
    inputs = [reference[0] for reference in _references(config["input_layers"])]
    if not inputs or not outputs:
        raise ValueError(f"has no {'outputs' if inputs else 'inputs'}")
    read = [tensor for _, uses, _ in found.values() for use in uses for tensor in use]
    within, leaving = _ranks(found, read, 0 if keras > 2 else 1), _ranks(found, outputs, 1)
    members = {
        layer_name: Member(
            layer_name, layer,
            tuple(tuple((t[0], within[t[:2]], t[2]) for t in use) for use in uses), trainable,
        )
        for layer_name, (layer, uses, trainable) in found.items()
    }  # fmt: skip
    for entry in inputs:
        if entry not in members or not isinstance(members[entry].layer, Input):
            raise ValueError(f"its input {entry!r} is not an input layer")
    listed = config["output_layers"]
    keys = tuple(sorted(listed)) if isinstance(listed, dict) else None
    ends = tuple((tensor[0], leaving[tensor[:2]], tensor[2]) for tensor in outputs)
    network = Network(name, members, tuple(inputs), ends, keys)
    return network.without_loose_ends()


def _differs_in_training(layer: Layer | Network) -> bool:
    return isinstance(layer, Network | BatchNormalization | Dropout | TrainingOnly)


def _in_training(calls: Any) -> bool:
    """Whether a layer is told to work as in training, wherever that stands in its calls."""
    if isinstance(calls, list):
        return any(map(_in_training, calls))
    if isinstance(calls, dict):
        return calls.get("training") is True or _in_training(calls.get("kwargs"))
    return False


def _calls(nodes: Any) -> Iterator[Any]:
    """What each use of a layer was given."""
    for node in nodes:
        # One tensor by itself is not wrapped in a list.
        yield [node] if isinstance(node, list) and node and isinstance(node[0], str) else node


def _operands(call: Any) -> Iterator[Any]:
    """The References and constants of a call, in order, however Keras nested them."""
    if isinstance(call, dict) and {"args", "kwargs"} >= set(call):  # Keras 3
        yield from _arguments(call.get("args", []))
        for key, value in (call.get("kwargs") or {}).items():
            if key not in ("training", "mask", "name", "dtype"):
                yield from _arguments([value])
        return
    for tensor in _by_key(call) if isinstance(call, dict) else call:  # Keras 1 and 2
        name, use, output = tensor[:3]
        yield output if name == "_CONSTANT_VALUE" else Reference((name, _whole(use), _whole(output)))
        for key, value in (tensor[3] if len(tensor) > 3 else {}).items():
            if key not in ("training", "mask", "name", "dtype"):
                yield Reference((value[0], *map(_whole, value[1:3]))) if _is_tensor(value) else value


def _arguments(values: Any, depth: int = 0) -> Iterator[Any]:
    _check_depth(depth)
    for value in values:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            name, use, output = value["config"]["keras_history"]
            yield Reference((name, _whole(use), _whole(output)))
        elif isinstance(value, dict) and "class_name" not in value:
            yield from _arguments(_by_key(value), depth + 1)
        elif isinstance(value, list):
            inside = list(_arguments(value, depth + 1))
            tensors = any(isinstance(item, Reference) for item in inside)
            yield from inside if tensors else [value]
        else:
            yield value


def _by_key(found: dict[str, Any]) -> list[Any]:
    """A dict's values as Keras goes through them: in the order of its keys."""
    return [found[key] for key in sorted(found)]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)


def _references(listed: Any, depth: int = 0) -> Iterator[Reference]:
    """The tensors of `input_layers` or `output_layers`: one, a list, or a dict."""
    _check_depth(depth)
    if not isinstance(listed, list | dict):
        raise ValueError(f"a tensor should be a list of its layer and numbers, got {reprlib.repr(listed)}")
    if _is_tensor(listed):
        yield Reference((listed[0], *map(_whole, listed[1:3])))
        return
    for tensor in _by_key(listed) if isinstance(listed, dict) else listed:
        yield from _references(tensor, depth + 1)


def _check_depth(depth: int) -> None:
    """Every number in a list is handed up through all the lists around it."""
    if depth > DEEPEST:
        raise ValueError(f"its tensors are nested more than {DEEPEST} lists deep")


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"a tensor's numbers should be whole, got {reprlib.repr(value)}")
    return value


def _ranks(found: _Found, tensors: Iterable[Reference], first: int) -> dict[tuple[str, int], int]:
    """Which of a layer's uses each number means, counted from 0.

    Keras counts the uses that a layer had anywhere, and in places the building of a network as its
    first. first: what it probably calls a network's first use.
    """
    numbers: dict[str, set[int]] = {}
    for name, number, _ in tensors:
        numbers.setdefault(name, set()).add(number)
    ranks: dict[tuple[str, int], int] = {}
    for name, used in numbers.items():
        layer, uses, _ = found.get(name, (None, [], False))
        offset = first if isinstance(layer, Network) and not layer.sequential else 0
        if not all(0 <= number - offset < len(uses) for number in used):
            offset = 1 - offset
        for rank, number in enumerate(sorted(used)):
            ranks[name, number] = rank if len(used) == len(uses) else number - offset
    return ranks


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1200 else f"{text[:1200]}…"
