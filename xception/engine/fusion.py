"""A graph cut into stages: matrix products, and everything that rides on them.

Batch normalisation is folded away, ReLU, pooling and residual sums are put on the product before
them. What fits no stage is left as it is, a node by itself, to be computed by its layer's plain
forward pass. So a plan runs any graph, and runs Xception's in 40 stages instead of 134 nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

import numpy as np

from ..graph import Graph, GraphParameters, Node
from ..kernels import Array, Pair, output_size
from ..layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Layer,
    MaxPooling2D,
    Parameters,
    ReLU,
    SeparableConv2D,
    pair,
)

#: Layers that are max(x, 0).
RELU = (Activation("relu"), ReLU())

#: Kernels with up to this many numbers are kept a second time, with the normalisation folded in.
#: For greater ones the product is scaled instead: a pass over numbers that are in the cache.
FOLDED_SIZE = 1 << 18

#: A scale is divided by only if it is at least this.
SMALLEST_SCALE = 1e-6


@dataclass
class Stage:
    """y = product(gather(source)) · scale + bias, then pooled, added to a residual, rectified."""

    name: str  #: the node whose activation this is, before ReLU
    source: str  #: the node that is read
    window: Pair
    strides: Pair
    padding: str
    depthwise: Array | None  #: (kh, kw, c); None: the whole window goes into the product
    matrix: Array  #: (c or kh·kw·c, filters)
    scale: Array | None  #: (filters,); None: it is in the matrix
    bias: Array  #: (filters,)
    pool: MaxPooling2D | None = None
    residual: str | None = None  #: the node that is added
    relu: str | None = None  #: the node that is max(y, 0)
    keeps: bool = True  #: whether anybody reads y itself
    _repeated: WeakValueDictionary[tuple[int, ...], Array] = field(
        default_factory=WeakValueDictionary, repr=False
    )

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.source,) if self.residual is None else (self.source, self.residual)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,) if self.relu is None else (self.name, self.relu)

    def product_size(self, h: int, w: int) -> Pair:
        """Height and width of the product for a source of this size; pooling may make less of it."""
        down, along = zip((h, w), self.window, self.strides, strict=True)
        return output_size(*down, self.padding), output_size(*along, self.padding)

    def repeated_depthwise(self, width: int, span: slice) -> Array | None:
        """The depthwise kernel of some channels, for every pixel of a row: (kh, kw, width·c).

        Made once for all that use it at a time: a network's are a fifth of its weights.
        """
        if self.depthwise is None:
            return None
        key = width, span.start, span.stop
        kernel = self._repeated.get(key)
        if kernel is None:
            kernel = self._repeated[key] = np.tile(self.depthwise[..., span], (1, 1, width))
        return kernel


@dataclass
class Plain:
    """A node by itself, computed by its layer."""

    name: str
    layer: Layer
    parameters: Parameters
    reads: tuple[str, ...]

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.name,)


def cut(graph: Graph, parameters: GraphParameters, wanted: Iterable[str]) -> list[Stage | Plain]:
    """The stages that give the wanted nodes, in an order in which they can be run."""
    stages = _Cutter(graph, parameters, tuple(wanted)).stages
    _pass_scales_on(stages, set(wanted))
    return stages


def _pass_scales_on(stages: list[Stage | Plain], wanted: set[str]) -> None:
    """Leave it to the next depthwise kernel to scale, where it can: a pass less over the map.

    For a positive s, max(s·y + b, 0) is s·max(y + b/s, 0). Only for maps that nobody else reads.
    """
    for stage in stages:
        if not isinstance(stage, Stage) or stage.scale is None or stage.relu is None:
            continue
        readers = [other for other in stages if stage.relu in other.reads]
        alone = not stage.keeps and stage.residual is None and stage.relu not in wanted
        if not alone or len(readers) != 1 or stage.scale.min() < SMALLEST_SCALE:
            continue
        (reader,) = readers
        if not isinstance(reader, Stage) or reader.depthwise is None:
            continue
        if reader.source == stage.relu != reader.residual:
            reader.depthwise = reader.depthwise * stage.scale
            stage.bias, stage.scale = stage.bias / stage.scale, None


class _Cutter:
    def __init__(self, graph: Graph, parameters: GraphParameters, wanted: tuple[str, ...]) -> None:
        self.graph, self.parameters, self.wanted = graph, parameters, wanted
        self.nodes = self._without_identities()
        self.readers: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for source in node.inputs:
                self.readers[source].append(node.name)
        self.stages: list[Stage | Plain] = []
        self.made: set[str] = set()
        for name in wanted:
            self.make(name)

    def _without_identities(self) -> dict[str, Node]:
        """The nodes that are needed, less those that pass on what they are given: dropout, an
        inner network's input. They are kept where they are wanted themselves."""
        origin: dict[str, str] = {}
        found: dict[str, Node] = {}
        needed = self.graph.ancestors(self.wanted)
        for node in self.graph.nodes.values():
            inputs = tuple(origin[source] for source in node.inputs if node.name in needed)
            passes = node.layer.identity and bool(inputs)
            origin[node.name] = inputs[0] if passes else node.name
            if node.name in self.wanted or (node.name in needed and not passes):
                found[node.name] = replace(node, inputs=inputs)
        return found

    def make(self, name: str) -> None:
        """Add the stage that gives this node, behind those that it reads."""
        drafts: dict[str, Stage | Plain] = {}
        waiting = [name]  # a stack of our own: a graph may be deeper than Python's
        while waiting:
            name = waiting[-1]
            node = self.nodes[name]
            if name in self.made:
                waiting.pop()
                continue
            if self._is_relu(node) and node.inputs[0] not in self.made:
                waiting += node.inputs  # whose stage may give the ReLU too
                continue
            if name not in drafts:
                drafts[name] = self._stage(node) or self._plain(node)
            stage = drafts[name]
            missing = [source for source in stage.reads if source not in self.made]
            if missing:
                waiting += reversed(missing)
                continue
            self.stages.append(stage)
            self.made.update(stage.gives)

    def _plain(self, node: Node) -> Plain:
        return Plain(node.name, node.layer, self.parameters.get(node.weights, {}), node.inputs)

    def _stage(self, node: Node) -> Stage | None:
        """The stage that ends with this node, if there is one. Read backwards:
        [sum <-] [pooling <-] [normalisation <-] convolution."""
        end, residual, pool, normalisation = node, None, None, None
        if isinstance(node.layer, Add) and len(node.inputs) == 2:
            for product, other in (node.inputs, node.inputs[::-1]):
                alike = self.nodes[product].output_shape == self.nodes[other].output_shape
                if product == other or not alike or not self._only_reader(product):
                    continue
                if self._leads_to_product(product):
                    node, residual = self.nodes[product], other
                    break
        if isinstance(node.layer, MaxPooling2D) and self._only_reader(node.inputs[0]):
            node, pool = self.nodes[node.inputs[0]], node.layer
        if isinstance(node.layer, BatchNormalization) and self._only_reader(node.inputs[0]):
            node, normalisation = self.nodes[node.inputs[0]], node
        if not self._is_product(node):
            return None
        rectified = [name for name in self.readers[end.name] if self._is_relu(self.nodes[name])]
        relu = rectified[0] if rectified else None
        return self._folded(
            node, normalisation, name=end.name, pool=pool, residual=residual, relu=relu,
            keeps=end.name in self.wanted or self.readers[end.name] != [relu],
        )  # fmt: skip

    def _leads_to_product(self, name: str) -> bool:
        node = self.nodes[name]
        while isinstance(node.layer, MaxPooling2D | BatchNormalization) and self._only_reader(node.inputs[0]):
            node = self.nodes[node.inputs[0]]
        return self._is_product(node)

    def _only_reader(self, name: str) -> bool:
        return len(self.readers[name]) == 1 and name not in self.wanted

    @staticmethod
    def _is_relu(node: Node) -> bool:
        return node.layer in RELU

    @staticmethod
    def _is_product(node: Node) -> bool:
        layer = node.layer
        if not isinstance(layer, Conv2D | SeparableConv2D):
            return False
        plain = layer.activation == "linear" and pair(layer.dilation_rate) == (1, 1)
        if isinstance(layer, SeparableConv2D):
            return plain and layer.depth_multiplier == 1 and pair(layer.strides) == (1, 1)
        return plain and layer.groups == 1

    def _folded(self, node: Node, normalisation: Node | None, **rest: object) -> Stage:
        """The convolution with the normalisation behind it as one product, scale and bias."""
        layer, weights = node.layer, self.parameters[node.weights]
        assert isinstance(layer, Conv2D | SeparableConv2D)
        separable = isinstance(layer, SeparableConv2D)
        kernel = weights["pointwise_kernel" if separable else "kernel"]
        matrix = kernel.reshape(-1, layer.filters)  # (c, filters) or (kh·kw·c, filters)
        bias = np.asarray(weights.get("bias", np.zeros(layer.filters)), np.float64)
        scale: Array | None = None
        if normalisation is not None:
            scale, offset = _normalisation(normalisation, self.parameters[normalisation.weights])
            bias = bias * scale + offset
            scale = scale.astype(np.float32)
            if matrix.size <= FOLDED_SIZE:
                matrix, scale = matrix * scale, None
        return Stage(
            source=node.inputs[0], window=pair(layer.kernel_size), strides=pair(layer.strides),
            padding=layer.padding, depthwise=weights["depthwise_kernel"][..., 0] if separable else None,
            matrix=matrix, scale=scale, bias=bias.astype(np.float32), **rest,  # type: ignore[arg-type]
        )  # fmt: skip


def _normalisation(node: Node, weights: Parameters) -> tuple[Array, Array]:
    """Batch normalisation as x · scale + offset, both (c,) float64."""
    assert isinstance(node.layer, BatchNormalization)
    return node.layer.scale_and_offset({name: array.astype(np.float64) for name, array in weights.items()})
