"""Keras's order of layers, which weights files and `get_weights` follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Use = TypeVar("Use", bound=Hashable)
Owner = TypeVar("Owner", bound=Hashable)


def keras_order(
    sources: dict[Use, Sequence[Use]], outputs: Sequence[Use], layer_of: Mapping[Use, Owner]
) -> list[Owner]:
    """Return layers in the order of Keras's `model.layers`, each after the layers that it reads.

    Layers are sorted by depth, the longest path to an output, deepest first. Among layers of equal
    depth, the one comes first that a depth-first walk from the outputs reaches first. Layers that
    no output depends on come last, in order of creation.

    Args:
        sources: For each use of a layer, the uses that it reads; in topological order.
        outputs: The uses that give the outputs.
        layer_of: The layer of each use. A layer that is used several times appears once.

    Returns:
        The layers.
    """
    visited: dict[Use, None] = {}  # a dict keeps the order of the walk
    stack = list(reversed(outputs))
    while stack:
        use = stack.pop()
        if use not in visited:
            visited[use] = None
            stack.extend(reversed(sources[use]))
    rank: dict[Owner, int] = {}
    for use in visited:
        rank.setdefault(layer_of[use], len(rank))

    distance = dict.fromkeys(sources, 0)
    depth: dict[Owner, int] = {}
    for use in reversed(sources):
        layer = layer_of[use]
        depth[layer] = distance[use] = max(distance[use], depth.get(layer, 0))
        for source in sources[use]:
            distance[source] = max(distance[source], distance[use] + 1)
    return sorted(depth, key=lambda layer: (-depth[layer], rank.get(layer, -1)))
