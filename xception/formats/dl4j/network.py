"""From the vertices of a configuration to a graph, whose arrays have the axes (n, h, w, c)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import ModelFileError
from ...graph import Graph
from ...graph.names import automatic_stem
from ...layers import Input, Shape
from .chains import Chain, Context, Layout, Slot
from .configuration import Configuration, Vertex
from .layer_kinds import LAYERS
from .vertex_kinds import read_preprocessor, read_vertex

#: The setting that states the layout of images, in the layers of beta7 and later.
LAYOUT_SETTINGS = ("cnn2dDataFormat", "cnn2DFormat", "dataFormat", "format")
SPATIAL_KINDS = (
    "ConvolutionLayer", "Convolution2D", "SeparableConvolution2D", "DepthwiseConvolution2D",
    "Deconvolution2D", "SubsamplingLayer",
)  # fmt: skip


@dataclass(frozen=True)
class StoredParameter:
    """A parameter of a node, and how it is stored."""

    node: str
    slot: Slot


@dataclass
class Built:
    """A network that was built, without numbers.

    Attributes:
        graph: The network.
        parameters: Its parameters, in the order in which they are stored.
        expected_sizes: (height, width) that the maps of a node must have.
    """

    graph: Graph
    parameters: list[StoredParameter] = field(default_factory=list)
    expected_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self) -> int:
        """Count the elements that are stored."""
        return sum(stored.slot.size for stored in self.parameters)


class SizeNeededError(Exception):
    """A layer that cannot be built without the size of the maps, which must be (height, width) at a node."""

    def __init__(self, built: Built) -> None:
        super().__init__()
        self.built = built


def find_layout(configuration: Configuration) -> Layout:
    """Return the order of the axes of images: NCHW, unless the layers state NHWC.

    Raises:
        ModelFileError: Layers state different ones.
    """
    stated: dict[str, str] = {}
    for vertex in configuration.vertices.values():
        record = vertex.record
        if record.kind in SPATIAL_KINDS:
            layout = record.text("cnn2dDataFormat", "NCHW")
            if layout not in ("NCHW", "NHWC"):
                raise record.refuse(f"the layout {layout} is not supported")
            stated[layout] = vertex.name
    if len(stated) > 1:
        raise ModelFileError(
            f"{stated['NHWC']} takes images as NHWC, {stated['NCHW']} as NCHW, which is not supported"
        )
    if stated:
        return "NHWC" if "NHWC" in stated else "NCHW"
    settings = [vertex.record.settings for vertex in configuration.vertices.values()]
    is_last = any(setting.get(name) == "NHWC" for setting in settings for name in LAYOUT_SETTINGS)
    return "NHWC" if is_last else "NCHW"


def build_network(
    name: str, configuration: Configuration, context: Context, input_shapes: Mapping[str, Shape]
) -> Built:
    """Build the graph of a configuration.

    Args:
        name: The graph's name.
        configuration: The vertices.
        context: How they are to be understood.
        input_shapes: Shape of each input.

    Raises:
        ModelFileError: A vertex is not supported, or does not fit.
        SizeNeededError: A layer needs to know the size of the maps.
    """
    built = Built(Graph(name))
    for input_name in configuration.inputs:
        built.graph.add(Input(input_shapes[input_name]), name=input_name)
    for vertex in configuration.vertices.values():
        _add_vertex(built, vertex, context)
    built.graph.set_inputs_and_outputs(configuration.inputs, configuration.outputs)
    return built


def _add_vertex(built: Built, vertex: Vertex, context: Context) -> None:
    graph, record = built.graph, vertex.record
    shapes = tuple(graph.nodes[name].output_shape for name in vertex.inputs)
    try:
        if vertex.is_layer:
            steps = _read_layer(vertex, shapes, context)
        else:
            steps = read_vertex(record, shapes, context)
        _add_chain(built, vertex, steps)
    except ValueError as error:
        if isinstance(error, ModelFileError):
            raise
        raise record.refuse(str(error)) from None


def _read_layer(vertex: Vertex, shapes: tuple[Shape, ...], context: Context) -> Chain:
    record = vertex.record
    if record.kind not in LAYERS:
        raise record.refuse("this layer is not supported")
    if len(shapes) != 1:
        raise record.refuse(f"takes one input, got {len(shapes)}")
    (shape,) = shapes
    first = Chain(())
    if vertex.preprocessor is not None:
        first = read_preprocessor(vertex.preprocessor, shape, context)
        for layer in first.steps:
            shape = layer.output_shape(shape)
    _check_layout(vertex, shape, context)
    return LAYERS[record.kind](record, shape, context).after(first)


def _check_layout(vertex: Vertex, shape: Shape, context: Context) -> None:
    """Check what a layer that is no convolution says of the layout of maps."""
    for name in LAYOUT_SETTINGS:
        layout = vertex.record.settings.get(name)
        if layout in ("NCHW", "NHWC") and layout != context.layout and len(shape) == 3:
            raise vertex.record.refuse(f"takes images as {layout}, other layers as {context.layout}")


def _add_chain(built: Built, vertex: Vertex, steps: Chain) -> None:
    """Add a chain of layers. The last one gets the vertex's name, so that its output is found by it."""
    graph, names, sources = built.graph, [], vertex.inputs
    if steps.expected_size is not None:
        built.expected_sizes[vertex.inputs[0]] = steps.expected_size
    for number, layer in enumerate(steps.steps, start=1):
        is_last = number == len(steps.steps)
        name = vertex.name if is_last else _free_name(graph, vertex.name, automatic_stem(layer.kind))
        if layer.kind == "PReLU" and steps.expected_size and None in graph.nodes[sources[0]].output_shape:
            raise SizeNeededError(built)
        graph.add(layer, *sources, name=name)
        names.append(name)
        sources = (name,)
    built.parameters += [StoredParameter(names[slot.step], slot) for slot in steps.slots]


def _free_name(graph: Graph, vertex: str, stem: str) -> str:
    name, number = f"{vertex}_{stem}", 1
    while name in graph.nodes:
        number += 1
        name = f"{vertex}_{stem}_{number}"
    return name
