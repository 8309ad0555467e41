"""Layers inside other layers: checks, and the parameters of an inner layer under its prefix.

A layer that wraps others holds them in fields, which it lists in `wraps`. Their parameters are its own,
with a prefix for each inner layer: "forward_layer/kernel" is the kernel of `forward_layer`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar

from .base import Layer

Value = TypeVar("Value")  #: a specification or an array


def check_layer(layer: Layer, name: str, *classes: type[Layer]) -> None:
    """Check that a setting is a layer of one of these classes; by default, that takes one input."""
    value = getattr(layer, name)
    if isinstance(value, classes) if classes else isinstance(value, Layer) and value.accepts(1):
        return
    expected = " or ".join(each.__name__ for each in classes) or "a layer that takes one input"
    actual = value.kind if isinstance(value, Layer) else reprlib.repr(value)
    raise ValueError(f"{name} must be {expected}, got {actual}")


def add_prefix(prefix: str, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters of an inner layer by their names in the layer around it.

    Args:
        prefix: Name of the inner layer.
        parameters: Specifications or arrays, by the inner layer's names.

    Examples:
        >>> add_prefix("forward_layer", {"kernel": 1})
        {'forward_layer/kernel': 1}
    """
    return {f"{prefix}/{name}": value for name, value in parameters.items()}


def select_prefix(prefix: str, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters of an inner layer by its own names: the inverse of `add_prefix`.

    Args:
        prefix: Name of the inner layer.
        parameters: Specifications or arrays of the layer around it.
    """
    start = f"{prefix}/"
    return {name.removeprefix(start): value for name, value in parameters.items() if name.startswith(start)}


def wrapped_group(prefix: str, inner: Any, parameter: str) -> str:
    """Return the `variable_group` of an inner layer's parameter, from the layer around it.

    Args:
        prefix: Name of the inner layer.
        inner: The inner layer.
        parameter: Name of the parameter, with the prefix.
    """
    group = inner.variable_group(parameter.removeprefix(f"{prefix}/"))
    return f"{prefix}/{group}" if group else prefix
