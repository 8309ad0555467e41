"""Stages of a network: the layers that fine-tuning trains, their learning rates, and their epochs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

from ...graph import Graph
from ...models.layer import find_member
from ...models.model import Model

#: What trains: a stage of Xception, "norms", "head", "all", or the name of the first layer that trains.
Stage = Literal["head", "exit", "half", "all", "norms"] | str
#: A stage, or several, one after the other.
Train = Stage | Sequence[Stage]

#: The first layer of each stage. "exit" is the exit flow, two of 14 blocks; "half" is half of the network.
FIRST_LAYERS = {"exit": "block13_sepconv1", "half": "block8_sepconv1"}

#: The rate of a layer, for each layer with weights between it and the head.
RATE_PER_LAYER = 0.9
#: Smallest rate: a layer that hardly changes takes as much time as one that learns.
MIN_RATE = 0.1


def check_train(train: Train, epochs: int) -> Stage | tuple[Stage, ...]:
    """Return a stage, or several as a tuple.

    Args:
        train: A stage, or a sequence of them.
        epochs: The epochs that they share.

    Raises:
        TypeError: It is neither.
        ValueError: There is no stage, one comes twice, or there are more stages than epochs.
    """
    stages = [train] if isinstance(train, str) else train
    if not isinstance(stages, Sequence) or not all(isinstance(stage, str) and stage for stage in stages):
        raise TypeError(
            f"train must be a stage or the name of a layer, or a sequence of them, got {train!r:.80}"
        )
    if not stages:
        raise ValueError("train has no stage: give one, such as train='exit'")
    if len(set(stages)) < len(stages):
        raise ValueError(f"train={train!r:.200} has a stage twice")
    if 0 < epochs < len(stages):
        raise ValueError(
            f"{len(stages)} stages need at least as many epochs, got {epochs}: each trains for one or more"
        )
    return stages[0] if len(stages) == 1 else tuple(stages)


def divide_epochs(epochs: int, stages: int) -> list[int]:
    """Divide epochs equally among stages. Where some are left over, the last stages have one more.

    The last stages have more to learn.

    Args:
        epochs: The epochs of all stages.
        stages: The number of stages.

    Returns:
        The epochs of each stage.
    """
    return [(epochs + stage) // stages for stage in range(stages)]


def check_order(stages: Sequence[tuple[Stage, Collection[str]]]) -> None:
    """Check that each stage trains what the one before does, and more.

    Args:
        stages: The name of each stage, and the nodes that train.

    Raises:
        ValueError: A stage does not.
    """
    for (name, nodes), (following, more) in pairwise(stages):
        if not set(nodes) < set(more):
            raise ValueError(
                f"train: {following!r} must train what {name!r} does, and more; put stages in the order from "
                "the head down"
            )


def choose_stage(model: Model, train: Stage, head: str) -> dict[str, float]:
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
