"""Config of a model: its names, classes and shapes, also where the model is not supported."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from .report import BatchShape, Inspection, LayerRow


def describe_config(config: Mapping[str, Any], inspection: Inspection) -> None:
    """Add to an inspection the names, classes and input shapes in a config. Odd JSON leaves gaps."""
    with _ignore_odd_json():
        inspection.kind = as_text(config["class_name"])
        inspection.name = as_text(config["config"].get("name"))
    with _ignore_odd_json():
        inspection.layers = [LayerRow(layer_name(row), str(row["class_name"])) for row in list_layers(config)]
    with _ignore_odd_json():
        layers = list_layers(config)
        inputs = [layer for layer in layers if layer["class_name"] == "InputLayer"] or layers[:1]
        inspection.inputs = {layer_name(layer): _input_shape(layer, config["config"]) for layer in inputs}
    with _ignore_odd_json():
        outputs = config["config"].get("output_layers") if isinstance(config["config"], dict) else None
        inspection.outputs = dict.fromkeys(_reference_names(outputs) or [inspection.layers[-1].name])


def list_layers(config: Any) -> list[Any]:
    """Return the layers in the config of a network. Keras 1 wrote a bare list for some."""
    settings = config["config"]
    return list(settings["layers"] if isinstance(settings, dict) else settings)


def layer_name(layer: Any) -> str:
    """Return the name of a layer in a config."""
    return str(layer.get("name") or layer["config"].get("name"))


def optimizer_name(compiled: Any, key: str) -> str | None:
    """Return the class of the optimizer that is the value of `key`; None if there is none."""
    optimizer = compiled.get(key) if isinstance(compiled, dict) else None
    if isinstance(optimizer, dict):
        optimizer = optimizer.get("class_name")
    return None if optimizer is None else str(optimizer).rpartition(">")[2]  # without its package


def as_text(value: Any) -> str | None:
    """Return a JSON value as text; None stays None."""
    return None if value is None else str(value)


def _input_shape(layer: Any, network_settings: Any) -> BatchShape | None:
    for holder, key in (
        (layer["config"], "batch_shape"),
        (layer["config"], "batch_input_shape"),
        (network_settings, "build_input_shape"),
    ):
        if isinstance(holder, dict) and isinstance(holder.get(key), list):
            return tuple(holder[key])
    return None


def _reference_names(value: Any) -> list[str]:
    """Return the names in nested lists or dicts of [name, use, output]."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], str):
        return [value[0]]
    return [name for item in value for name in _reference_names(item)]


def _ignore_odd_json() -> contextlib.suppress:
    return contextlib.suppress(LookupError, TypeError, AttributeError, ValueError, RecursionError)
