"""Features: what the layers of a network make of an image, as one row of numbers."""

from __future__ import annotations

from collections.abc import Callable

from .graph import Graph, GraphError
from .kernels import Array

#: Maps (n, h, w, c) to (n, c), or all of them side by side.
POOLINGS: dict[str, Callable[[Array], Array]] = {
    "avg": lambda maps: maps.mean(axis=(1, 2)),
    "max": lambda maps: maps.max(axis=(1, 2)),
    "min": lambda maps: maps.min(axis=(1, 2)),
    "sum": lambda maps: maps.sum(axis=(1, 2)),
    "none": lambda maps: maps.reshape(len(maps), -1),
}


def pooled(activation: Array, pooling: str) -> Array:
    """One row for each image: (n, h, w, c) or (n, c) -> (n, …)."""
    if activation.ndim == 4:
        return POOLINGS[pooling](activation)
    return activation.reshape(len(activation), -1)


def last_maps(graph: Graph) -> str:
    """The last node that gives maps (h, w, c) of more than a pixel: what stands before the head."""
    maps = [
        node.name
        for node in graph.topological_order()
        if len(node.output_shape) == 3 and node.output_shape[:2] != (1, 1) and node.inputs
    ]
    if not maps:
        raise GraphError(f"{graph.name}: no layer of it gives maps")
    return maps[-1]
