"""Objects of training that are given by name, by configuration, or as they are, as in Keras."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar


class Configurable(Protocol):
    """An object that can be built from what its `get_config` returned."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self: ...


T = TypeVar("T", bound=Configurable)


def get_named(identifier: object, kind: type[Any], classes: Mapping[str, type[T]], what: str) -> T:
    """Return an object of a kind, such as a loss, from what a user gave.

    Args:
        identifier: An object of the kind, one of its classes, a name, or Keras's
            `{"class_name": name, "config": {…}}`.
        kind: The base class.
        classes: The classes by each of their names.
        what: What it is, for messages, such as "loss".

    Raises:
        TypeError: `identifier` is something else.
        ValueError: No class has this name, or the configuration does not fit it.
    """
    if isinstance(identifier, kind):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, kind):
        concrete: type[T] = identifier
        return concrete.from_config({})
    if isinstance(identifier, Mapping) and isinstance(identifier.get("class_name"), str):
        config = identifier.get("config", {})
        if not isinstance(config, Mapping):
            raise ValueError(f"the config of the {what} must be a dict, got {type(config).__name__}")
        return find_class(identifier["class_name"], classes, what).from_config(config)
    if isinstance(identifier, str):
        return find_class(identifier, classes, what).from_config({})
    raise TypeError(
        f"{what}: expected a name, such as {next(iter(classes))!r}, or an object of xception.training; "
        f"got {type(identifier).__name__}"
    )


def find_class(name: str, classes: Mapping[str, type[T]], what: str) -> type[T]:
    """Return the class of a name.

    Raises:
        ValueError: No class has this name. The message lists those that exist.
    """
    if name in classes:
        return classes[name]
    near = difflib.get_close_matches(name, classes, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no {what} is called {name[:100]!r}; expected {', '.join(classes)}{hint}")
