"""Shapes of the inputs, which a configuration does not state.

The number of channels is that of the first layers. The size is open, as it is in Deeplearning4j, unless a
layer that flattens maps says how large they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import ModelFileError
from ...layers import Shape
from .configuration import Configuration, Vertex
from .network import Built

#: Layers that take maps, or vectors, of a number of channels that they state.
TAKE_MAPS = (
    "ConvolutionLayer", "Convolution2D", "SeparableConvolution2D", "DepthwiseConvolution2D",
    "Deconvolution2D",
)  # fmt: skip
TAKE_VECTORS = ("DenseLayer", "OutputLayer")
#: Layers that take maps and leave their channels as they are.
KEEP_MAPS = (
    "SubsamplingLayer", "ZeroPaddingLayer", "Cropping2D", "Upsampling2D", "LocalResponseNormalization",
    "GlobalPoolingLayer", "PoolHelperVertex",
)  # fmt: skip
#: Vertices and layers that take any shape and leave it as it is.
KEEP_ALL = (
    "ActivationLayer", "LossLayer", "CnnLossLayer", "DropoutLayer", "ElementWiseVertex", "ScaleVertex",
    "ShiftVertex", "L2NormalizeVertex",
)  # fmt: skip
MAX_SIZE = 4096  #: of an image, each way: sizes up to it are tried
XCEPTION_SIZE = 299


def find_input_shapes(configuration: Configuration) -> dict[str, Shape]:
    """Return the shape of each input, (None, None, channels) or (features,).

    Raises:
        ModelFileError: The layers that read an input do not tell.
    """
    readers: dict[str, list[Vertex]] = {}
    for vertex in configuration.vertices.values():
        for source in vertex.inputs:
            readers.setdefault(source, []).append(vertex)
    return {name: _find_shape(name, readers) for name in configuration.inputs}


def _find_shape(name: str, readers: Mapping[str, list[Vertex]]) -> Shape:
    channels: int | None = None
    takes_maps = False
    queue, seen = [name], {name}
    for source in queue:
        for vertex in readers.get(source, ()):
            record, passes_on = vertex.record, False
            preprocessor = vertex.preprocessor
            if record.kind == "PreprocessorVertex":
                preprocessor = record.child("preProcessor")
            if preprocessor is not None and preprocessor.kind.endswith("CnnToFeedForwardPreProcessor"):
                size = preprocessor.integer("inputHeight", 0), preprocessor.integer("inputWidth", 0)
                channels = channels or preprocessor.integer("numChannels", 0) or None
                takes_maps = takes_maps or all(size)
            elif preprocessor is not None and preprocessor.kind == "FeedForwardToCnnPreProcessor":
                sizes = [preprocessor.integer(key) for key in ("inputHeight", "inputWidth", "numChannels")]
                return (sizes[0] * sizes[1] * sizes[2],)
            elif preprocessor is not None:
                continue
            elif record.kind in TAKE_MAPS:
                channels, takes_maps = channels or record.integer("nin", minimum=1), True
            elif record.kind in TAKE_VECTORS:
                return (record.integer("nin", minimum=1),)
            elif record.kind == "BatchNormalization":
                channels, passes_on = channels or record.integer("nout", minimum=1), True
            elif record.kind in KEEP_MAPS:
                takes_maps = passes_on = True
            else:
                passes_on = record.kind in KEEP_ALL
            if passes_on and vertex.name not in seen:
                seen.add(vertex.name)
                queue.append(vertex.name)
    if channels is None:
        raise ModelFileError(
            f"its layers do not say what the input {name} takes; give input_shape=(height, width, channels)"
        )
    return (None, None, channels) if takes_maps else (channels,)


def find_size(built: Built, channels: int) -> tuple[range, range] | None:
    """Find the sizes of an image at which maps have the sizes that layers expect.

    Each way, the size of a map grows with that of the image.

    Args:
        built: A network of one input of open size.
        channels: Channels of the input.

    Returns:
        Heights and widths that fit. None if no layer expects a size, or none fits.
    """
    if not built.expected_sizes:
        return None
    node, expected = next(iter(built.expected_sizes.items()))
    needed = built.graph.ancestors([node])
    nodes = [other for other in built.graph.nodes.values() if other.name in needed]

    def sizes_at(size: int) -> tuple[int, int]:
        shapes: dict[str, Shape] = {}
        try:
            for other in nodes:
                inputs = [shapes[name] for name in other.inputs]
                shape = other.layer.output_shape(*inputs) if inputs else (size, size, channels)
                shapes[other.name] = shape
        except ValueError:  # too small
            return 0, 0
        return shapes[node][0] or 0, shapes[node][1] or 0

    ranges = []
    for axis, size in enumerate(expected):
        first = _first(lambda n, axis=axis, size=size: sizes_at(n)[axis] >= size)  # type: ignore[misc]
        end = _first(lambda n, axis=axis, size=size: sizes_at(n)[axis] > size)  # type: ignore[misc]
        ranges.append(range(first, end))
    heights, widths = ranges
    return (heights, widths) if heights and widths else None


def choose_size(sizes: range) -> int:
    """Choose the size that photographs most likely had: 299, else the one that 2 divides most often."""
    if XCEPTION_SIZE in sizes:
        return XCEPTION_SIZE
    return max(sizes, key=lambda size: (size & -size, -size))


def _first(condition: Callable[[int], bool]) -> int:
    """Return the first size at which a condition holds, which then holds for all larger ones."""
    low, high = 1, MAX_SIZE + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle) else (middle + 1, high)
    return low
