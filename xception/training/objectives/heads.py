"""Outputs of a model in training: logits, where it ends in the softmax or sigmoid that the loss expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...explanation.scores import remove_final_activation
from ...graph import Graph
from ...kernels import Array, elementwise
from ...layers import Activation, Dense, Layer, Softmax

#: The activation that a model ends in; "other" is none of these.
FinalActivation = Literal["softmax", "sigmoid", "linear", "other"]


@dataclass(frozen=True)
class Head:
    """The end of a model, as its loss takes it.

    Attributes:
        graph: The model's graph, whose output is the logits where `activation` was removed.
        output: The name of its output node.
        units: The number c of outputs.
        activation: The activation that was removed; None if nothing was.
    """

    graph: Graph
    output: str
    units: int
    activation: Literal["softmax", "sigmoid"] | None = None

    def finish(self, outputs: Array) -> Array:
        """Return outputs (n, c) of `graph` as the model itself gives them."""
        if self.activation == "softmax":
            return elementwise.softmax(outputs)
        return elementwise.sigmoid(outputs) if self.activation == "sigmoid" else outputs


def build_head(graph: Graph, removed: Literal["softmax", "sigmoid"] | None = None) -> Head:
    """Build the head of a model.

    Args:
        graph: The graph of a model with one output (n, c).
        removed: The activation whose logits the loss takes. None leaves the model as it is.

    Returns:
        The head. Its activation is removed only if the model ends in this one.

    Raises:
        ValueError: The model has several outputs, or its output is no vector.
    """
    if len(graph.outputs) != 1:
        raise ValueError(
            f"{graph.name} has the outputs {', '.join(graph.outputs)}; only models with one output can be "
            "trained"
        )
    shape = graph.nodes[graph.outputs[0]].output_shape
    if len(shape) != 1 or shape[0] is None:
        raise ValueError(
            f"{graph.name} gives {(None, *shape)}, expected (None, classes); add a layer such as "
            "GlobalAveragePooling2D and a Dense layer"
        )
    if removed is None or final_activation(graph) != removed:
        return Head(graph, graph.outputs[0], shape[0])
    changed, _ = remove_final_activation(graph)
    return Head(changed.frozen(), graph.outputs[0], shape[0], removed)


def final_activation(graph: Graph) -> FinalActivation:
    """Return the activation that the first output of a graph comes out of.

    Args:
        graph: The graph.

    Returns:
        "linear" for a layer without activation, whose outputs are logits or other unbounded numbers;
        "other" where the outputs are something else, such as a sum or a product.
    """
    _, name = remove_final_activation(graph)
    if name is None:
        last = graph.nodes[graph.outputs[0]]
        while last.inputs and (last.layer.identity or last.layer == Activation("linear")):
            last = graph.nodes[last.inputs[0]]
        return "linear" if isinstance(last.layer, Dense) and last.layer.activation == "linear" else "other"
    readers = [node.name for node in graph.nodes.values() if name in node.inputs]
    if len(readers) > 1 or (readers and name in graph.outputs):
        return "other"  # another layer reads the probabilities
    return _activation_of(graph.nodes[name].layer)


def _activation_of(layer: Layer) -> FinalActivation:
    activation = layer if isinstance(layer, Softmax) else getattr(layer, "activation", None)
    if isinstance(activation, Softmax):
        return "softmax" if activation.axis in (-1, 1) else "other"
    return "softmax" if activation == "softmax" else "sigmoid"
