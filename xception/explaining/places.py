"""Which node's maps are looked at."""

from __future__ import annotations

from ..graph import Node
from ..layers import Input
from ..model import Model
from ..network import Network


def last_maps(model: Model) -> str:
    """The last node before the classifier whose activations are maps (h, w, c) of some size.

    Raises ValueError where there is none.
    """
    needed = model.graph.ancestors(model.graph.outputs)
    for node in reversed(model.graph.topological_order()):
        computes = not (node.layer.identity or isinstance(node.layer, Input))
        if node.name in needed and computes and _are_maps(node) and node.output_shape[:2] != (1, 1):
            return node.name
    raise ValueError(f"{model.name} has no maps (height, width, channels) between its input and its output")


def node_of(model: Model, layer: str) -> str:
    """The node of this name, or that gives the output of the layer of this name.

    Raises ValueError where there is none, or what it gives are no maps that lead to the output.
    """
    name = layer
    if name not in model.graph.nodes:
        found = model.get_layer(layer)
        name, inside = found.path, found.settings
        while isinstance(inside, Network):
            if len(inside.outputs) > 1:
                raise ValueError(f"{name} has several outputs: name one of its layers")
            inner, use, _ = inside.outputs[0]
            name = f"{name}/{inner}:{use}" if use else f"{name}/{inner}"
            inside = inside.members[inner].layer
    node = model.graph.nodes[name]
    if not _are_maps(node):
        raise ValueError(
            f"{name} gives {(None, *node.output_shape)}, "
            "where maps (None, height, width, channels) are expected"
        )
    if name not in model.graph.ancestors(model.graph.outputs) or not node.inputs:
        raise ValueError(f"{name} does not stand between the input of {model.name} and its output")
    return name


def _are_maps(node: Node) -> bool:
    return len(node.output_shape) == 3
