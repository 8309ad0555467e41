"""Every layer of a description that is refused, where `read_network` stops at the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ModelFileError
from ..formats.keras.config_reader import NETWORKS, read_network

MOST = 20  #: reasons that are looked for

Place = tuple[int, ...]  #: of a layer: its number, in each of the networks around it


def refusals(described: dict[str, Any], keras: int) -> list[str]:
    """Why each layer that is not known here is refused; none if that is not what is wrong.

    Layers are replaced by ones that do nothing, all but some, as often as it takes to tell which
    are to blame.
    """

    def reason(kept: Sequence[Place]) -> str | None:
        try:
            read_network(_with_stand_ins(described, set(kept)), keras, "")
        except ModelFileError as error:
            # What is supported, instead, is a long list.
            return str(error).removeprefix(": ").partition("; supported: ")[0]
        return None

    found: list[str] = []
    try:
        waiting = [list(_places(described))]
        if reason(waiting[0]) is None or reason([]) is not None:
            return []
        while waiting and len(found) < MOST:
            places = waiting.pop()
            because = reason(places)
            if because is not None and len(places) == 1:
                found.append(because)
            elif because is not None:
                half = len(places) // 2
                waiting += [places[half:], places[:half]]
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return []  # it is no description of layers
    return found


def listed(described: Any) -> list[Any]:
    """The layers in a network's description; the first Kerases wrote a bare list for some."""
    inside = described["config"]
    return list(inside["layers"] if isinstance(inside, dict) else inside)


def name_of(layer: Any) -> str:
    return str(layer.get("name") or layer["config"].get("name"))


def _places(described: Any, around: Place = ()) -> Iterator[Place]:
    """Where layers are that are no networks."""
    for number, layer in enumerate(listed(described)):
        if layer["class_name"] in NETWORKS:
            yield from _places(layer, (*around, number))
        else:
            yield *around, number


def _with_stand_ins(described: dict[str, Any], kept: set[Place], around: Place = ()) -> dict[str, Any]:
    """The same network with layers that do nothing, but for those that are kept."""
    layers = []
    for number, layer in enumerate(listed(described)):
        place = (*around, number)
        if layer["class_name"] in NETWORKS:
            layers.append(_with_stand_ins(layer, kept, place))
        else:
            layers.append(layer if place in kept else _stand_in(layer))
    inside = described["config"]
    return described | {"config": inside | {"layers": layers} if isinstance(inside, dict) else layers}


def _stand_in(layer: dict[str, Any]) -> dict[str, Any]:
    if layer["class_name"] == "InputLayer":
        plain = {"class_name": "InputLayer", "config": {"name": name_of(layer), "batch_shape": [None, 1]}}
    else:
        shapes = {key: layer["config"].get(key) for key in ("batch_input_shape", "batch_shape")}
        plain = {"class_name": "Identity", "config": {"name": name_of(layer)} | shapes}
    return plain | {key: layer[key] for key in ("name", "inbound_nodes") if key in layer}
