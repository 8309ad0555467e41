"""Grouping of a graph's nodes into steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ...graph import Graph, Node
from ...layers import Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, ReLU, SeparableConv2D, pair
from .batch_statistics import BatchStatisticsStep
from .convolutions import ConvolutionStep, SeparableStep
from .elementwise import AddStep, MaxPoolingStep, ReLUStep
from .folding import Fold
from .step import PlainStep, Step


def group_nodes(
    graph: Graph,
    nodes: Sequence[Node],
    outputs: Collection[str],
    trained: Collection[str],
    batch_statistics: bool,
) -> list[Step]:
    """Return the steps that compute some nodes.

    Args:
        graph: The graph.
        nodes: The nodes, in topological order.
        outputs: Nodes whose activations are needed from outside.
        trained: Names of the nodes whose parameters are trained.
        batch_statistics: Whether trained normalization uses the statistics of the batch.
    """
    return _Grouping(graph, nodes, outputs, trained, batch_statistics).steps()


class _Grouping:
    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[Node],
        outputs: Collection[str],
        trained: Collection[str],
        batch_statistics: bool,
    ) -> None:
        self._graph, self._nodes, self._trained = graph, nodes, trained
        self._batch_statistics = batch_statistics
        self._readers = Counter(source for node in nodes for source in node.inputs)
        self._readers.update(outputs)
        self._reader = {source: node for node in nodes for source in node.inputs}
        self._uses = Counter(node.owner for node in graph.nodes.values())
        self._numbers = {name: number for number, name in enumerate(graph.nodes)}

    def steps(self) -> list[Step]:
        grouped: set[str] = set()
        steps: list[Step] = []
        for node in self._nodes:
            if node.name not in grouped:
                members, step = self._step(node)
                grouped.update(member.name for member in members)
                steps.append(step)
        return steps

    def _step(self, node: Node) -> tuple[list[Node], Step]:
        """Return the nodes that are computed together, beginning with one, and their step."""
        if _is_relu(node):
            following = self._only_reader(node)
            if following is not None and self._is_plain_separable(following):
                return self._separable(following, node)
            return [node], ReLUStep(node)
        if self._is_plain_separable(node):
            return self._separable(node, None)
        if self._is_plain_convolution(node):
            nodes, fold = self._fold(node, "kernel")
            return nodes, ConvolutionStep(node, fold, nodes[-1].name)
        if self._uses_batch(node):
            return [node], BatchStatisticsStep(node)
        if isinstance(node.layer, Add) and self._has_equal_inputs(node):
            return [node], AddStep(node)
        if type(node.layer) is MaxPooling2D:
            return [node], MaxPoolingStep(node)
        return [node], PlainStep(node, node.name in self._trained, self._numbers[node.name])

    def _separable(self, node: Node, activation: Node | None) -> tuple[list[Node], Step]:
        nodes, fold = self._fold(node, "pointwise_kernel")
        step = SeparableStep(node, activation, fold, nodes[-1].name)
        return ([activation] if activation else []) + nodes, step

    def _fold(self, node: Node, kernel: str) -> tuple[list[Node], Fold]:
        following = self._only_reader(node)
        normalization = None
        if (
            following is not None
            and isinstance(following.layer, BatchNormalization)
            and self._uses[following.owner] == 1
            and not self._uses_batch(following)
        ):
            normalization = following
        nodes = [node] if normalization is None else [node, normalization]
        trained = frozenset(each.owner for each in nodes if each.name in self._trained)
        return nodes, Fold(node.owner, kernel, node.layer.use_bias, normalization, trained)  # type: ignore[attr-defined]

    def _only_reader(self, node: Node) -> Node | None:
        return (
            self._reader[node.name] if self._readers[node.name] == 1 and node.name in self._reader else None
        )

    def _has_equal_inputs(self, node: Node) -> bool:
        return len({self._graph.nodes[source].output_shape for source in node.inputs}) == 1

    def _uses_batch(self, node: Node) -> bool:
        is_trained = node.name in self._trained
        return self._batch_statistics and is_trained and isinstance(node.frame_layer, BatchNormalization)

    def _is_plain_separable(self, node: Node) -> bool:
        layer = node.layer
        return (
            type(layer) is SeparableConv2D
            and layer.activation == "linear"
            and layer.depth_multiplier == 1
            and pair(layer.strides) == pair(layer.dilation_rate) == (1, 1)
            and self._uses[node.owner] == 1
        )

    def _is_plain_convolution(self, node: Node) -> bool:
        layer = node.layer
        return (
            type(layer) is Conv2D
            and layer.activation == "linear"
            and layer.groups == 1
            and pair(layer.dilation_rate) == (1, 1)
            and self._uses[node.owner] == 1
        )


def _is_relu(node: Node) -> bool:
    layer = node.layer
    return (isinstance(layer, Activation) and layer.activation == "relu") or (
        isinstance(layer, ReLU)
        and layer.max_value is None
        and (layer.threshold, layer.negative_slope) == (0, 0)
    )
