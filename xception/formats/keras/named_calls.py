"""Calls of layers that take arguments by name: attention's query, value and key, and its causal mask.

`config_calls` reads the tensors of a call in their order; here they are first put in order.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...layers import Layer
from .config_calls import Reference, read_calls

#: Arguments that change nothing at inference: of two outputs, the first is the same with and without scores.
IRRELEVANT = ("training", "return_attention_scores", "name")


def read_named_calls(layer: Layer, described: Mapping[str, Any]) -> tuple[Layer, list[list[Reference]]]:
    """Return a layer with the settings of its calls, and the tensors that each call reads, in order.

    Args:
        layer: A layer with `call_settings`.
        described: The layer, as parsed JSON.

    Raises:
        ValueError: A call has a mask or another unsupported argument, or calls differ in their settings.
    """
    nodes, settings = [], []
    for node in described.get("inbound_nodes") or []:
        tensors, named = _arguments(node, bool(layer.call_operands))
        operands = dict(zip(layer.call_operands, tensors, strict=False))
        for name in layer.call_operands:
            if named.get(name) is not None:
                operands[name] = named.pop(name)
        if operands:
            tensors = [operands[name] for name in layer.call_operands if operands.get(name) is not None]
        settings.append({name: named.pop(name, None) or False for name in layer.call_settings})
        for name, value in named.items():
            _check_unused(name, value)
        nodes.append({"args": tensors, "kwargs": {}} if isinstance(node, dict) else tensors)
    calls = read_calls({"inbound_nodes": nodes})
    if any(not isinstance(operand, Reference) for call in calls for operand in call):
        raise ValueError("is called with a constant in place of a tensor, which is not supported")
    if any(each != settings[0] for each in settings):
        raise ValueError(f"is called several times, with different {' or '.join(layer.call_settings)}")
    return replace(layer, **settings[0]) if settings else layer, calls  # type: ignore[type-var]


def check_no_mask(described: Mapping[str, Any]) -> None:
    """Raise ValueError for a layer that is called with a mask.

    Args:
        described: The layer, as parsed JSON.
    """
    for node in described.get("inbound_nodes") or []:
        _check_unused("mask", _arguments(node, has_operands=False)[1].get("mask"))


def _arguments(node: Any, has_operands: bool) -> tuple[list[Any], dict[str, Any]]:
    """Return the tensors of a call, and its named arguments, as parsed JSON."""
    if isinstance(node, dict):  # Keras 3
        positional, named = list(node.get("args", [])), dict(node.get("kwargs") or {})
        if has_operands:
            return positional, named
        inputs = positional.pop(0) if positional else named.pop("inputs", [])
        for value in positional:
            _check_unused("a second argument", value)
        return inputs if isinstance(inputs, list) else [inputs], named
    tensors = [node] if isinstance(node[0], str) else list(node)  # Keras 1 and 2
    named = dict(tensors[0][3]) if len(tensors[0]) > 3 else {}
    return [list(tensor[:3]) for tensor in tensors], named


def _check_unused(name: str, value: Any) -> None:
    is_given = any(item is not None for item in value) if isinstance(value, Sequence) else bool(value)
    if is_given and name not in IRRELEVANT:
        raise ValueError(f"is called with {name} = {reprlib.repr(value)}, which is not supported")
