"""Parts of a graph that compute frames of a sequence, and parts that compute whole examples.

A node whose layer is `TimeDistributed` computes every frame by itself. Connected nodes of this kind are an
ordinary graph for a single frame, which can run with the frames of all examples as its batch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..layers import Input, Layer, TimeDistributed
from .graph import Graph
from .limits import MAX_PARTS
from .node import Node


@dataclass(frozen=True)
class Part:
    """A part of a graph.

    Attributes:
        graph: The part, whose nodes have their names in the whole graph. Its inputs are inputs of the
            whole graph, or nodes of other parts. If it computes frames, its shapes are those of a frame.
        computes_frames: Whether it computes frames.
    """

    graph: Graph
    computes_frames: bool


def divide(graph: Graph) -> list[Part]:
    """Divide a graph into parts for frames, where there are maps, and parts for whole examples.

    Layers that read vectors are as quick for the frames of one example together, so they are in a part for
    frames only if they are connected to maps.

    Args:
        graph: The graph.

    Returns:
        The parts in an order in which they can be computed.
    """
    framed = {node.name for node in graph.nodes.values() if node.computes_frames}
    with_maps: set[str] = set()
    for names in _connected(graph, framed):
        if any(name in framed and _gives_maps(graph.nodes[name]) for name in names):
            with_maps.update(names)
    if not all(node.output_shape for node in graph.nodes.values()):
        with_maps.clear()  # one part: a single number for each example cannot be an input of another
    groups = _computed(graph, with_maps)
    if len(groups) > MAX_PARTS:
        with_maps.clear()
        groups = _computed(graph, with_maps)
    return [
        Part(subgraph(graph, names, with_maps.issuperset(names)), with_maps.issuperset(names))
        for names in groups
    ]


def subgraph(graph: Graph, names: Collection[str], of_frame: bool = False) -> Graph:
    """Return a part of a graph as a graph of its own.

    Args:
        graph: The graph.
        names: The nodes of the part. Others that they read become inputs.
        of_frame: Whether to return the graph for a single frame: all nodes of the part are
            `TimeDistributed`, and are replaced by the layers within.
    """
    part, names = Graph(graph.name), set(names)
    for node in graph.nodes.values():
        if node.name not in names:
            continue
        for source in node.inputs:
            if source not in part.nodes:
                shape = graph.nodes[source].output_shape
                part.add(Input(shape[1:] if of_frame else shape), name=source)
        layer = _layer_within(node) if of_frame else node.layer
        shares = node.owner if node.owner != node.name and node.owner in names else None
        part.add(layer, *node.inputs, name=node.name, shares=shares, trainable=node.trainable)
    return part


def _layer_within(node: Node) -> Layer:
    assert isinstance(node.layer, TimeDistributed)
    return node.layer.layer


def _gives_maps(node: Node) -> bool:
    """Return True if a node gives maps (h, w, c) for each frame."""
    layer, axes = node.layer, len(node.output_shape)
    while isinstance(layer, TimeDistributed):
        layer, axes = layer.layer, axes - 1
    return axes == 3


def _computed(graph: Graph, framed: Collection[str]) -> list[list[str]]:
    """Return the connected nodes of one kind, as `_connected`, without inputs on their own."""
    groups = _connected(graph, framed)
    return [names for names in groups if any(graph.nodes[name].inputs for name in names)]


def _connected(graph: Graph, framed: Collection[str]) -> list[list[str]]:
    """Return the connected nodes of one kind, in or out of `framed`, in an order in which they can run.

    Nodes of one kind that are connected only by way of the other kind are apart.
    """
    levels: dict[str, int] = {}  # changes of kind on the way from an input: odd for nodes in `framed`
    group_of: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        kind = int(node.name in framed)
        level = max((levels[name] + (levels[name] % 2 != kind) for name in node.inputs), default=0)
        levels[node.name] = level
        group = group_of[node.name] = [node.name]
        for source in node.inputs:
            other = group_of[source]
            if levels[source] == level and other is not group:
                small, group = sorted((group, other), key=len)
                group += small
                group_of.update(dict.fromkeys(small, group))
    groups = {id(group): group for group in group_of.values()}
    return sorted(groups.values(), key=lambda group: levels[group[0]])
