"""A network as named nodes: what stands where, what feeds it, what shape comes out.

A graph knows wiring and shapes; it holds no numbers. Parameters are handed to it:
`{node name: {parameter name: array}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from .kernels import Array
from .layers import Input, Layer, Parameter, Shape

GraphParameters = Mapping[str, Mapping[str, Array]]


class GraphError(ValueError):
    """A node that does not fit where it was put; the message begins with its name."""


@dataclass(frozen=True)
class Node:
    """A layer at its place in a graph. Shapes are without the batch axis."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output_shape: Shape
    parameters: Mapping[str, Parameter] = field(repr=False)

    @property
    def kind(self) -> str:
        """The layer's class, as Keras writes it: "SeparableConv2D"."""
        return type(self.layer).__name__

    def count_params(self) -> int:
        return sum(parameter.size for parameter in self.parameters.values())


class Graph:
    """Nodes in the order of their creation. Inputs must exist before they are read, so a graph
    is free of circles by construction."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}

    # --- building ---------------------------------------------------------------------------

    def add(self, layer: Layer, *inputs: str, name: str | None = None) -> str:
        """Put `layer` behind the nodes named `inputs`; returns the new node's name.

        Without a name the node gets one as Keras numbers them: conv2d, conv2d_1, …
        Raises GraphError, naming the node, where the wiring or the shapes do not fit.
        """
        name = name or self._automatic_name(layer)
        if name in self.nodes:
            raise GraphError(f"{name}: there is a node of this name already")
        for source in inputs:
            if source not in self.nodes:
                raise GraphError(f"{name}: its input {source!r} is not a node of {self.name}")
        too_few = len(inputs) < 2 if layer.arity is None else len(inputs) != layer.arity
        if too_few:
            wanted = "two or more inputs" if layer.arity is None else f"{layer.arity} input(s)"
            raise GraphError(f"{name} ({type(layer).__name__}): takes {wanted}, got {len(inputs)}")
        shapes = [self.nodes[source].output_shape for source in inputs]
        try:
            node = Node(name, layer, inputs, layer.output_shape(*shapes), layer.parameters(*shapes))
        except ValueError as error:
            raise GraphError(f"{name} ({type(layer).__name__}): {error}") from None
        self.nodes[name] = node
        return name

    def _automatic_name(self, layer: Layer) -> str:
        stem = automatic_stem(type(layer).__name__)
        name, number = stem, 0
        while name in self.nodes:
            number += 1
            name = f"{stem}_{number}"
        return name

    # --- looking ----------------------------------------------------------------------------

    @property
    def input(self) -> Node:
        """The one node where data enters."""
        found = [node for node in self.nodes.values() if isinstance(node.layer, Input)]
        if len(found) != 1:
            raise GraphError(f"{self.name}: has {len(found)} inputs where one is expected")
        return found[0]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The nodes that no other reads."""
        read = {source for node in self.nodes.values() for source in node.inputs}
        return tuple(name for name in self.nodes if name not in read)

    def topological_order(self) -> list[Node]:
        """The nodes in the order of Keras's `model.layers`, every node behind what it reads.

        The farther from the output (by the longest way), the earlier; among nodes equally far,
        the one that is met first when the graph is walked from its outputs, inputs in turn.
        Weights files list their layers in this order, and `get_weights` its arrays.
        """
        met: dict[str, None] = {}  # insertion order is the order of the walk
        waiting = list(reversed(self.outputs))
        while waiting:
            name = waiting.pop()
            if name not in met:
                met[name] = None
                waiting.extend(reversed(self.nodes[name].inputs))
        rank = {name: position for position, name in enumerate(met)}

        distance = dict.fromkeys(self.nodes, 0)
        for node in reversed(self.nodes.values()):  # readers stand behind what they read
            for source in node.inputs:
                distance[source] = max(distance[source], distance[node.name] + 1)
        return sorted(self.nodes.values(), key=lambda node: (-distance[node.name], rank[node.name]))

    def count_params(self, trainable: bool | None = None) -> int:
        """How many numbers the parameters hold; only the trainable ones, or only the others."""
        return sum(
            parameter.size
            for node in self.nodes.values()
            for parameter in node.parameters.values()
            if trainable is None or parameter.trainable == trainable
        )

    def shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Every node's output shape for an input of this shape. Raises ValueError."""
        concrete = Graph(self.name)
        for node in self.nodes.values():
            layer = replace(node.layer, shape=input_shape) if isinstance(node.layer, Input) else node.layer
            concrete.add(layer, *node.inputs, name=node.name)
        return {name: node.output_shape for name, node in concrete.nodes.items()}

    # --- computing --------------------------------------------------------------------------

    def evaluate(
        self, parameters: GraphParameters, x: Array, wanted: Iterable[str] | None = None
    ) -> dict[str, Array]:
        """The plain forward pass, node by node: (n, h, w, c) -> the wanted nodes' activations.

        Every number has the floating-point type of `x` and `parameters` together. `wanted`:
        the outputs unless given. An activation is let go when its last reader has run.
        """
        wanted = tuple(self.outputs if wanted is None else wanted)
        needed = self.ancestors(wanted)
        readers = dict.fromkeys(needed, 0)
        for name in needed:
            for source in self.nodes[name].inputs:
                readers[source] += 1

        alive: dict[str, Array] = {}
        for node in self.topological_order():
            if node.name not in needed:
                continue
            if isinstance(node.layer, Input):
                alive[node.name] = np.asarray(x)
            else:
                arrays = [alive[source] for source in node.inputs]
                alive[node.name] = node.layer.forward(parameters.get(node.name, {}), *arrays)
            for source in node.inputs:
                readers[source] -= 1
                if not readers[source] and source not in wanted:
                    del alive[source]
        return {name: alive[name] for name in wanted}

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """The nodes that these are computed from, themselves included."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in self.nodes:
                raise GraphError(f"{name}: is not a node of {self.name}")
            if name not in found:
                found.add(name)
                waiting.extend(self.nodes[name].inputs)
        return found


# --- Keras's automatic names ----------------------------------------------------------------


def automatic_stem(kind: str) -> str:
    """Keras's snake case for a class: "SeparableConv2D" -> "separable_conv2d"."""
    if kind == "Input":
        return "input_layer"
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()


def is_automatic(node: Node) -> bool:
    """Whether a node bears a number of its kind rather than a name of its own."""
    return re.fullmatch(rf"{automatic_stem(node.kind)}(_\d+)?", node.name) is not None
