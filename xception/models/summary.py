"""Tables of a network's layers, as Keras and Deeplearning4j print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..console.tables import Column, lay_out_table, table_columns, wrap
from ..console.text import align_columns, terminal_safe
from ..console.text_layout import PLAIN, TextLayout
from ..graph import Graph, Network, Node
from ..graph.network import member_nodes, output_shapes
from ..layers import BatchNormalization, Shape
from .trainable import TrainableFlags

#: "keras", or "dl4j" for Deeplearning4j's.
Style = Literal["keras", "dl4j"]

BYTES_PER_PARAMETER = 4  #: of float32

KERAS_COLUMNS = (
    Column("Layer (type)", may_cut=True), Column("Output Shape"), Column("Param #", is_number=True),
    Column("Connected to", may_cut=True),
)  # fmt: skip
DL4J_HEADINGS = ("VertexName (VertexType)", "nIn,nOut", "TotalParams", "ParamsShape", "Vertex Inputs")
DL4J_COLUMNS = (
    Column("VertexName", may_cut=True), Column("nIn,nOut"), Column("TotalParams", is_number=True),
    Column("ParamsShape", may_cut=True), Column("Vertex Inputs", may_cut=True),
)  # fmt: skip

ABOVE = "^"  #: the row above, as an input where a terminal is narrow
#: How names in Keras Applications end that say what a layer is.
ABBREVIATIONS = {
    "Conv2D": "conv",
    "SeparableConv2D": "sepconv",
    "BatchNormalization": "bn",
    "Activation": "act",
    "MaxPooling2D": "pool",
    "GlobalAveragePooling2D": "avg_pool",
}


@dataclass(frozen=True)
class _KerasRow:
    """A layer: `above` is the name of that of the row above, if both lie in the same network."""

    indent: str
    name: str
    kind: str
    shape: str
    count: str
    inputs: tuple[str, ...]
    above: str | None

    def cells(self, is_narrow: bool) -> tuple[str, str, str, str]:
        name = self.name if is_narrow and says_kind(self.name, self.kind) else f"{self.name} ({self.kind})"
        return f"{self.indent}{name}", self.shape, self.count, self._inputs(is_narrow)

    def _inputs(self, is_narrow: bool) -> str:
        if self.inputs == (self.above,):
            return ""
        names = (ABOVE if is_narrow and name == self.above else name for name in self.inputs)
        return ", ".join(names) or "-"


def table(
    graph: Graph,
    style: Style = "keras",
    network: Network | None = None,
    expand_nested: bool = False,
    layout: TextLayout = PLAIN,
) -> str:
    """Return a table of a network's layers, with totals.

    Args:
        graph: The network.
        style: "keras": a row per layer, in Keras's order. "dl4j": a row per node of the graph.
        network: The same network as Keras nests it. None if it has no networks within.
        expand_nested: Whether to list the layers of networks within the network, in Keras's style.
        layout: The width to keep to. Where it is too narrow for all, a type that is in the name is left out
            first; then names are cut in the middle.

    Raises:
        ValueError: `style` is neither.
    """
    if style == "keras":
        network = Network.from_graph(graph) if network is None else network
        return _keras_table(graph, network, expand_nested, layout)
    if style == "dl4j":
        return _dl4j_table(graph, layout)
    raise ValueError(f'style must be "keras" or "dl4j", got {style!r}')


def _keras_table(graph: Graph, network: Network, expand_nested: bool, layout: TextLayout) -> str:
    rows = list(_keras_rows(graph, network, "", "", expand_nested))
    cells = [row.cells(is_narrow=False) for row in rows]
    is_narrow = layout.width is not None and table_columns(KERAS_COLUMNS, cells) > layout.width
    if is_narrow:
        cells = [row.cells(is_narrow=True) for row in rows]
    lines = lay_out_table(KERAS_COLUMNS, cells, layout)
    width = table_columns(KERAS_COLUMNS, cells)
    width = width if layout.width is None else min(width, layout.width)
    total, trainable = graph.count_params(), _count_trainable(graph, network)
    counts = {"Total": total, "Trainable": trainable, "Non-trainable": total - trainable}
    notes = [f"Connected to: empty{f' or {ABOVE}' if is_narrow else ''} where it is the row above"]
    notes += [
        f"{label} params: {count:,} ({count * BYTES_PER_PARAMETER / 2**20:.2f} MB)"
        for label, count in counts.items()
    ]
    notes += _statistics_lines(graph)
    notes = [line for note in notes for line in wrap(note, layout)]
    heavy, light = "=" * width, "-" * width
    title = f'Model: "{terminal_safe(graph.name)}"'
    return "\n".join([title, light, lines[0], heavy, *lines[1:], heavy, *notes])


def _count_trainable(graph: Graph, network: Network) -> int:
    """Count the elements of parameters that training changes, by the network's present flags."""
    flags = TrainableFlags(network).leaves()
    return sum(
        parameter.size
        for name, flag in flags.items()
        if flag
        for parameter in graph.nodes[name].parameters.values()
        if parameter.trainable
    )


def _statistics_lines(graph: Graph) -> list[str]:
    """Say what training does to the moving statistics of batch normalization, if there are any.

    In Keras they move in `fit` unless the layer is frozen: https://github.com/keras-team/keras/issues/9965
    """
    if not any(isinstance(node.frame_layer, BatchNormalization) for node in graph.nodes.values()):
        return []
    return ["Statistics of normalization: frozen in training, unless Trainer has statistics='batch'"]


def _keras_rows(graph: Graph, network: Network, path: str, indent: str, expand: bool) -> Iterator[_KerasRow]:
    """Yield a row per layer; `path` is what names in the graph begin with."""
    above = None
    for member in network.visible_members():
        name = f"{path}{member.name}"
        yield _KerasRow(
            indent,
            member.name,
            "InputLayer" if member.is_input else member.kind,
            ", ".join(map(_shape, output_shapes(graph, member, name))),
            f"{sum(node.count_params() for node in member_nodes(graph, member, name)):,}",
            tuple(tensor[0] for use in member.uses for tensor in use),
            above,
        )
        above = member.name
        if expand and isinstance(member.layer, Network):
            yield from _keras_rows(graph, member.layer, f"{name}/", f"{indent}  ", expand)
            above = None


def says_kind(name: str, kind: str) -> bool:
    """Return True if a layer's name tells its class, as "conv2d_1" and "block1_conv1_bn" do."""
    stem = name.lower().rstrip("_0123456789")
    if stem.replace("_", "").endswith(kind.lower()):
        return True
    return kind in ABBREVIATIONS and f"_{stem}".endswith(f"_{ABBREVIATIONS[kind]}")


def _dl4j_table(graph: Graph, layout: TextLayout) -> str:
    nodes = graph.topological_order()
    lines = align_columns([DL4J_HEADINGS, *map(_dl4j_row, nodes)], gap=3)
    if layout.width is not None and max(map(len, lines)) > layout.width:
        lines = lay_out_table(DL4J_COLUMNS, _narrow_dl4j_rows(nodes), layout)
        width = layout.width
    else:
        width = max(map(len, lines))
        lines[0] = layout.paint(lines[0], "bold")
    heavy, light = "=" * width, "-" * width
    total = graph.count_params()
    # Deeplearning4j counts moving means and variances as trainable, and calls a layer frozen only if
    # somebody froze it.
    counts = {"Total Parameters": total, "Trainable Parameters": total, "Frozen Parameters": 0}
    totals = [f"{label:>28}:  {count:,}" for label, count in counts.items()]
    return "\n".join([heavy, lines[0], heavy, *lines[1:], light, *totals, heavy])


#: Layers of Deeplearning4j, which it counts parameters of.
LAYER_TYPES = {
    "Conv2D": "ConvolutionLayer",
    "SeparableConv2D": "SeparableConvolution2DLayer",
    "DepthwiseConv2D": "DepthwiseConvolution2DLayer",
    "Conv2DTranspose": "Deconvolution2DLayer",
    "Activation": "ActivationLayer",
    "ReLU": "ActivationLayer",
    "LeakyReLU": "ActivationLayer",
    "ELU": "ActivationLayer",
    "Softmax": "ActivationLayer",
    "Cube": "ActivationLayer",
    "RationalTanh": "ActivationLayer",
    "MaxPooling2D": "SubsamplingLayer",
    "AveragePooling2D": "SubsamplingLayer",
    "PaddedPooling2D": "SubsamplingLayer",
    "GlobalAveragePooling2D": "GlobalPoolingLayer",
    "GlobalMaxPooling2D": "GlobalPoolingLayer",
    "GlobalPNormPooling2D": "GlobalPoolingLayer",
    "Dense": "DenseLayer",
    "Dropout": "DropoutLayer",
    "ZeroPadding2D": "ZeroPaddingLayer",
    "Cropping2D": "Cropping2DLayer",
    "UpSampling2D": "Upsampling2D",
}
#: Its vertices, which, unlike layers, cannot have parameters.
VERTEX_TYPES = {
    "Input": "InputVertex",
    "Add": "ElementWiseVertex",
    "Average": "ElementWiseVertex",
    "Maximum": "ElementWiseVertex",
    "Multiply": "ElementWiseVertex",
    "Subtract": "ElementWiseVertex",
    "Concatenate": "MergeVertex",
    "Flatten": "PreprocessorVertex",
    "Permute": "PreprocessorVertex",
    "Reshape": "PreprocessorVertex",
    "GetItem": "SubsetVertex",
    "Normalize": "L2NormalizeVertex",
    "Rescaling": "ScaleVertex",
}
PARAMETER_NAMES = {
    "kernel": "W",
    "depthwise_kernel": "W",
    "pointwise_kernel": "pW",
    "bias": "b",
    "moving_mean": "mean",
    "moving_variance": "var",
}


def _dl4j_row(node: Node) -> tuple[str, str, str, str, str]:
    """Return the cells: name (type), nIn,nOut, number of parameters, their shapes, inputs."""
    vertex_type = VERTEX_TYPES.get(node.kind)
    count = f"{node.count_params():,}" if vertex_type is None else "-"
    sizes, shapes = "-,-", "-"
    if node.parameters:
        shapes = ", ".join(f"{name}:{shape}" for name, shape in _dl4j_parameters(node))
        first = next(iter(node.parameters.values())).shape
        channels = first[-2:][0] if first else node.output_shape[-1]
        sizes = f"{channels},{node.output_shape[-1]}"
    inputs = f"[{', '.join(node.inputs)}]" if node.inputs else "-"
    kind = vertex_type or LAYER_TYPES.get(node.kind, node.kind)
    return f"{node.name} ({kind})", sizes, count, shapes, inputs


def _narrow_dl4j_rows(nodes: Iterable[Node]) -> Iterator[tuple[str, ...]]:
    """Yield cells for a narrow terminal: no types, each shape once, and `ABOVE` for the row above."""
    above = None
    for node in nodes:
        _, sizes, count, shapes, inputs = _dl4j_row(node)
        names: dict[str, list[str]] = {}
        for name, shape in _dl4j_parameters(node):
            names.setdefault(shape, []).append(name)
        if names:
            shapes = ", ".join(f"{','.join(same)}:{shape}" for shape, same in names.items())
        if node.inputs:
            inputs = f"[{', '.join(ABOVE if name == above else name for name in node.inputs)}]"
        yield node.name, sizes, count, shapes, inputs
        above = node.name


def _dl4j_parameters(node: Node) -> Iterator[tuple[str, str]]:
    """Yield Deeplearning4j's name and shape of each parameter."""
    for name, parameter in node.parameters.items():
        yield PARAMETER_NAMES.get(name, name), _dl4j_shape(node.kind, parameter.shape)


def _dl4j_shape(kind: str, shape: tuple[int, ...]) -> str:
    """Return a shape in Deeplearning4j's order of axes: (kh, kw, c, f) -> {f,c,kh,kw}, but for depthwise."""
    if len(shape) == 4 and kind != "DepthwiseConv2D":
        kh, kw, channels, filters = shape
        shape = (filters, channels, kh, kw)
    elif len(shape) == 1:
        shape = (1, *shape)
    return f"{{{','.join(map(str, shape))}}}"


# --- as text --------------------------------------------------------------------------------


def _shape(shape: Shape) -> str:
    return f"({', '.join(str(size) for size in (None, *shape))})"
