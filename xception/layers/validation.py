"""Checks of layer settings.

Settings may come from an untrusted file, where a value can be anything that JSON holds. A check
accepts a value and stores it in one form, so that equal settings compare equal, or it raises a
ValueError that names the setting, what was expected, and what came.

The `check_…` functions check settings of a layer by name and are called from `__post_init__`. The
`as_…` functions check a single value and return it as a Python object.
"""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Layer

NestedFloats = float | tuple["NestedFloats", ...]  #: a number, or a nested tuple of the shape of an array

#: Bounds the magnitude of every size, count and axis. JSON integers have no limit (10**400 is valid),
#: and products of larger ones overflow NumPy's 64-bit sizes.
MAX_INT = 2**31 - 1

#: Bounds the depth of nested lists. A file can nest lists deeper than Python can recurse; arrays in
#: settings have few axes.
MAX_NESTING_DEPTH = 8


# --- checks of a layer's settings -----------------------------------------------------------


def check_int(layer: Layer, *names: str, minimum: int = 1) -> None:
    """Check that these settings are integers of at least `minimum`."""
    for name in names:
        store_setting(layer, name, as_int(name, getattr(layer, name), minimum))


def check_single(layer: Layer, name: str, minimum: int = 1, optional: bool = False) -> None:
    """Check that a setting is an integer, which Keras writes as a list of one, or None if `optional`."""
    value = _as_python(getattr(layer, name))
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is not None or not optional:
        store_setting(layer, name, as_int(name, value, minimum))


def check_pair(layer: Layer, *names: str, minimum: int = 1) -> None:
    """Check that these settings are one or two integers; store them as (vertical, horizontal)."""
    for name in names:
        value = _as_python(getattr(layer, name))
        both = value if isinstance(value, list | tuple) else (value, value)
        try:
            vertical, horizontal = (as_int(name, size, minimum) for size in both)
        except ValueError:
            expected = f"{_describe_int(minimum)} or a pair of them"
            raise ValueError(f"{name} must be {expected}, got {reprlib.repr(value)}") from None
        store_setting(layer, name, (vertical, horizontal))


def check_border(layer: Layer, name: str) -> None:
    """Check that a setting is the width of a border; store it as ((top, bottom), (left, right)).

    Keras accepts one integer for all sides, a pair (vertical, horizontal), or two pairs.
    """
    value = _as_python(getattr(layer, name))
    both = value if isinstance(value, list | tuple) else (value, value)
    sides = [side if isinstance(side, list | tuple) else (side, side) for side in both]
    try:
        (top, bottom), (left, right) = ([as_int(name, size, minimum=0) for size in side] for side in sides)
    except ValueError:
        expected = "a non-negative integer, a pair of them, or ((top, bottom), (left, right))"
        raise ValueError(f"{name} must be {expected}, got {reprlib.repr(value)}") from None
    store_setting(layer, name, ((top, bottom), (left, right)))


def check_number(
    layer: object,
    *names: str,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    optional: bool = False,
) -> None:
    """Check that these settings are finite numbers from `minimum` to `maximum`, or None if `optional`."""
    for name in names:
        value = getattr(layer, name)
        if value is not None or not optional:
            store_setting(layer, name, as_float(name, value, minimum, maximum))


def check_numbers(layer: Layer, *names: str) -> None:
    """Check that these settings are numbers or evenly nested lists of numbers; store lists as tuples."""
    for name in names:
        store_setting(layer, name, as_nested_floats(name, getattr(layer, name)))


def check_choice(layer: Layer, name: str, options: Sequence[str]) -> None:
    """Check that a setting is one of a few strings."""
    value = getattr(layer, name)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be {' or '.join(map(repr, options))}, got {reprlib.repr(value)}")


def check_bool(layer: Layer, *names: str) -> None:
    """Check that these settings are True or False."""
    for name in names:
        store_setting(layer, name, as_bool(name, getattr(layer, name)))


def check_axes(layer: object, name: str = "axis", optional: bool = False) -> None:
    """Check that a setting is one axis or several, or None if `optional`."""
    value = _as_python(getattr(layer, name))
    if value is None and optional:
        return
    axes = as_ints(name, value, minimum=-MAX_INT)
    if not axes and not optional:
        raise ValueError(f"{name} must name at least one axis, got {reprlib.repr(value)}")
    store_setting(layer, name, axes if isinstance(value, list | tuple) else axes[0])


def check_last_axis(layer: Any) -> None:
    """Check that `axis` is a single axis, which Keras 2 writes as a list.

    Whether it is the last one depends on the input's shape: see `shapes.check_channel_axis`.
    """
    check_axes(layer)
    if isinstance(layer.axis, tuple):
        if len(layer.axis) != 1:
            raise ValueError(f"axis must be a single axis, the channels, got {reprlib.repr(layer.axis)}")
        store_setting(layer, "axis", layer.axis[0])


def check_channels_last(layer: Any) -> None:
    """Check that `data_format` is "channels_last", the only supported one. None stands for it."""
    if layer.data_format == "channels_first":
        raise ValueError("data_format 'channels_first' is not supported: maps are (height, width, channels)")
    if layer.data_format is not None:
        check_choice(layer, "data_format", ("channels_last",))
    store_setting(layer, "data_format", "channels_last")


def store_setting(layer: object, name: str, value: object) -> None:
    """Set a field of a layer during `__post_init__`, although its dataclass is frozen."""
    object.__setattr__(layer, name, value)


# --- checks of a single value ---------------------------------------------------------------


def as_int(name: str, value: Any, minimum: int = 1) -> int:
    """Return `value` as a Python int. NumPy's integers are accepted, booleans are not.

    Args:
        name: What the value is, for the error message.
        value: Any object.
        minimum: Smallest value accepted. The largest is `MAX_INT`.

    Raises:
        ValueError: The value is not an integer, or is out of range.
    """
    value = _as_python(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be {_describe_int(minimum)}, got {reprlib.repr(value)}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {reprlib.repr(value)}")
    if value > MAX_INT:
        raise ValueError(f"{name} must be at most {MAX_INT}, got {reprlib.repr(value)}")
    return value


def as_ints(name: str, value: Any, minimum: int = 1) -> tuple[int, ...]:
    """Return an integer, or a list of integers, as a tuple. Each is checked as by `as_int`."""
    value = _as_python(value)
    items = value if isinstance(value, list | tuple) else [value]
    if set(map(type, items)) == {int} and minimum <= min(items) and max(items) <= MAX_INT:
        return tuple(items)  # at once: a file may list millions
    return tuple(as_int(name, item, minimum) for item in items)


def as_float(name: str, value: Any, minimum: float = -math.inf, maximum: float = math.inf) -> float:
    """Return `value` as a Python float. NumPy's numbers are accepted, booleans are not.

    Args:
        name: What the value is, for the error message.
        value: Any object.
        minimum: Smallest value accepted.
        maximum: Largest value accepted.

    Raises:
        ValueError: The value is not a finite number, or is out of range.
    """
    value = _as_python(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {reprlib.repr(value)}")
    if not abs(value) <= sys.float_info.max:  # infinity, NaN, or an integer that no float can hold
        raise ValueError(f"{name} must be a finite number, got {reprlib.repr(value)}")
    if not minimum <= value <= maximum:
        expected = f"at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} must be {expected}, got {reprlib.repr(value)}")
    return float(value)


def as_bool(name: str, value: Any) -> bool:
    """Return `value` as a Python bool. NumPy's booleans are accepted, numbers are not.

    Args:
        name: What the value is, for the error message.
        value: Any object.

    Raises:
        ValueError: The value is not a boolean.
    """
    value = _as_python(value)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {reprlib.repr(value)}")
    return value


def as_nested_floats(name: str, value: Any, max_depth: int = MAX_NESTING_DEPTH) -> NestedFloats:
    """Return a number as a float, or evenly nested lists of numbers as nested tuples of floats.

    Args:
        name: What the value is, for the error message.
        value: Any object.
        max_depth: Depth to which lists may be nested.

    Raises:
        ValueError: The lists are empty, nested unevenly or too deeply, or hold anything but finite numbers.
    """
    value = _as_python(value)
    if not isinstance(value, list | tuple):
        return as_float(name, value)
    if not value or not max_depth:
        raise ValueError(
            f"{name} must be a number or a list of numbers, nested at most {MAX_NESTING_DEPTH} deep, "
            f"got {reprlib.repr(value)}"
        )
    if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
        return tuple(value)  # at once: a file may list millions
    items = tuple(as_nested_floats(name, item, max_depth - 1) for item in value)
    if len({np.shape(item) if isinstance(item, tuple) else () for item in items}) > 1:
        raise ValueError(f"{name} must be nested evenly, got {reprlib.repr(value)}")
    return items


def as_noise_shape(value: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a mask of dropout: None, or a tuple of positive integers and None.

    Args:
        value: Any object.

    Raises:
        ValueError: It is neither None nor a list or tuple of positive integers and None.
    """
    value = _as_python(value)
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise ValueError(f"noise_shape must be a list of integers and None, got {reprlib.repr(value)}")
    return tuple(None if size is None else as_int("noise_shape", size) for size in value)


def _as_python(value: Any) -> Any:
    """Return NumPy's scalars and arrays as Python's numbers and lists, and other objects unchanged."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _describe_int(minimum: int) -> str:
    """Return a noun phrase for an integer of at least `minimum`, with its article."""
    if minimum == 1:
        return "a positive integer"
    if minimum == 0:
        return "a non-negative integer"
    return "an integer" if minimum == -MAX_INT else f"an integer of at least {minimum}"
