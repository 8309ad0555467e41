"""Nodes of a graph, and the types of its parameters and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..kernels import Array
from ..layers import Layer, Parameter, Shape

#: {node name: {parameter name: array}}.
GraphParameters = Mapping[str, Mapping[str, Array]]

#: The input of a graph: an array, or an array for each of several inputs, by name.
Inputs = Array | Mapping[str, Array]


@dataclass(frozen=True)
class Node:
    """A layer in a graph, with its inputs and shapes.

    Attributes:
        name: Unique in the graph.
        layer: The layer and its settings.
        inputs: Names of the nodes that it reads, in order.
        output_shape: Shape of its output, without the batch axis; None for a size that is open.
        parameters: Shape and initializer of each parameter, by name, in Keras's order.
        weights: Name of the node under which its parameters are kept: its own, or that of the node
            whose parameters it shares.
        trainable: Whether training changes its trainable parameters. False for a frozen layer.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output_shape: Shape
    parameters: Mapping[str, Parameter] = field(repr=False)
    weights: str
    trainable: bool = True

    @property
    def kind(self) -> str:
        """Class name of the layer, as Keras writes it: "SeparableConv2D"."""
        return self.layer.kind

    def count_params(self, trainable: bool | None = None) -> int:
        """Return the number of elements of the node's parameters.

        Args:
            trainable: True counts only trainable parameters, False only the others, None all.
        """
        return sum(
            parameter.size
            for parameter in self.parameters.values()
            if trainable is None or (parameter.trainable and self.trainable) == trainable
        )
