"""Regularizers and constraints of a model's layers, on the parameters that are trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...graph import Graph, GraphParameters
from ...kernels import Array
from ...layers.penalized import find_constraint, find_regularizer
from ...layers.penalties import Constraint, Regularizer
from ..variables import Variables


class Penalties:
    """The regularizers and constraints of the layers that are trained.

    As in Keras 3.15, those of frozen layers are no part of the loss (`layers/layer.py`, `losses`), and
    constraints act after each update (`optimizers/base_optimizer.py`).

    Args:
        graph: The graph.
        arrays: {node: {parameter: array}} of what is trained. `constrain` changes the arrays.
    """

    def __init__(self, graph: Graph, arrays: Mapping[str, Mapping[str, Array]]) -> None:
        self._regularized: list[tuple[str, str, Array, Regularizer]] = []
        self._constrained: list[tuple[Array, Constraint]] = []
        for node, by_name in arrays.items():
            layer = graph.nodes[node].layer
            for name, array in by_name.items():
                if (regularizer := find_regularizer(layer, name)) is not None:
                    self._regularized.append((node, name, array, regularizer))
                if (constraint := find_constraint(layer, name)) is not None:
                    self._constrained.append((array, constraint))

    def total(self) -> float:
        """Return the sum of the penalties."""
        return sum(regularizer.penalty(w) for _, _, w, regularizer in self._regularized)

    def add(self, gradient: Variables) -> float:
        """Add the gradients of the penalties to those of the loss, and return the sum of the penalties.

        Args:
            gradient: The gradients, which are changed.
        """
        for node, name, w, regularizer in self._regularized:
            regularizer.add_gradient(w, gradient.by_node[node][name])
        return self.total()

    def constrain(self) -> None:
        """Change the parameters so that they satisfy their constraints."""
        for w, constraint in self._constrained:
            constraint.apply(w)


def total_penalty(graph: Graph, trained: Collection[str], parameters: GraphParameters) -> float:
    """Return the sum of the penalties of the layers that are trained.

    Args:
        graph: The graph.
        trained: Their nodes.
        parameters: The parameters of the model.
    """
    arrays = {
        node.name: {
            name: parameters[node.name][name]
            for name, specification in node.parameters.items()
            if specification.trainable
        }
        for node in graph.nodes.values()
        if node.name in trained
    }
    return Penalties(graph, arrays).total()
