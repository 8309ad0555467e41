"""A model's score of each class, before it is made a probability of; and the activations on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..gradients import between
from ..graph import Graph, Node
from ..kernels import Array
from ..layers import Flatten, Identity, Layer, Reshape, Softmax
from ..models.model import Model
from .grid import Grid, grid_of


class Scores:
    """The scores of a model's classes: (n, h, w, 3) -> (n, classes).

    The graph is the model's, without the softmax or sigmoid at its end. Almost all of it is computed
    by the model's own quick pass; what stands behind the change, a layer or two, layer by layer.
    """

    def __init__(self, model: Model, classes: int) -> None:
        self._plan = model.plan
        self.parameters = self._plan.parameters
        self.graph, changed = without_probabilities(self._plan.graph)
        (self.output,) = self.graph.outputs
        self._tail: list[Node] = []
        if changed is not None:
            self._tail = [self.graph.nodes[changed], *between(self.graph, [changed], [self.output])]
        (outputs,) = self.graph.nodes[self.output].output_shape
        assert outputs is not None  # `class_labels` has looked
        #: (classes, outputs): a single output speaks for the second of two classes, and against the first
        self.signs = np.eye(classes) if classes == outputs else np.array([[-1.0], [1.0]])
        self.signs = self.signs.astype(np.float32)

    def values(self, x: Array, wanted: Iterable[str] = ()) -> dict[str, Array]:
        """The activations of the wanted nodes and of the output."""
        late = {node.name for node in self._tail}
        before = {source for node in self._tail for source in node.inputs} or {self.output}
        values = self._plan.run(x, tuple(sorted((before | set(wanted)) - late)))
        for node in self._tail:
            inputs = [values[source] for source in node.inputs]
            values[node.name] = node.layer.forward(self.parameters.get(node.weights, {}), *inputs)
        return values

    def of(self, values: Mapping[str, Array]) -> Array:
        """The classes' scores, (n, classes), from the activations."""
        return values[self.output] @ self.signs.T

    def __call__(self, x: Array) -> Array:
        """(n, h, w, 3) -> (n, classes)"""
        return self.of(self.values(x))

    def shape(self, node: str, entering: tuple[int, ...]) -> tuple[int, int, int]:
        """(h, w, c) of a node's maps, for images of this shape."""
        h, w, c = self._plan.shapes(entering)[node]
        assert h is not None  # as all are for an image whose sizes are
        assert w is not None
        assert c is not None
        return h, w, c

    def grid(self, node: str, entering: tuple[int, ...]) -> Grid:
        """Where the cells of a node's maps look, on images of this shape."""
        return grid_of(self.graph, self._plan.shapes(entering), node)

    def size(self, nodes: Iterable[str], entering: tuple[int, ...]) -> int:
        """How many numbers the activations of some nodes are, for one image of this shape."""
        shapes = self._plan.shapes(entering)
        return sum(int(np.prod([int(size or 0) for size in shapes[node]])) for node in nodes)


def without_probabilities(graph: Graph) -> tuple[Graph, str | None]:
    """The graph without the softmax or sigmoid at its end, and where it was; None if there is none."""
    node = graph.nodes[graph.outputs[0]]
    while node.inputs and (node.layer.identity or isinstance(node.layer, Flatten | Reshape)):
        node = graph.nodes[node.inputs[0]]
    layer = _without(node.layer)
    if layer is None:
        return graph, None
    return graph.with_replaced(node.name, layer), node.name


def _without(layer: Layer) -> Layer | None:
    if isinstance(layer, Softmax):
        return Identity()
    activation = getattr(layer, "activation", None)
    if isinstance(activation, Softmax) or activation in ("softmax", "sigmoid"):
        return replace(layer, activation="linear")  # type: ignore[type-var]  # it is a dataclass
    return None
