"""Nodes of a graph, and the types of its parameters and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import GraphError
from ..kernels import Array
from ..layers import Layer, Parameter, Shape
from .limits import MAX_AXES

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
        output_shape: Shape of its output, without the batch axis. None is a size that is unknown until
            an input arrives.
        parameters: Shape and initializer of each parameter, by name, in Keras's order.
        owner: Name of the node under which its parameters are kept: its own, or that of the node whose
            parameters it shares.
        trainable: Whether training changes its trainable parameters. False for a frozen layer.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output_shape: Shape
    parameters: Mapping[str, Parameter] = field(repr=False)
    owner: str
    trainable: bool = True

    @property
    def kind(self) -> str:
        """Class name of the layer, as Keras writes it: "SeparableConv2D"."""
        return self.layer.kind

    @property
    def computes_frames(self) -> bool:
        """Whether the layer is `TimeDistributed`, which computes every frame of a sequence by itself."""
        return self.kind == "TimeDistributed"  # its class is imported only where there is one

    @property
    def frame_layer(self) -> Layer:
        """The layer that computes one frame, within any `TimeDistributed`; any other layer is itself."""
        if not self.computes_frames:
            return self.layer
        from ..layers import TimeDistributed

        layer = self.layer
        while isinstance(layer, TimeDistributed):
            layer = layer.layer
        return layer

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


def make_node(
    name: str, layer: Layer, inputs: Sequence[Node], owner: Node | None = None, trainable: bool = True
) -> Node:
    """Make a node, and compute its shapes from those of its inputs.

    Args:
        name: Name of the new node.
        layer: The layer and its settings.
        inputs: The nodes that it reads, in order.
        owner: The node whose parameters it shares, or None.
        trainable: Whether training changes its trainable parameters.

    Raises:
        GraphError: The layer does not take so many inputs, or inputs of these shapes; or its parameters
            differ from the owner's.
    """
    if not layer.accepts(len(inputs)):
        expected = "two or more inputs" if layer.arity is None else f"{layer.arity} input(s)"
        raise GraphError(f"{name} ({layer.kind}): takes {expected}, got {len(inputs)}")
    shapes = [node.output_shape for node in inputs]
    try:
        output_shape = layer.output_shape(*shapes)
        if len(output_shape) > MAX_AXES:
            raise ValueError(
                f"gives an array of {len(output_shape):,} axes beside that of the batch; supported are at "
                f"most {MAX_AXES}"
            )
        parameters = layer.parameters(*shapes)
    except ValueError as error:
        raise GraphError(f"{name} ({layer.kind}): {error}") from None
    if owner is not None and owner.parameters != parameters:
        raise GraphError(f"{name} ({layer.kind}): its input does not suit the parameters of {owner.name}")
    names = tuple(node.name for node in inputs)
    return Node(name, layer, names, output_shape, parameters, owner.name if owner else name, trainable)
