"""Stages of a network: the layers that fine-tuning trains, and their learning rates."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ...graph import Graph
from ...models.layer import find_member
from ...models.model import Model

#: What trains: a stage of Xception, "norms", "head", "all", or the name of the first layer that trains.
Train = Literal["head", "exit", "half", "all", "norms"] | str

#: The first layer of each stage. "exit" is the exit flow, two of 14 blocks; "half" is half of the network.
FIRST_LAYERS = {"exit": "block13_sepconv1", "half": "block8_sepconv1"}

#: The rate of a layer, for each layer with weights between it and the head.
RATE_PER_LAYER = 0.9
#: Smallest rate: a layer that hardly changes takes as much time as one that learns.
MIN_RATE = 0.1


def choose_stage(model: Model, train: Train, head: str) -> dict[str, float]:
    """Return the nodes that train, and the factor of the learning rate of each.

    Args:
        model: The model.
        train: "head" for the last layer alone; "exit" for Xception's exit flow (from block 13); "half" for
            blocks 8 to 14; "all"; "norms" for scales and offsets of normalization layers, and the head; or
            the name of a layer: all layers train but those that its input depends on.
        head: The node of the last layer.

    Returns:
        {node: factor}, 1 for the head, and less for layers that lie deeper.

    Raises:
        ValueError: The model has no such stage or layer.
    """
    graph = model.graph
    owners = [node for node in graph.nodes.values() if node.owner == node.name and node.count_params()]
    if train == "head":
        names = {head}
    elif train == "all":
        names = {node.name for node in owners}
    elif train == "norms":
        names = {node.name for node in owners if node.kind.endswith("Normalization")}
        if not any(
            parameter.trainable for name in names for parameter in graph.nodes[name].parameters.values()
        ):
            raise ValueError(f"{model.name} has no normalization layer with parameters to train")
    else:
        before = _ancestors_of_inputs(model, train)
        names = {node.name for node in owners if node.name not in before}
    names.add(head)
    depths = _depths(graph, head)
    return {
        node.name: max(MIN_RATE, RATE_PER_LAYER ** depths.get(node.name, 0))
        for node in owners
        if node.name in names
    }


def set_trainable(model: Model, nodes: Collection[str]) -> None:
    """Make some nodes of a model trainable, and freeze all others.

    Args:
        model: The model, whose flags are changed.
        nodes: Names of nodes with parameters.
    """
    for path, _ in model.network.leaves():
        layer = model.get_layer(path)
        if layer.trainable != (path in nodes):
            layer.trainable = path in nodes


def _ancestors_of_inputs(model: Model, train: str) -> set[str]:
    """Return the nodes that the inputs of a stage's first layer depend on."""
    name = FIRST_LAYERS.get(train, train)
    try:
        path, _ = find_member(model.network, name)
    except ValueError as error:
        if train in FIRST_LAYERS:
            raise ValueError(
                f"train={train!r} means from {name} on, which {model.name} does not have: give the name of "
                'the first layer that trains, or "head", "norms" or "all"'
            ) from None
        raise ValueError(f'{error}; train takes "head", "exit", "half", "norms", "all" or a layer') from None
    graph = model.graph
    # The nodes of the layer, or of a network that is used as one.
    inside = {node for node in graph.nodes if node == path or node.startswith(f"{path}/")}
    sources = {source for node in inside for source in graph.nodes[node].inputs} - inside
    return graph.ancestors(sources) if sources else set()


def _depths(graph: Graph, head: str) -> dict[str, int]:
    """Return how many layers with weights lie between each owner of parameters and the head, counting it.

    A normalization counts with the layer before it. Of several paths, the longest counts.
    """
    depths = {head: 0}
    for node in reversed(graph.topological_order()):
        depth = depths.get(node.name)
        if depth is None:
            continue  # behind the head, or not needed
        arrays = node.parameters.values()
        step = int(any(len(parameter.shape) > 1 for parameter in arrays))
        for source in node.inputs:
            depths[source] = max(depths.get(source, 0), depth + step)
        if node.owner != node.name:
            depths[node.owner] = max(depths.get(node.owner, 0), depth)
    return depths
