"""Settings of random layers: Keras's checks, and the forms in which Keras writes them."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ...layers.validation import as_float

#: Bounds numbers of a file, so that products of them are finite.
MAX_FACTOR, MAX_PIXEL = 1e6, 1e30

Interval = tuple[float, float]  #: (lower, upper)
T = TypeVar("T")


def read_settings(rule: type[T], config: Mapping[str, Any]) -> T:
    """Make a rule of the settings that Keras wrote.

    Args:
        rule: A dataclass whose fields bear the names of Keras's settings.
        config: The settings, as parsed JSON. Those that are no fields do not change what is computed.

    Raises:
        ValueError: A setting is missing, or has a value that Keras refuses.
    """
    if config.get("data_format") not in (None, "channels_last"):
        raise ValueError("data_format must be 'channels_last'")
    names = [field.name for field in fields(rule)]  # type: ignore[arg-type]
    try:
        return rule(**{name: config[name] for name in names if name in config})
    except TypeError:
        raise ValueError(f"its settings lack one of {', '.join(names)}") from None


def store(rule: object, **values: object) -> None:
    """Set fields of a rule during `__post_init__`, although its dataclass is frozen."""
    for name, value in values.items():
        object.__setattr__(rule, name, value)


def as_interval(name: str, value: Any, minimum: float = -1.0, maximum: float = 1.0) -> Interval:
    """Return the interval that a factor f is drawn from: −f … f, as far as the minimum allows.

    Keras 3.15, `BaseImagePreprocessingLayer._set_factor`: where the minimum is 0, the interval is 0 … f.

    Args:
        name: The setting's name, for the message.
        value: A number, or a pair. As in Keras, a pair need only overlap the allowed interval.
        minimum: Smallest value that the factor may have.
        maximum: Largest value.
    """
    if value is None:
        value = 0.0
    if isinstance(value, list | tuple):
        lower, upper = as_pair(name, value, -MAX_FACTOR, MAX_FACTOR)
        if lower > maximum or upper < minimum:
            raise ValueError(f"{name} must overlap {minimum}…{maximum}, got {reprlib.repr(value)}")
        return lower, upper
    size = abs(as_float(name, value, minimum, maximum))
    return max(-size, minimum), size


def as_pair(name: str, value: Any, minimum: float, maximum: float) -> Interval:
    """Return two numbers in ascending order.

    Args:
        name: The setting's name, for the message.
        value: A list or tuple of two numbers.
        minimum: Smallest value of each.
        maximum: Largest value of each.
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{name} must be a pair of numbers, got {reprlib.repr(value)}")
    first, second = (as_float(name, number, minimum, maximum) for number in value)
    return min(first, second), max(first, second)


def as_value_range(value: Any) -> Interval:
    """Return the setting `value_range`, the range of the pixels: (smallest, largest).

    Args:
        value: A list or tuple of two numbers.
    """
    low, high = as_pair("value_range", value, -MAX_PIXEL, MAX_PIXEL)
    if low == high:
        raise ValueError(f"value_range must be two different numbers, got {reprlib.repr(value)}")
    return low, high


def as_choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """Return one of a few strings.

    Args:
        name: The setting's name, for the message.
        value: Any object.
        options: The strings.
    """
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be {' or '.join(map(repr, options))}, got {reprlib.repr(value)}")
    return value
