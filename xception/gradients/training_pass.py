"""Forward and backward pass of the part of a graph that training changes.

The part begins at the border: activations that no trained parameter and no random layer influences. They are
the same in every epoch, so that they can be computed by the engine, and kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import GraphError, NoGradientError
from ..graph import Graph, GraphParameters, Node
from ..kernels import Array
from .randomness import Randomness, acts_in_training, run_in_training
from .rules import backward, parameter_gradients

#: {node: {parameter: gradient}}, which a backward pass adds to.
Gradients = Mapping[str, Mapping[str, Array]]


@dataclass(frozen=True)
class Variable:
    """A parameter that training changes.

    Attributes:
        node: The node that owns it.
        parameter: Its name in the layer, such as "kernel".
        shape: Its shape.
    """

    node: str
    parameter: str
    shape: tuple[int, ...]


@dataclass
class Tape:
    """What a forward pass leaves for the backward pass.

    Attributes:
        outputs: The activations of the outputs, by node.
        statistics: (mean, biased variance) of the batch, each (c,), by node, where normalization uses them.
    """

    outputs: dict[str, Array]
    statistics: dict[str, tuple[Array, Array]]
    values: dict[str, Array] = field(repr=False)
    random: dict[str, object] = field(repr=False)


class TrainingPass:
    """The trained part of a graph: its forward pass, and the backward pass that gives gradients.

    Args:
        graph: The graph.
        trained: Names of the nodes whose trainable parameters are trained.
        outputs: The nodes that the loss depends on; by default the graph's outputs.
        batch_statistics: Whether the trained `BatchNormalization` layers normalize by the statistics of the
            batch, as Keras does in training. By default by their moving statistics, which do not change.

    Attributes:
        graph: The graph.
        variables: The parameters that are trained, in Keras's order.
        border: The nodes whose activations `forward` takes.
        outputs: The nodes that the loss depends on.

    Raises:
        GraphError: A trained layer, or one between it and the outputs, has no gradient rule.
    """

    def __init__(
        self,
        graph: Graph,
        trained: Collection[str],
        outputs: Iterable[str] | None = None,
        *,
        batch_statistics: bool = False,
    ) -> None:
        self.graph = graph
        self.outputs = tuple(graph.outputs if outputs is None else outputs)
        needed = graph.ancestors(self.outputs)
        nodes = [node for node in graph.topological_order() if node.name in needed]
        self._trained = {node.name for node in nodes if node.owner in trained and node.parameters}
        random = {node.name for node in nodes if acts_in_training(node.layer)}
        self._nodes = _dependents(nodes, self._trained | random)
        self._differentiated = {node.name for node in _dependents(nodes, self._trained)}
        inside = {node.name for node in self._nodes}
        sources = (source for node in self._nodes for source in (node.inputs or (node.name,)))
        self.border = tuple(dict.fromkeys(source for source in sources if source not in inside))
        self.variables = tuple(
            Variable(node.name, name, parameter.shape)
            for node in nodes
            if node.name in self._trained and node.owner == node.name
            for name, parameter in node.parameters.items()
            if parameter.trainable
        )
        self._numbers = {name: number for number, name in enumerate(graph.nodes)}

    def forward(
        self, parameters: GraphParameters, values: Mapping[str, Array], randomness: Randomness | None = None
    ) -> Tape:
        """Compute the outputs of a batch.

        Args:
            parameters: {node: {parameter: array}}.
            values: The activations (n, …) of the border, by node.
            randomness: The random numbers of the n examples; None for no random layers.

        Returns:
            The outputs, and what `backward` needs.
        """
        alive = {name: values[name] for name in self.border}
        random: dict[str, object] = {}
        for node in self._nodes:
            inputs = [alive[source] for source in node.inputs]
            result = None
            if randomness is not None and acts_in_training(node.layer):
                result = run_in_training(
                    node.layer, inputs[0], randomness.generators(self._numbers[node.name])
                )
            if result is None:
                alive[node.name] = node.layer.forward(parameters.get(node.owner, {}), *inputs)
            else:
                alive[node.name], random[node.name] = result
        return Tape({name: alive[name] for name in self.outputs}, {}, alive, random)

    def backward(
        self, tape: Tape, parameters: GraphParameters, seeds: Mapping[str, Array], gradients: Gradients
    ) -> None:
        """Add the gradients of a batch to those of other batches.

        Args:
            tape: From `forward`. It can be used once.
            parameters: Those of the forward pass.
            seeds: dL/dy of the outputs (n, …), by node. They may be overwritten.
            gradients: {node: {parameter: array}} for each of `variables`; the arrays are added to.

        Raises:
            GraphError: A layer has no gradient rule. The message begins with the node's name.
        """
        propagated = dict(seeds)
        for node in reversed(self._nodes):
            if node.name not in propagated or node.name not in self._differentiated:
                continue
            dy = propagated.pop(node.name)
            inputs = [tape.values[source] for source in node.inputs]
            arrays = parameters.get(node.owner, {})
            try:
                if node.name in self._trained:
                    for name, dw in parameter_gradients(node.layer, arrays, dy, *inputs).items():
                        gradients[node.owner][name][...] += dw
                if self._differentiated.isdisjoint(node.inputs):
                    continue
                rule = tape.random.get(node.name)
                dx = rule(dy) if callable(rule) else backward(node.layer, arrays, dy, *inputs)
            except NoGradientError as error:
                raise GraphError(f"{node.name} ({node.kind}): {error}") from None
            for source, part in zip(node.inputs, dx if isinstance(dx, tuple) else (dx,), strict=True):
                if source in self._differentiated:
                    propagated[source] = propagated[source] + part if source in propagated else part


def _dependents(nodes: list[Node], sources: Collection[str]) -> list[Node]:
    """Return the nodes that depend on some nodes, themselves included, in the given order."""
    names = set(sources)
    found = []
    for node in nodes:
        if node.name in names or not names.isdisjoint(node.inputs):
            names.add(node.name)
            found.append(node)
    return found
