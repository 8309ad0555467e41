"""Keras's order of layers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Use = TypeVar("Use", bound=Hashable)
Owner = TypeVar("Owner", bound=Hashable)


def keras_order(
    sources: dict[Use, Sequence[Use]], outputs: Sequence[Use], layer_of: Mapping[Use, Owner]
) -> list[Owner]:
    """Layers in the order of Keras's `model.layers`: every one behind those that it reads.

    sources: for each use of a layer the uses that it reads; readers behind what they read.
    The farther from the output (by the longest way), the earlier; among layers equally far, the
    one that is met first when the graph is walked from its outputs, inputs in turn. Weights files
    list their layers in this order, and `get_weights` its arrays.
    """
    met: dict[Use, None] = {}  # insertion order is the order of the walk
    waiting = list(reversed(outputs))
    while waiting:
        use = waiting.pop()
        if use not in met:
            met[use] = None
            waiting.extend(reversed(sources[use]))
    rank: dict[Owner, int] = {}
    for use in met:
        rank.setdefault(layer_of[use], len(rank))

    distance = dict.fromkeys(sources, 0)
    depth: dict[Owner, int] = {}
    for use in reversed(sources):
        layer = layer_of[use]
        depth[layer] = distance[use] = max(distance[use], depth.get(layer, 0))
        for source in sources[use]:
            distance[source] = max(distance[source], distance[use] + 1)
    # What leads to no output comes last, as it was made.
    return sorted(depth, key=lambda layer: (-depth[layer], rank.get(layer, -1)))
