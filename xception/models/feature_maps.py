"""Features: what the layers of a network make of an image, as one row of numbers."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import GraphError
from ..graph import Graph
from ..kernels import Array

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
    """The last node before the classifier whose activations are maps (h, w, c) of some size.

    Raises GraphError where there is none.
    """
    needed = graph.ancestors(graph.outputs)
    for node in reversed(graph.topological_order()):
        computes = bool(node.inputs) and not node.layer.identity
        are_maps = len(node.output_shape) == 3 and node.output_shape[:2] != (1, 1)
        if node.name in needed and computes and are_maps:
            return node.name
    raise GraphError(f"{graph.name} has no maps (height, width, channels) between its input and its output")
