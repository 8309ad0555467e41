"""Calls of a layer in a Keras config: the tensors and constants that each use of the layer reads.

Keras has written them in three ways: nested lists (`inbound_nodes` of Keras 1 and 2), `args` and
`kwargs` with tensors as objects (Keras 3), and the `input_layers` and `output_layers` of a model.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..limits import MAX_TENSOR_DEPTH

#: Keyword arguments that are not operands.
IGNORED_ARGUMENTS = ("training", "mask", "name", "dtype")
IGNORED_BY_OPERATIONS = ("training", "mask", "name")


class Reference(tuple[str, int, int]):
    """A tensor: (name of the layer that computes it, number of the layer's use, number of the output).

    Attributes:
        rank: Number of its axes with the batch axis, or None if the file does not tell.
    """

    rank: int | None = None


def read_calls(described: Mapping[str, Any]) -> list[list[Any]]:
    """Return the operands of each use of a layer: references and constants, in order."""
    return [list(_operands(call)) for call in _split_calls(described.get("inbound_nodes") or [])]


@dataclass(frozen=True)
class Arguments:
    """The arguments of an operation's only call. Tensors are references, also within lists.

    Attributes:
        positional: Arguments without names.
        named: Arguments by name. Those of Keras 2 have the names of TensorFlow.
    """

    positional: list[Any]
    named: dict[str, Any]


def read_arguments(described: Mapping[str, Any]) -> Arguments:
    """Return the arguments of an operation, whose names and lists `read_calls` loses.

    Args:
        described: The operation, as parsed JSON.

    Raises:
        ValueError: It has not one call.
    """
    calls = list(_split_calls(described.get("inbound_nodes") or []))
    if len(calls) != 1:
        raise ValueError(f"its operation should have one call, got {len(calls)}")
    (call,) = calls
    if isinstance(call, dict) and {"args", "kwargs"} >= set(call):  # Keras 3
        positional, named = call.get("args", []), call.get("kwargs") or {}
        return Arguments(
            [_argument(value) for value in positional],
            {key: _argument(value) for key, value in named.items() if key not in IGNORED_BY_OPERATIONS},
        )
    tensors = list(_sorted_values(call)) if isinstance(call, dict) else call
    first = [_old_argument(tensor) for tensor in tensors]
    named = tensors[0][3] if tensors and len(tensors[0]) > 3 else {}
    # The call of one tensor is that tensor, not a list; a list of one is no different.
    return Arguments(
        first if len(first) == 1 or described.get("class_name") == "TensorFlowOpLayer" else [first],
        {key: _named_argument(value) for key, value in named.items() if key not in IGNORED_BY_OPERATIONS},
    )


def _argument(value: Any, depth: int = 0) -> Any:
    """Return an argument of Keras 3, with references in place of its tensors."""
    _check_depth(depth)
    if is_list_of_numbers(value):
        return value
    if isinstance(value, list):
        return [_argument(item, depth + 1) for item in value]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, use, output = value["config"]["keras_history"]
        reference = Reference((name, _index(use), _index(output)))
        shape = value["config"].get("shape")
        reference.rank = len(shape) if isinstance(shape, list) else None
        return reference
    return value


def _old_argument(tensor: Any) -> Any:
    """Return a tensor or constant of Keras 1 and 2."""
    name, use, output = tensor[:3]
    return output if name == "_CONSTANT_VALUE" else Reference((name, _index(use), _index(output)))


def _named_argument(value: Any, depth: int = 0) -> Any:
    """Return a named argument of Keras 2, with references in place of its tensors."""
    _check_depth(depth)
    if _is_reference(value):
        return Reference((value[0], *map(_index, value[1:3])))
    return [_named_argument(item, depth + 1) for item in value] if isinstance(value, list) else value


def is_list_of_numbers(value: Any) -> bool:
    """Whether an argument is a list of nothing but numbers, which may be millions."""
    return isinstance(value, list) and bool(value) and set(map(type, value)) <= {int, float}


def references_in(value: Any) -> Iterator[Reference]:
    """Yield the references in an argument, also those within lists."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from references_in(item)


def read_references(tensors: Any, depth: int = 0) -> Iterator[Reference]:
    """Yield the tensors of `input_layers` or `output_layers`.

    Args:
        tensors: One tensor, a list of tensors, or a dict of them.
        depth: Number of lists and dicts around `tensors`.

    Raises:
        ValueError: `tensors` is none of these.
    """
    _check_depth(depth)
    if not isinstance(tensors, list | dict):
        raise ValueError(f"a tensor should be a list of its layer and numbers, got {reprlib.repr(tensors)}")
    if _is_reference(tensors):
        yield Reference((tensors[0], *map(_index, tensors[1:3])))
        return
    for tensor in _sorted_values(tensors) if isinstance(tensors, dict) else tensors:
        yield from read_references(tensor, depth + 1)


def is_called_in_training(calls: Any) -> bool:
    """Return True if `inbound_nodes` calls a layer with training=True, in any of the three forms."""
    if isinstance(calls, list):
        return any(map(is_called_in_training, calls))
    if isinstance(calls, dict):
        return calls.get("training") is True or is_called_in_training(calls.get("kwargs"))
    return False


def rank_uses(
    references: Iterable[Reference], use_counts: Mapping[str, int], first_uses: Mapping[str, int]
) -> dict[tuple[str, int], int]:
    """Renumber the uses of layers, so that the first use of each layer in this network is use 0.

    The numbers in a config may have gaps, because Keras counts uses outside this network too. They may
    also start at 1, because some versions count the building of a nested network as its first use.

    If a layer has as many uses as different numbers, the numbers are ranked. Otherwise they start at
    `first_uses`, or at the other of 0 and 1 if one of them would be out of range.

    Args:
        references: All references to be resolved.
        use_counts: Number of uses of each layer.
        first_uses: Probable number of the first use of each layer, 0 or 1. By default 0.

    Returns:
        {(layer, number in the config): number of the use, from 0}.
    """
    numbers: dict[str, set[int]] = {}
    for name, number, _ in references:
        numbers.setdefault(name, set()).add(number)
    ranks: dict[tuple[str, int], int] = {}
    for name, used in numbers.items():
        count, offset = use_counts.get(name, 0), first_uses.get(name, 0)
        if not all(0 <= number - offset < count for number in used):
            offset = 1 - offset
        for rank, number in enumerate(sorted(used)):
            ranks[name, number] = rank if len(used) == count else number - offset
    return ranks


def _split_calls(nodes: Sequence[Any]) -> Iterator[Any]:
    for node in nodes:
        # A single tensor is not wrapped in a list.
        yield [node] if isinstance(node, list) and node and isinstance(node[0], str) else node


def _operands(call: Any) -> Iterator[Any]:
    if isinstance(call, dict) and {"args", "kwargs"} >= set(call):  # Keras 3
        yield from _arguments(call.get("args", []))
        for key, value in (call.get("kwargs") or {}).items():
            if key not in IGNORED_ARGUMENTS or (key == "mask" and value is not None):
                yield from _arguments([value])
        return
    for tensor in _sorted_values(call) if isinstance(call, dict) else call:  # Keras 1 and 2
        yield _old_argument(tensor)
        for key, value in (tensor[3] if len(tensor) > 3 else {}).items():
            if key not in IGNORED_ARGUMENTS or (key == "mask" and _is_reference(value)):
                yield Reference((value[0], *map(_index, value[1:3]))) if _is_reference(value) else value


def _arguments(values: Any, depth: int = 0) -> Iterator[Any]:
    _check_depth(depth)
    for value in values:
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            name, use, output = value["config"]["keras_history"]
            yield Reference((name, _index(use), _index(output)))
        elif isinstance(value, dict) and "class_name" not in value:
            yield from _arguments(_sorted_values(value), depth + 1)
        elif is_list_of_numbers(value):
            yield value
        elif isinstance(value, list):
            inside = list(_arguments(value, depth + 1))
            has_tensors = any(isinstance(item, Reference) for item in inside)
            yield from inside if has_tensors else [value]
        else:
            yield value


def _sorted_values(values: dict[str, Any]) -> list[Any]:
    """Return a dict's values in the order of its keys, as Keras flattens it."""
    return [values[key] for key in sorted(values)]


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)


def _check_depth(depth: int) -> None:
    if depth > MAX_TENSOR_DEPTH:
        raise ValueError(f"its tensors are nested more than {MAX_TENSOR_DEPTH} lists deep")


def _index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"a tensor's numbers should be non-negative integers, got {reprlib.repr(value)}")
    return value
