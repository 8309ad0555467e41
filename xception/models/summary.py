"""A graph as a table of its layers, the way Keras prints it and the way Deeplearning4j does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph import Graph, Node, network
from ..graph.network import Network
from ..layers import Shape

Row = Sequence[str]


def table(
    graph: Graph, style: str = "keras", outline: Network | None = None, expand_nested: bool = False
) -> str:
    """The table of all layers, with totals. style: "keras" or "dl4j".

    expand_nested: also the layers of networks within the network.
    """
    if style == "keras":
        return _keras(graph, outline or network.of_graph(graph), expand_nested)
    if style == "dl4j":
        return _dl4j(graph)
    raise ValueError(f'style must be "keras" or "dl4j", got {style!r}')


def _keras(graph: Graph, outline: Network, expand_nested: bool) -> str:
    rows = list(_rows(graph, outline, "", "", expand_nested))
    body = _columns([("Layer (type)", "Output Shape", "Param #", "Connected to"), *rows], gap=2)
    width = max(map(len, body))
    heavy, light = "=" * width, "-" * width
    counts = {
        "Total": graph.count_params(),
        "Trainable": graph.count_params(trainable=True),
        "Non-trainable": graph.count_params(trainable=False),
    }
    totals = [f"{label} params: {count:,} ({count * 4 / 2**20:.2f} MB)" for label, count in counts.items()]
    return "\n".join([f'Model: "{graph.name}"', light, body[0], heavy, *body[1:], heavy, *totals])


def _rows(graph: Graph, outline: Network, path: str, indent: str, expand: bool) -> Iterator[Row]:
    for member in network.listed(outline):
        name = f"{path}{member.name}"
        shapes = ", ".join(_shape(shape) for shape in network.output_shapes(graph, member, name))
        yield (
            f"{indent}{member.name} ({'InputLayer' if member.kind == 'Input' else member.kind})",
            shapes,
            f"{sum(node.count_params() for node in network.nodes(graph, member, name)):,}",
            ", ".join(tensor[0] for use in member.uses for tensor in use) or "-",
        )
        if expand and isinstance(member.layer, Network):
            yield from _rows(graph, member.layer, f"{name}/", f"{indent}  ", expand)


def _dl4j(graph: Graph) -> str:
    rows = [_vertex(node) for node in graph.topological_order()]
    heading = ("VertexName (VertexType)", "nIn,nOut", "TotalParams", "ParamsShape", "Vertex Inputs")
    body = _columns([heading, *rows], gap=3)
    width = max(map(len, body))
    heavy, light = "=" * width, "-" * width
    total = graph.count_params()
    # Deeplearning4j counts the running means and variances as trainable; frozen are only
    # layers that somebody froze.
    counts = {"Total Parameters": total, "Trainable Parameters": total, "Frozen Parameters": 0}
    totals = [f"{label:>28}:  {count:,}" for label, count in counts.items()]
    return "\n".join([heavy, body[0], heavy, *body[1:], light, *totals, heavy])


VERTEX_TYPES = {
    "Input": "InputVertex",
    "Conv2D": "ConvolutionLayer",
    "SeparableConv2D": "SeparableConvolution2DLayer",
    "BatchNormalization": "BatchNormalization",
    "Activation": "ActivationLayer",
    "MaxPooling2D": "SubsamplingLayer",
    "GlobalAveragePooling2D": "GlobalPoolingLayer",
    "GlobalMaxPooling2D": "GlobalPoolingLayer",
    "Add": "ElementWiseVertex",
    "Dense": "DenseLayer",
    "Dropout": "DropoutLayer",
}
PARAMETER_NAMES = {
    "kernel": "W",
    "depthwise_kernel": "W",
    "pointwise_kernel": "pW",
    "bias": "b",
    "moving_mean": "mean",
    "moving_variance": "var",
}


def _vertex(node: Node) -> Row:
    """name (type), nIn,nOut, parameters, their shapes, inputs."""
    # Vertices, unlike layers, cannot have parameters.
    count = "-" if node.kind in ("Input", "Add") else f"{node.count_params():,}"
    sizes, shapes = "-,-", "-"
    if node.parameters:
        shapes = ", ".join(
            f"{PARAMETER_NAMES.get(name, name)}:{_dl4j_shape(name, parameter.shape)}"
            for name, parameter in node.parameters.items()
        )
        first = next(iter(node.parameters.values())).shape
        entering = first[-2:][0] if first else node.output_shape[-1]
        sizes = f"{entering},{node.output_shape[-1]}"
    inputs = f"[{', '.join(node.inputs)}]" if node.inputs else "-"
    return f"{node.name} ({VERTEX_TYPES.get(node.kind, node.kind)})", sizes, count, shapes, inputs


def _dl4j_shape(name: str, shape: tuple[int, ...]) -> str:
    """Channels out before channels in before the window: (kh, kw, c, f) -> {f,c,kh,kw}."""
    if len(shape) == 4:
        kh, kw, channels, filters = shape
        shape = (filters, channels, kh, kw)
    elif len(shape) == 1:
        shape = (1, *shape)
    return f"{{{','.join(map(str, shape))}}}"


# --- as text --------------------------------------------------------------------------------


def _shape(shape: Shape) -> str:
    return f"({', '.join(str(size) for size in (None, *shape))})"


def _columns(rows: Sequence[Row], gap: int) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) + gap for column in zip(*rows, strict=True)]
    lines = ("".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]
