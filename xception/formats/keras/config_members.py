"""Members of a Keras config: their names and shapes, and why one is refused."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...graph import Network
from ...graph.limits import MAX_AXES
from ...layers import Layer, Shape
from ...layers.validation import as_int
from ..limits import MAX_NAME_CHARACTERS
from .config_calls import Reference
from .layer_settings import check_dtype

NETWORKS = ("Functional", "Model", "Sequential")  #: the classes of models that are read

#: What reading a malformed config raises: it can be any JSON.
CONFIG_ERRORS = (LookupError, TypeError, AttributeError, ValueError, OverflowError)


class ConfigError(Exception):
    """The reason why a layer is refused. Each network around it prepends its name."""


@dataclass
class ReadLayer:
    """A layer of a functional model, and the tensors that each of its uses reads."""

    layer: Layer | Network
    uses: list[list[Reference]]
    trainable: bool = True


def layer_error(name: str, described: Mapping[str, Any], reason: str) -> ConfigError:
    return ConfigError(f"{name} ({described.get('class_name')}): {reason}")


def read_input_shape(config: Mapping[str, Any]) -> Shape:
    check_dtype(config.get("dtype"))
    if config.get("sparse") or config.get("ragged"):
        raise ValueError("takes sparse or ragged tensors; only dense arrays are supported")
    if str(config.get("dtype")) in ("string", "complex64", "complex128"):
        raise ValueError(f"takes {config['dtype']}; supported are real numbers")
    for key in ("batch_shape", "batch_input_shape"):
        if config.get(key):
            return read_shape(config[key])
    raise ValueError("has no shape")


def read_shape(shape: Any) -> Shape:
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


def read_name(described: Mapping[str, Any]) -> str:
    return check_name(described.get("name") or described["config"].get("name"))


def check_name(name: Any) -> str:
    if not isinstance(name, str) or not name or len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(
            f"a layer's name should be printable text of at most {MAX_NAME_CHARACTERS} characters, got "
            f"{reprlib.repr(name)}"
        )
    return name


def is_trainable(described: Mapping[str, Any]) -> bool:
    config = described["config"]
    if not isinstance(config, dict):
        return True
    if described["class_name"] == "TimeDistributed" and config["layer"]["class_name"] not in NETWORKS:
        return config.get("trainable", True) is not False and is_trainable(config["layer"])
    return config.get("trainable", True) is not False  # a frozen network's layers say so themselves
