"""Which node's maps are looked at."""

from __future__ import annotations

from ..models.model import Model


def node_of(model: Model, layer: str) -> str:
    """The node of this name, or that gives the output of the layer of this name.

    Raises ValueError where there is none, or what it gives are no maps that lead to the output.
    """
    name = layer if layer in model.graph.nodes else model.output_node(layer)
    node = model.graph.nodes[name]
    if len(node.output_shape) != 3:
        raise ValueError(
            f"{name} gives {(None, *node.output_shape)}, "
            "where maps (None, height, width, channels) are expected"
        )
    if name not in model.graph.ancestors(model.graph.outputs) or not node.inputs:
        raise ValueError(f"{name} does not stand between the input of {model.name} and its output")
    return name
