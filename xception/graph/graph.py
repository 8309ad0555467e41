"""A network as named nodes: what stands where, what feeds it, what shape comes out.

A graph knows wiring and shapes; it holds no numbers. Parameters are handed to it:
`{node name: {parameter name: array}}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ..errors import GraphError
from ..kernels import Array
from ..layers import Input, Layer, Parameter, Shape
from .names import automatic_stem
from .order import keras_order

GraphParameters = Mapping[str, Mapping[str, Array]]

#: What enters a graph: an array, or for several inputs one for each, by name.
Inputs = Array | Mapping[str, Array]

Entering = TypeVar("Entering")


@dataclass(frozen=True)
class Node:
    """A layer at its place in a graph. Shapes are without the batch axis."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    output_shape: Shape
    parameters: Mapping[str, Parameter] = field(repr=False)
    weights: str  #: the name under which its parameters are kept: its own, or that of a layer used before
    trainable: bool = True  #: whether training would change its trainable parameters, or they are frozen

    @property
    def kind(self) -> str:
        """The layer's class, as Keras writes it: "SeparableConv2D"."""
        return self.layer.kind

    def count_params(self, trainable: bool | None = None) -> int:
        """How many numbers its parameters hold; only the trainable ones, or only the others."""
        return sum(
            parameter.size
            for parameter in self.parameters.values()
            if trainable is None or (parameter.trainable and self.trainable) == trainable
        )


class Graph:
    """Nodes in the order of their creation. Inputs must exist before they are read, so a graph
    is free of circles by construction."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self._inputs: tuple[str, ...] | None = None
        self._outputs: tuple[str, ...] | None = None

    # --- building ---------------------------------------------------------------------------

    def add(
        self, layer: Layer, *inputs: str, name: str | None = None, shares: str | None = None,
        trainable: bool = True,
    ) -> str:  # fmt: skip
        """Put `layer` behind the nodes named `inputs`; returns the new node's name.

        Without a name the node gets one as Keras numbers them: conv2d, conv2d_1, …
        shares: the node whose parameters it takes, where a layer is used again.
        Raises GraphError, naming the node, where the wiring or the shapes do not fit.
        """
        name = name or self._automatic_name(layer)
        if name in self.nodes:
            raise GraphError(f"{name}: there is a node of this name already")
        for source in inputs:
            if source not in self.nodes:
                raise GraphError(f"{name}: its input {source!r} is not a node of {self.name}")
        if not layer.accepts(len(inputs)):
            wanted = "two or more inputs" if layer.arity is None else f"{layer.arity} input(s)"
            raise GraphError(f"{name} ({layer.kind}): takes {wanted}, got {len(inputs)}")
        shapes = [self.nodes[source].output_shape for source in inputs]
        try:
            output_shape, parameters = layer.output_shape(*shapes), layer.parameters(*shapes)
        except ValueError as error:
            raise GraphError(f"{name} ({layer.kind}): {error}") from None
        if shares is not None and (shares not in self.nodes or self.nodes[shares].parameters != parameters):
            raise GraphError(f"{name} ({layer.kind}): its input does not suit the parameters of {shares}")
        self.nodes[name] = Node(name, layer, inputs, output_shape, parameters, shares or name, trainable)
        return name

    def set_ends(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Say which nodes data enters by and leaves by, and in which order.

        Unless it was said, these are the nodes that read none, and those that none reads.
        """
        for name in (*inputs, *outputs):
            if name not in self.nodes:
                raise GraphError(f"{name}: is not a node of {self.name}")
        entries = {node.name for node in self.nodes.values() if not node.inputs}
        if len(inputs) != len(entries) or set(inputs) != entries:
            raise GraphError(f"{self.name}: its inputs are {', '.join(entries)}, not {', '.join(inputs)}")
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)

    def _automatic_name(self, layer: Layer) -> str:
        stem = automatic_stem(layer.kind)
        name, number = stem, 0
        while name in self.nodes:
            number += 1
            name = f"{stem}_{number}"
        return name

    # --- looking ----------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:
        """The nodes where data enters."""
        if self._inputs is not None:
            return self._inputs
        return tuple(node.name for node in self.nodes.values() if not node.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The nodes where answers leave."""
        if self._outputs is not None:
            return self._outputs
        read = {source for node in self.nodes.values() for source in node.inputs}
        return tuple(name for name in self.nodes if name not in read)

    def topological_order(self) -> list[Node]:
        """The nodes in the order of Keras's `model.layers`, every node behind what it reads."""
        sources: dict[str, Sequence[str]] = {name: node.inputs for name, node in self.nodes.items()}
        order = keras_order(sources, self.outputs, dict(zip(sources, sources, strict=True)))
        return [self.nodes[name] for name in order]

    def count_params(self, trainable: bool | None = None) -> int:
        """How many numbers the parameters hold; only the trainable ones, or only the others."""
        return sum(node.count_params(trainable) for node in self.nodes.values() if node.weights == node.name)

    def shapes(self, input_shape: Shape | Mapping[str, Shape]) -> dict[str, Shape]:
        """Every node's output shape for an input of this shape. Raises ValueError."""
        entering = self.by_name(input_shape)
        concrete = Graph(self.name)
        for node in self.nodes.values():
            layer = node.layer
            if not node.inputs:
                assert isinstance(layer, Input)
                layer = replace(layer, shape=entering[node.name])
            concrete.add(layer, *node.inputs, name=node.name)
        return {name: node.output_shape for name, node in concrete.nodes.items()}

    # --- computing --------------------------------------------------------------------------

    def evaluate(
        self, parameters: GraphParameters, x: Inputs, wanted: Iterable[str] | None = None
    ) -> dict[str, Array]:
        """The plain forward pass, node by node: (n, h, w, c) -> the wanted nodes' activations.

        Every number has the floating-point type of `x` and `parameters` together. `wanted`:
        the outputs unless given. An activation is let go when its last reader has run.
        """
        wanted = tuple(self.outputs if wanted is None else wanted)
        needed = self.ancestors(wanted)
        arriving = self.by_name(x)
        readers = dict.fromkeys(needed, 0)
        for name in needed:
            for source in self.nodes[name].inputs:
                readers[source] += 1

        alive: dict[str, Array] = {}
        for node in self.topological_order():
            if node.name not in needed:
                continue
            if node.inputs:
                arrays = [alive[source] for source in node.inputs]
                alive[node.name] = node.layer.forward(parameters.get(node.weights, {}), *arrays)
            else:
                alive[node.name] = np.asarray(arriving[node.name])
            for source in node.inputs:
                readers[source] -= 1
                if not readers[source] and source not in wanted:
                    del alive[source]
        return {name: alive[name] for name in wanted}

    def by_name(self, entering: Entering | Mapping[str, Entering]) -> Mapping[str, Entering]:
        """What enters, by the name of its input."""
        if isinstance(entering, Mapping):
            return entering
        (name,) = self.inputs
        return {name: entering}

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
