"""Refused layers of a config, all of them, where `read_network` stops at the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ModelFileError
from ..formats.keras.config_members import NETWORKS
from ..formats.keras.config_reader import read_network
from .configs import layer_name, list_layers

MAX_REASONS = 20  #: each costs several readings of the config

#: A layer, by its index in each of the networks around it.
Position = tuple[int, ...]


def list_refusals(config: dict[str, Any], keras: int) -> list[str]:
    """Return the reason for each layer that is refused.

    Layers are replaced by ones that do nothing; bisection finds those that cause a refusal.

    Args:
        config: The config of a model, as parsed JSON.
        keras: The major version of the Keras that wrote it: 1, 2 or 3.

    Returns:
        The reasons in the order of the layers; none if the model is refused for another reason.
    """

    def find_reason(kept: Sequence[Position]) -> str | None:
        try:
            read_network(_with_stand_ins(config, set(kept)), keras, "")
        except ModelFileError as error:
            # Without the long list of what is supported.
            return str(error).removeprefix(": ").partition("; supported: ")[0]
        return None

    reasons: list[str] = []
    try:
        stack = [list(_layer_positions(config))]
        if find_reason(stack[0]) is None or find_reason([]) is not None:
            return []
        while stack and len(reasons) < MAX_REASONS:
            positions = stack.pop()
            reason = find_reason(positions)
            if reason is not None and len(positions) == 1:
                reasons.append(reason)
            elif reason is not None:
                half = len(positions) // 2
                stack += [positions[half:], positions[:half]]
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return []  # not a config with layers
    return reasons


def _layer_positions(config: Any, outer: Position = ()) -> Iterator[Position]:
    """Yield the positions of all layers that are no networks."""
    for index, layer in enumerate(list_layers(config)):
        if layer["class_name"] in NETWORKS:
            yield from _layer_positions(layer, (*outer, index))
        else:
            yield *outer, index


def _with_stand_ins(config: dict[str, Any], kept: set[Position], outer: Position = ()) -> dict[str, Any]:
    """Return the config with all layers replaced, except those in `kept`."""
    layers = []
    for index, layer in enumerate(list_layers(config)):
        position = (*outer, index)
        if layer["class_name"] in NETWORKS:
            layers.append(_with_stand_ins(layer, kept, position))
        else:
            layers.append(layer if position in kept else _stand_in(layer))
    settings = config["config"]
    return config | {"config": settings | {"layers": layers} if isinstance(settings, dict) else layers}


def _stand_in(layer: dict[str, Any]) -> dict[str, Any]:
    """Return a layer of the same name and wiring that does nothing."""
    name = layer_name(layer)
    if layer["class_name"] == "InputLayer":
        plain = {"class_name": "InputLayer", "config": {"name": name, "batch_shape": [None, 1]}}
    else:
        shapes = {key: layer["config"].get(key) for key in ("batch_input_shape", "batch_shape")}
        plain = {"class_name": "Identity", "config": {"name": name} | shapes}
    return plain | {key: layer[key] for key in ("name", "inbound_nodes") if key in layer}
