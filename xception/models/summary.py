"""Tables of a network's layers, as Keras and Deeplearning4j print them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from ..console.text import align_columns
from ..graph import Graph, Network, Node
from ..graph.network import member_nodes, output_shapes
from ..layers import BatchNormalization, Shape
from .trainable import TrainableFlags

#: "keras", or "dl4j" for Deeplearning4j's.
Style = Literal["keras", "dl4j"]

Row = Sequence[str]
BYTES_PER_PARAMETER = 4  #: of float32


def table(
    graph: Graph, style: Style = "keras", network: Network | None = None, expand_nested: bool = False
) -> str:
    """Return a table of a network's layers, with totals.

    Args:
        graph: The network.
        style: "keras": a row per layer, in Keras's order. "dl4j": a row per node of the graph.
        network: The same network as Keras nests it. None if it has no networks within.
        expand_nested: Whether to list the layers of networks within the network, in Keras's style.

    Raises:
        ValueError: `style` is neither.
    """
    if style == "keras":
        return _keras_table(graph, Network.from_graph(graph) if network is None else network, expand_nested)
    if style == "dl4j":
        return _dl4j_table(graph)
    raise ValueError(f'style must be "keras" or "dl4j", got {style!r}')


def _keras_table(graph: Graph, network: Network, expand_nested: bool) -> str:
    rows = list(_keras_rows(graph, network, "", "", expand_nested))
    lines = align_columns([("Layer (type)", "Output Shape", "Param #", "Connected to"), *rows])
    width = max(map(len, lines))
    heavy, light = "=" * width, "-" * width
    total, trainable = graph.count_params(), _count_trainable(graph, network)
    counts = {"Total": total, "Trainable": trainable, "Non-trainable": total - trainable}
    totals = [
        f"{label} params: {count:,} ({count * BYTES_PER_PARAMETER / 2**20:.2f} MB)"
        for label, count in counts.items()
    ]
    totals += _statistics_lines(graph)
    return "\n".join([f'Model: "{graph.name}"', light, lines[0], heavy, *lines[1:], heavy, *totals])


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


def _keras_rows(graph: Graph, network: Network, path: str, indent: str, expand: bool) -> Iterator[Row]:
    """Yield a row per layer; `path` is what names in the graph begin with."""
    for member in network.visible_members():
        name = f"{path}{member.name}"
        yield (
            f"{indent}{member.name} ({'InputLayer' if member.is_input else member.kind})",
            ", ".join(map(_shape, output_shapes(graph, member, name))),
            f"{sum(node.count_params() for node in member_nodes(graph, member, name)):,}",
            ", ".join(tensor[0] for use in member.uses for tensor in use) or "-",
        )
        if expand and isinstance(member.layer, Network):
            yield from _keras_rows(graph, member.layer, f"{name}/", f"{indent}  ", expand)


def _dl4j_table(graph: Graph) -> str:
    rows = [_dl4j_row(node) for node in graph.topological_order()]
    heading = ("VertexName (VertexType)", "nIn,nOut", "TotalParams", "ParamsShape", "Vertex Inputs")
    lines = align_columns([heading, *rows], gap=3)
    width = max(map(len, lines))
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


def _dl4j_row(node: Node) -> Row:
    """Return the cells: name (type), nIn,nOut, number of parameters, their shapes, inputs."""
    vertex_type = VERTEX_TYPES.get(node.kind)
    count = f"{node.count_params():,}" if vertex_type is None else "-"
    sizes, shapes = "-,-", "-"
    if node.parameters:
        shapes = ", ".join(
            f"{PARAMETER_NAMES.get(name, name)}:{_dl4j_shape(node.kind, parameter.shape)}"
            for name, parameter in node.parameters.items()
        )
        first = next(iter(node.parameters.values())).shape
        channels = first[-2:][0] if first else node.output_shape[-1]
        sizes = f"{channels},{node.output_shape[-1]}"
    inputs = f"[{', '.join(node.inputs)}]" if node.inputs else "-"
    kind = vertex_type or LAYER_TYPES.get(node.kind, node.kind)
    return f"{node.name} ({kind})", sizes, count, shapes, inputs


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
