"""What of a model is written for another framework."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..graph import Network
from ..graph.frames import subgraph
from .inputs import image_inputs, scales_pixels
from .layer import as_layer_names

if TYPE_CHECKING:
    from ..formats import StoredModel
    from .model import Model


def exported_model(model: Model, layers: str | Iterable[str] | None = None) -> StoredModel:
    """Return a model as it is to be written, with the range of its pixels, which other programs cannot infer.

    Args:
        model: The model.
        layers: Names of layers whose activations are the outputs; None for the model's own.

    Raises:
        ValueError: There is no such layer.
    """
    from ..formats import StoredModel  # imports h5py

    preprocessing = model.preprocessing
    if preprocessing.scaling is None and image_inputs(model.graph):
        scaled = scales_pixels(model.graph, image_inputs(model.graph)[0])
        preprocessing = replace(preprocessing, scaling="none" if scaled else "tf")
    if layers is None:
        return StoredModel(
            model.graph, model.parameters, model.network, model.class_names, preprocessing, model.task
        )
    outputs = list(dict.fromkeys(model.output_node(name) for name in as_layer_names(layers)))
    needed = model.graph.ancestors(outputs)
    graph = subgraph(model.graph, needed)
    graph.set_inputs_and_outputs([name for name in model.graph.inputs if name in needed], outputs)
    parameters = {
        node.owner: model.parameters[model.graph.nodes[name].owner]
        for name, node in graph.nodes.items()
        if node.parameters
    }
    return StoredModel(graph, parameters, Network.from_graph(graph), None, preprocessing, model.task)
