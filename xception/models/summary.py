"""Tables of a network's layers, as Keras and Deeplearning4j print them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from ..console.text import align_columns
from ..graph import Graph, Network, Node, of_graph
from ..graph.network import listed, nodes, output_shapes
from ..layers import Shape

if TYPE_CHECKING:
    from ..inspection.backbones import Base
    from ..inspection.inspector import Inspection

#: "keras", or "dl4j" for Deeplearning4j's.
Style = Literal["keras", "dl4j"]

Row = Sequence[str]
MOST_ROWS = 40  #: layers of a file that are listed one by one
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
        return _keras_table(graph, of_graph(graph) if network is None else network, expand_nested)
    if style == "dl4j":
        return _dl4j_table(graph)
    raise ValueError(f'style must be "keras" or "dl4j", got {style!r}')


def _keras_table(graph: Graph, network: Network, expand_nested: bool) -> str:
    rows = list(_keras_rows(graph, network, "", "", expand_nested))
    lines = align_columns([("Layer (type)", "Output Shape", "Param #", "Connected to"), *rows])
    width = max(map(len, lines))
    heavy, light = "=" * width, "-" * width
    counts = {
        "Total": graph.count_params(),
        "Trainable": graph.count_params(trainable=True),
        "Non-trainable": graph.count_params(trainable=False),
    }
    totals = [
        f"{label} params: {count:,} ({count * BYTES_PER_PARAMETER / 2**20:.2f} MB)"
        for label, count in counts.items()
    ]
    return "\n".join([f'Model: "{graph.name}"', light, lines[0], heavy, *lines[1:], heavy, *totals])


def _keras_rows(graph: Graph, network: Network, path: str, indent: str, expand: bool) -> Iterator[Row]:
    """Yield a row per layer; `path` is what names in the graph begin with."""
    for member in listed(network):
        name = f"{path}{member.name}"
        yield (
            f"{indent}{member.name} ({'InputLayer' if member.kind == 'Input' else member.kind})",
            ", ".join(map(_shape, output_shapes(graph, member, name))),
            f"{sum(node.count_params() for node in nodes(graph, member, name)):,}",
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


def _dl4j_row(node: Node) -> Row:
    """Return the cells: name (type), nIn,nOut, number of parameters, their shapes, inputs."""
    # Deeplearning4j's vertices, unlike its layers, cannot have parameters.
    count = "-" if node.kind in ("Input", "Add") else f"{node.count_params():,}"
    sizes, shapes = "-,-", "-"
    if node.parameters:
        shapes = ", ".join(
            f"{PARAMETER_NAMES.get(name, name)}:{_dl4j_shape(name, parameter.shape)}"
            for name, parameter in node.parameters.items()
        )
        first = next(iter(node.parameters.values())).shape
        channels = first[-2:][0] if first else node.output_shape[-1]
        sizes = f"{channels},{node.output_shape[-1]}"
    inputs = f"[{', '.join(node.inputs)}]" if node.inputs else "-"
    return f"{node.name} ({VERTEX_TYPES.get(node.kind, node.kind)})", sizes, count, shapes, inputs


def _dl4j_shape(name: str, shape: tuple[int, ...]) -> str:
    """Return a shape in Deeplearning4j's order of axes: (kh, kw, c, f) -> {f,c,kh,kw}."""
    if len(shape) == 4:
        kh, kw, channels, filters = shape
        shape = (filters, channels, kh, kw)
    elif len(shape) == 1:
        shape = (1, *shape)
    return f"{{{','.join(map(str, shape))}}}"


# --- what was found in a file ---------------------------------------------------------------


def inspected(found: Inspection) -> str:
    """What `inspection.inspect` found, to be read."""
    facts = [
        ("file", f"{found.file}, {found.size:,} bytes"),
        ("format", found.format),
        ("damage", found.damage),
        ("written by", _joined(_author(found), found.saved)),
        ("model", _joined(found.name, found.kind and f"({found.kind})", separator=" ")),
        *(("input", f"{name} {shape or ''}") for name, shape in found.inputs.items()),
        *(("output", f"{name} {shape or ''}") for name, shape in found.outputs.items()),
        ("parameters", _parameters(found)),
        ("arrays", _joined(*(f"{count} of {kind}" for kind, count in found.arrays.items()))),
        ("training", _training(found)),
        ("classes", found.class_names and f"{len(found.class_names)}: {_joined(*found.class_names[:10])}"),
        *(("Xception", _base(base)) for base in found.bases),
        ("Xception", "no base of one is in it" if found.arrays and not found.bases else None),
        ("runs here", f"yes: {found.loads_as}" if found.runs else "no"),
        *(("because", reason) for reason in found.reasons if reason != found.damage),
        ("but", f"its base does: {found.loads_as}" if found.loads_as and not found.runs else None),
    ]
    lines = [f"{key:<12}{text}".rstrip() for key, text in facts if text]
    return "\n".join([*lines, *_layers(found)])


def _layers(found: Inspection) -> list[str]:
    """A table of the layers, or of their classes where there are many."""
    if not found.layers:
        return []
    if len(found.layers) > MOST_ROWS:
        counts = Counter(row.kind for row in found.layers)
        return ["", *_columns([(str(count), kind) for kind, count in counts.most_common()], gap=2)]
    rows = [("Layer (type)", "Output Shape", "Param #")]
    for row in found.layers:
        shapes = ", ".join(map(str, row.output_shapes or ()))
        rows.append((f"{row.name} ({row.kind})", shapes, f"{row.parameters:,}" if shapes else ""))
    return ["", *_columns(rows if found.runs else [row[:1] for row in rows], gap=2)]


def _author(found: Inspection) -> str | None:
    keras = found.keras_version and f"Keras {found.keras_version}"
    return f"{found.written_by}, in the form of {keras}" if found.written_by and keras else keras


def _parameters(found: Inspection) -> str | None:
    if found.parameters is None or found.trainable is None:
        return f"{found.parameters:,}" if found.arrays else None
    return f"{found.parameters:,}: {found.trainable:,} trainable, {found.parameters - found.trainable:,} not"


def _training(found: Inspection) -> str | None:
    state = f"its state in {found.optimizer_arrays} arrays" if found.optimizer_arrays else "without its state"
    if found.optimizer is None:
        return "an optimizer, " + state if found.optimizer_arrays else None
    return f"{found.optimizer}, {state}"


def _base(base: Base) -> str:
    place = f"{base.place}: its base" if base.place else "its base"
    if not base.differing:
        return f"{place} equals the ImageNet weights shipped here"
    how = "fine-tuned" if base.differing < base.arrays else "trained anew, or every layer fine-tuned"
    return f"{place} differs from ImageNet's weights ({how}: {base.differing} of {base.arrays} arrays differ)"


def _joined(*parts: str | None, separator: str = ", ") -> str:
    return separator.join(part for part in parts if part)


# --- as text --------------------------------------------------------------------------------


def _shape(shape: Shape) -> str:
    return f"({', '.join(str(size) for size in (None, *shape))})"


def _columns(rows: Sequence[Row], gap: int) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) + gap for column in zip(*rows, strict=True)]
    lines = ("".join(map(str.ljust, row, widths)) for row in rows)
    return [line.rstrip() for line in lines]
