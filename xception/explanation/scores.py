"""Class scores before softmax or sigmoid, together with the activations that they depend on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..engine.plan import InputArrays
from ..engine.schedule_cache import InputShapes
from ..gradients import nodes_between
from ..graph import Graph, Node
from ..graph.budget import check_memory, check_work, node_costs
from ..kernels import Array
from ..layers import Flatten, Identity, Layer, Reshape, Softmax
from ..prediction.classifier import Classifier
from .grid import Grid, locate_cells


class ForwardPass(NamedTuple):
    """What one forward pass of n images gives.

    Attributes:
        activations: By node name, (n, …), of the requested nodes and of the output.
        scores: (n, classes) before softmax or sigmoid.
        probabilities: (n, classes) as `predict` gives them.
    """

    activations: dict[str, Array]
    scores: Array
    probabilities: Array


class Scores:
    """Class scores of a classifier before the softmax or sigmoid at its end, if it has one.

    The graph is the model's, without that activation. The model's plan computes almost all of it; only
    the layer whose activation was removed, and any behind it, are computed one by one.

    Args:
        classifier: The classifier. Weights that its model is given later are not used.
        image: The input that is explained; by default the classifier's first for photographs.

    Attributes:
        image: The input that is explained. The others, if there are any, stay as they are.
        graph: The graph whose output is the scores.
        parameters: Its parameters.
        output: The name of its output node.
        signs: (classes, outputs) what each output contributes to each class's score: the identity
            matrix, or (−1, 1) where a single output stands for the second of two classes.
    """

    def __init__(self, classifier: Classifier, image: str | None = None) -> None:
        self.image = classifier.preprocessor.input_name if image is None else image
        self._decoder = classifier.decoder
        self._plan = classifier.model.plan
        self.parameters = self._plan.parameters
        self.graph, changed = remove_final_activation(self._plan.graph)
        (self.output,) = self.graph.outputs
        self._tail: list[Node] = []
        if changed is not None:
            self._tail = [self.graph.nodes[changed], *nodes_between(self.graph, [changed], [self.output])]
        tail = {node.name for node in self._tail}
        self._tail_inputs = {source for node in self._tail for source in node.inputs} - tail
        check_memory(self.graph.name, 4 * len(classifier.class_names) ** 2)  # before `signs` is made
        binary = np.array([[-1], [1]], np.float32)
        self.signs = (
            binary if self._decoder.is_binary else np.eye(len(classifier.class_names), dtype=np.float32)
        )

    def forward(self, x: InputArrays, nodes: Iterable[str]) -> ForwardPass:
        """Compute the scores, the probabilities, and the activations of some nodes.

        Args:
            x: (n, …) float32 by input, as the model takes it.
            nodes: Names of nodes.
        """
        tail = {node.name for node in self._tail}
        names = (self._tail_inputs | set(nodes)) - tail | {self.output}
        activations = self._plan.run(x, tuple(sorted(names)))
        probabilities = self._decoder.probabilities(activations[self.output])
        return ForwardPass(activations, self._finish(activations), probabilities)

    def compute(self, x: InputArrays) -> Array:
        """Compute the scores (n, classes) alone."""
        return self._finish(self._plan.run(x, tuple(sorted(self._tail_inputs)) or (self.output,)))

    def _finish(self, activations: dict[str, Array]) -> Array:
        """Add the activations of the tail, and return the scores (n, classes)."""
        for node in self._tail:
            inputs = [activations[source] for source in node.inputs]
            activations[node.name] = node.layer.forward(self.parameters.get(node.owner, {}), *inputs)
        return activations[self.output] @ self.signs.T

    def input_shapes(self, x: InputArrays) -> InputShapes:
        """Return the shapes of the inputs in the model's order, without the batch axis."""
        return tuple(x[name].shape[1:] for name in self.graph.inputs)

    def images_at_once(self, input_shapes: InputShapes, requested: int) -> int:
        """Return how many images of these shapes are computed together: `requested`, or fewer large ones."""
        return self._plan.examples_at_once((), input_shapes, requested)

    def check_passes(self, input_shapes: InputShapes, passes: int) -> None:
        """Raise LimitError if these forward passes, for an image of these shapes, are too much work."""
        by_name = dict(zip(self.graph.inputs, input_shapes, strict=True))
        check_work(self.graph.name, node_costs(self.graph.nodes.values(), by_name), passes)

    def map_shape(self, node: str, input_shapes: InputShapes) -> tuple[int, int, int]:
        """Return the shape (h, w, c) of a node's maps, for inputs of these shapes."""
        h, w, c = (int(size or 0) for size in self._plan.shapes(*input_shapes)[node])
        return h, w, c

    def grid(self, node: str, input_shapes: InputShapes) -> Grid:
        """Return where the cells of a node's maps are, on images of these shapes."""
        return locate_cells(self.graph, self._plan.shapes(*input_shapes), node, self.image)

    def count_elements(self, nodes: Iterable[str], input_shapes: InputShapes) -> int:
        """Return how many elements some nodes' activations have, for one example of these shapes."""
        shapes = self._plan.shapes(*input_shapes)
        return sum(math.prod(int(size or 0) for size in shapes[node]) for node in nodes)


def remove_final_activation(graph: Graph) -> tuple[Graph, str | None]:
    """Remove the softmax or sigmoid that the output comes out of.

    Returns:
        The graph without it, and the name of the node that was changed; the same graph and None if it
        has no such activation.
    """
    node = graph.nodes[graph.outputs[0]]
    while node.inputs and (node.layer.identity or isinstance(node.layer, Flatten | Reshape)):
        node = graph.nodes[node.inputs[0]]
    layer = _without_activation(node.layer)
    if layer is None:
        return graph, None
    return graph.with_replaced(node.name, layer), node.name


def _without_activation(layer: Layer) -> Layer | None:
    """Return a layer without its softmax or sigmoid; None if it has neither."""
    if isinstance(layer, Softmax):
        return Identity()
    activation = getattr(layer, "activation", None)
    if isinstance(activation, Softmax) or activation in ("softmax", "sigmoid"):
        return replace(layer, activation="linear")  # type: ignore[type-var]  # it is a dataclass
    return None
