"""Feature maps: the last ones before the classifier, and their pooling over space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from ..errors import GraphError
from ..graph import Graph
from ..kernels import Array
from ..layers import Shape

#: Pooling of maps (h, w, c) over space: to (c,), or to (h·w·c,) with "none".
Pooling = Literal["avg", "max", "min", "sum", "none"]

POOLINGS: dict[Pooling, Callable[[Array], Array]] = {  # (…, h, w, c) -> (…, c), or unchanged
    "avg": lambda maps: maps.mean(axis=(-3, -2)),
    "max": lambda maps: maps.max(axis=(-3, -2)),
    "min": lambda maps: maps.min(axis=(-3, -2)),
    "sum": lambda maps: maps.sum(axis=(-3, -2)),
    "none": lambda maps: maps,
}


def check_pooling(pooling: str) -> None:
    """Raise ValueError unless `pooling` is one of `POOLINGS`."""
    if pooling not in POOLINGS:
        raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")


def pool_maps(activation: Array, pooling: Pooling) -> Array:
    """Return an activation as one row of features per image.

    Args:
        activation: Maps (n, h, w, c), or (n, frames, h, w, c) of every frame, which are pooled and then
            flattened; or anything else (n, …), which is flattened.
        pooling: One of `POOLINGS`.

    Returns:
        (n, features).
    """
    if activation.ndim in (4, 5):
        activation = POOLINGS[pooling](activation)
    return activation.reshape(len(activation), -1)


def count_features(shape: Shape, pooling: Pooling) -> int:
    """Return the length of the rows that `pool_maps` makes.

    Args:
        shape: Shape of the activation, without the batch axis; every size known.
        pooling: One of `POOLINGS`.
    """
    sizes = [int(size) for size in shape if size is not None]
    if len(sizes) in (3, 4) and pooling != "none":
        del sizes[-3:-1]
    return math.prod(sizes)


def last_maps(graph: Graph) -> str:
    """Return the name of the last node before the classifier that gives maps larger than 1×1.

    Raises:
        GraphError: There is no such node.
    """
    needed = graph.ancestors(graph.outputs)
    for node in reversed(graph.topological_order()):
        computes = bool(node.inputs) and not node.layer.identity
        axes, sizes = len(node.output_shape), node.output_shape[-3:-1]
        gives_maps = axes == (4 if node.computes_frames else 3) and sizes != (1, 1)
        if node.name in needed and computes and gives_maps:
            return node.name
    raise GraphError(f"{graph.name} has no maps (height, width, channels) between its input and its output")
