"""What of a model is written for another framework."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..data.preprocessing import Scaling
from ..graph import Network
from ..graph.frames import subgraph
from .inputs import image_inputs, scales_pixels

if TYPE_CHECKING:
    from ..formats import StoredModel


def with_scaling(stored: StoredModel) -> StoredModel:
    """Return a model with the range of its pixels, which other programs cannot infer, in its record."""
    inputs = image_inputs(stored.graph)
    if stored.preprocessing.scaling is not None or not inputs:
        return stored
    scaling: Scaling = "none" if scales_pixels(stored.graph, inputs[0]) else "tf"
    return replace(stored, preprocessing=replace(stored.preprocessing, scaling=scaling))


def with_outputs(stored: StoredModel, outputs: list[str]) -> StoredModel:
    """Return the part of a model that computes some nodes, which become its outputs.

    Args:
        stored: The model.
        outputs: Names of nodes.
    """
    outputs = list(dict.fromkeys(outputs))
    needed = stored.graph.ancestors(outputs)
    graph = subgraph(stored.graph, needed)
    graph.set_inputs_and_outputs([name for name in stored.graph.inputs if name in needed], outputs)
    parameters = {
        node.owner: stored.parameters[stored.graph.nodes[name].owner]
        for name, node in graph.nodes.items()
        if node.parameters
    }
    network = Network.from_graph(graph)
    return replace(stored, graph=graph, parameters=parameters, network=network, class_names=None)
