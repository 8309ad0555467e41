"""Operator fusion: a graph as stages, each a matrix product and the operations around it.

Batch normalization is folded away. ReLU, max pooling and residual sums join the product before
them. A node that fits no stage is a stage of its own, computed by its layer's plain forward pass.
So any graph runs, and Xception's 134 nodes become 40 fused stages and three single nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

import numpy as np

from ..graph import Graph, GraphParameters, Node
from ..kernels import Array, Padding, Pair, output_size
from ..layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Layer,
    Parameters,
    ReLU,
    SeparableConv2D,
    pair,
)
from .fused_pool import FusedPool, fused_pool

RELU_LAYERS = (Activation("relu"), ReLU())  #: layers that compute max(x, 0)

#: Elements of a kernel into which batch normalization is folded. Bounds memory, since folding makes a
#: second copy of the kernel. Of larger kernels the product is scaled instead, while it is in the cache.
MAX_FOLDED_ELEMENTS = 1 << 18

#: Elements of all kernels into which it is folded. Bounds memory where many layers share one kernel.
MAX_FOLDED_ELEMENTS_TOGETHER = 1 << 24

#: Smallest scale by which a bias is divided. Bounds the rounding error, and excludes 0.
MIN_DEFERRED_SCALE = 1e-6


@dataclass(frozen=True, eq=False)
class FusedStage:
    """A matrix product and what is fused with it.

    Computes y = pool(product(gather(source)) · scale + bias) + residual, and max(y, 0).

    Attributes:
        name: The node whose activation is y.
        source: The node whose activation is read.
        window: (kh, kw).
        strides: Steps between windows.
        padding: "same" or "valid".
        depthwise: Depthwise kernel (kh, kw, c), applied before the product. If None, the product
            reads whole windows.
        matrix: (c, filters) with a depthwise kernel, else (kh·kw·c, filters).
        scale: (filters,). None if there is none, or if it is folded into the matrix.
        bias: (filters,).
        pool: Max pooling after the bias, or None.
        residual: The node whose activation is added, or None.
        relu: The node that is max(y, 0), or None.
        stores_raw: Whether y itself is read.
        packed: Weights in the layout of the backend, by (attribute, width, first channel, end). They
            are shared by the schedules that use them, and released with the last, since the
            references are weak.
    """

    name: str
    source: str
    window: Pair
    strides: Pair
    padding: Padding
    depthwise: Array | None
    matrix: Array
    scale: Array | None
    bias: Array
    pool: FusedPool | None = None
    residual: str | None = None
    relu: str | None = None
    stores_raw: bool = True
    packed: WeakValueDictionary[tuple[str, int, int, int], Array] = field(
        init=False, repr=False, default_factory=WeakValueDictionary
    )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The nodes whose activations are read."""
        return (self.source,) if self.residual is None else (self.source, self.residual)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The nodes whose activations are computed."""
        return (self.name,) if self.relu is None else (self.name, self.relu)

    def product_size(self, h: int, w: int) -> Pair:
        """Return the size of the product, before pooling.

        Args:
            h: Height of the source.
            w: Width of the source.

        Returns:
            (height, width).
        """
        vertical, horizontal = zip((h, w), self.window, self.strides, strict=True)
        return output_size(*vertical, self.padding), output_size(*horizontal, self.padding)


@dataclass(frozen=True, eq=False)
class LayerStage:
    """A single node, computed by its layer's own forward pass.

    Attributes:
        name: The node.
        layer: Its layer.
        parameters: Its parameters.
        inputs: The nodes whose activations are read.
    """

    name: str
    layer: Layer
    parameters: Parameters
    inputs: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The node itself."""
        return (self.name,)


Stage = FusedStage | LayerStage


def fuse(graph: Graph, parameters: GraphParameters, outputs: Iterable[str]) -> list[Stage]:
    """Divide a graph into stages.

    Args:
        graph: The graph.
        parameters: Its parameters. They are not copied, except where normalization is folded in.
        outputs: The nodes whose activations are requested. Others may be fused away.

    Returns:
        The stages that compute the outputs, in an order in which they can run.
    """
    outputs = tuple(outputs)
    stages = _Fuser(graph, parameters, outputs).fuse()
    _defer_scales(stages, outputs)
    return stages


def _defer_scales(stages: list[Stage], outputs: tuple[str, ...]) -> None:
    """Move scales into the depthwise kernel that reads the result, which saves a pass over the map.

    max(s·y + b, 0) = s·max(y + b/s, 0) for s > 0. The map must have no other reader.
    """
    readers: dict[str, list[int]] = defaultdict(list)  # positions of stages
    for position, stage in enumerate(stages):
        for name in set(stage.inputs):
            readers[name].append(position)
    for position, stage in enumerate(stages):
        if not isinstance(stage, FusedStage) or stage.scale is None or stage.relu is None:
            continue
        if stage.stores_raw or stage.residual is not None or stage.relu in outputs:
            continue
        if len(readers[stage.relu]) != 1 or stage.scale.min() < MIN_DEFERRED_SCALE:
            continue
        (reader_position,) = readers[stage.relu]
        reader = stages[reader_position]
        if not isinstance(reader, FusedStage) or reader.depthwise is None:
            continue
        if reader.source == stage.relu and reader.residual != stage.relu:
            stages[reader_position] = replace(reader, depthwise=reader.depthwise * stage.scale)
            stages[position] = replace(stage, bias=stage.bias / stage.scale, scale=None)


class _Fuser:
    def __init__(self, graph: Graph, parameters: GraphParameters, outputs: tuple[str, ...]) -> None:
        self.graph, self.parameters, self.outputs = graph, parameters, outputs
        self.nodes = self._computing_nodes()
        self.readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for source in node.inputs:
                self.readers[source].append(node.name)
        self.folded = 0  # elements of kernels into which normalization was folded
        self.stages: list[Stage] = []
        self.computed: set[str] = set()

    def fuse(self) -> list[Stage]:
        for name in self.outputs:
            self._add(name)
        return self.stages

    def _computing_nodes(self) -> dict[str, Node]:
        """Return the needed nodes, without those that return their input unchanged.

        These are, for example, dropout layers. They stay if they are outputs.
        """
        origin: dict[str, str] = {}  # the node whose activation a node passes on, or itself
        nodes: dict[str, Node] = {}
        needed = self.graph.ancestors(self.outputs)
        for node in self.graph.nodes.values():
            inputs = tuple(origin[source] for source in node.inputs if node.name in needed)
            passes = node.layer.identity and bool(inputs)
            origin[node.name] = inputs[0] if passes else node.name
            if node.name in self.outputs or (node.name in needed and not passes):
                nodes[node.name] = replace(node, inputs=inputs)
        return nodes

    def _add(self, name: str) -> None:
        """Add the stage that computes a node, and before it the stages that it needs."""
        drafts: dict[str, Stage] = {}
        pending = [name]  # an explicit stack: a graph may be deeper than Python can recurse
        while pending:
            name = pending[-1]
            node = self.nodes[name]
            if name in self.computed:
                pending.pop()
                continue
            if self._is_relu(node) and node.inputs[0] not in self.computed:
                pending += node.inputs  # the stage of its input may compute the ReLU too
                continue
            if name not in drafts:
                drafts[name] = self._fused_stage(node) or self._layer_stage(node)
            stage = drafts[name]
            missing = [source for source in stage.inputs if source not in self.computed]
            if missing:
                pending += reversed(missing)
                continue
            self.stages.append(stage)
            self.computed.update(stage.outputs)

    def _layer_stage(self, node: Node) -> LayerStage:
        return LayerStage(node.name, node.layer, self.parameters.get(node.owner, {}), node.inputs)

    def _fused_stage(self, node: Node) -> FusedStage | None:
        """Return the fused stage that ends with this node, or None if there is none.

        Matches backwards: [sum <-] [max pooling, of one or two layers <-] [normalization <-] convolution.
        """
        end = node
        node, residual = self._split_sum(node)
        normalization = None
        node, pool = self._split_pool(node)
        if isinstance(node.layer, BatchNormalization) and self._has_one_reader(node.inputs[0]):
            node, normalization = self.nodes[node.inputs[0]], node
        if not self._is_product(node):
            return None
        rectified = [name for name in self.readers[end.name] if self._is_relu(self.nodes[name])]
        relu = rectified[0] if rectified else None
        matrix, scale, bias = self._affine(node, normalization)
        layer = node.layer
        assert isinstance(layer, Conv2D | SeparableConv2D)
        separable = isinstance(layer, SeparableConv2D)
        return FusedStage(
            name=end.name,
            source=node.inputs[0],
            window=pair(layer.kernel_size),
            strides=pair(layer.strides),
            padding=layer.padding,
            depthwise=self.parameters[node.owner]["depthwise_kernel"][..., 0] if separable else None,
            matrix=matrix,
            scale=scale,
            bias=bias,
            pool=pool,
            residual=residual,
            relu=relu,
            stores_raw=end.name in self.outputs or self.readers[end.name] != [relu],
        )

    def _split_sum(self, node: Node) -> tuple[Node, str | None]:
        """Split a sum into the end of a product and the residual; (node, None) for any other node."""
        if isinstance(node.layer, Add) and len(node.inputs) == 2:
            for product, residual in (node.inputs, node.inputs[::-1]):
                same_shape = self.nodes[product].output_shape == self.nodes[residual].output_shape
                if product == residual or not same_shape or not self._has_one_reader(product):
                    continue
                if self._leads_to_product(product):
                    return self.nodes[product], residual
        return node, None

    def _leads_to_product(self, name: str) -> bool:
        """Return True if a node is a product, or max pooling or normalization of one."""
        node = self.nodes[name]
        while True:
            node, pool = self._split_pool(node)
            if isinstance(node.layer, BatchNormalization) and self._has_one_reader(node.inputs[0]):
                node = self.nodes[node.inputs[0]]
            elif pool is None:
                return self._is_product(node)

    def _split_pool(self, node: Node) -> tuple[Node, FusedPool | None]:
        """Split pooling into the node that it reads and the pooling; (node, None) for any other node."""
        chain = [node]
        while len(chain) < 3 and chain[-1].inputs and self._has_one_reader(chain[-1].inputs[0]):
            chain.append(self.nodes[chain[-1].inputs[0]])
        if len(chain) > 2 and (pool := fused_pool(chain[1].layer, chain[0].layer)):
            return chain[2], pool
        if len(chain) > 1 and (pool := fused_pool(chain[0].layer)):
            return chain[1], pool
        return node, None

    def _has_one_reader(self, name: str) -> bool:
        return len(self.readers[name]) == 1 and name not in self.outputs

    @staticmethod
    def _is_relu(node: Node) -> bool:
        return node.layer in RELU_LAYERS

    @staticmethod
    def _is_product(node: Node) -> bool:
        layer = node.layer
        if not isinstance(layer, Conv2D | SeparableConv2D):
            return False
        simple = layer.activation == "linear" and pair(layer.dilation_rate) == (1, 1)
        if isinstance(layer, SeparableConv2D):
            return simple and layer.depth_multiplier == 1 and pair(layer.strides) == (1, 1)
        return simple and layer.groups == 1

    def _affine(self, node: Node, normalization: Node | None) -> tuple[Array, Array | None, Array]:
        """Return a convolution and the normalization after it as (matrix, scale, bias)."""
        layer, weights = node.layer, self.parameters[node.owner]
        assert isinstance(layer, Conv2D | SeparableConv2D)
        kernel = weights["pointwise_kernel" if isinstance(layer, SeparableConv2D) else "kernel"]
        matrix = kernel.reshape(-1, layer.filters)  # (c, filters) or (kh·kw·c, filters)
        bias = np.asarray(weights.get("bias", np.zeros(layer.filters)), np.float64)
        scale: Array | None = None
        if normalization is not None:
            scale, offset = _scale_and_offset(normalization, self.parameters[normalization.owner])
            bias = bias * scale + offset
            scale = scale.astype(np.float32)
            if matrix.size <= min(MAX_FOLDED_ELEMENTS, MAX_FOLDED_ELEMENTS_TOGETHER - self.folded):
                self.folded += matrix.size
                matrix, scale = matrix * scale, None
        return matrix, scale, bias.astype(np.float32)


def _scale_and_offset(node: Node, weights: Parameters) -> tuple[Array, Array]:
    """Return batch normalization as x · scale + offset, both (c,) float64."""
    assert isinstance(node.layer, BatchNormalization)
    return node.layer.scale_and_offset({name: array.astype(np.float64) for name, array in weights.items()})
