"""Xception backbones in other models: where they are, and whether they have the ImageNet weights.

A backbone is the whole network but its classifier.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from .. import architecture
from ..formats.hdf5.file import File
from ..formats.keras.containers import AnySource
from ..formats.keras.reader import find_layout
from ..formats.pytorch.network import build_xception
from ..graph import Graph, GraphParameters, Network, Node
from ..kernels import Array
from ..models import pretrained

BLOCK_SIZE = 1 << 17  #: numbers that are compared at once; smaller and larger blocks took longer
#: From the bits of a float16 to those of a float32: by how many they are moved, where they then are, what is
#: added to the exponent; and half a unit in the last place of a float16, in those of a float32.
HALF_SHIFT, HALF_BITS, HALF_EXPONENT, HALF_UNIT = 13, ~0x70000000, (127 - 15) << 23, 1 << 12
HALF_EXPONENT_BITS = np.int16(0x7C00)  #: of a float16


@dataclass(frozen=True)
class Backbone:
    """An Xception without its classifier, in a model or file.

    Attributes:
        path: The layer that it is; "" if its layers are those of the model itself.
        arrays: Number of its arrays.
        differing: Number of arrays that differ from the ImageNet weights.
    """

    path: str
    arrays: int
    differing: int


@functools.cache
def reference_graph() -> Graph:
    """Return Xception's backbone for images of any size."""
    return architecture.xception((None, None, 3), include_top=False)


def find_in_model(graph: Graph, parameters: GraphParameters) -> list[Backbone]:
    """Find the backbones in a model, by its layers and wiring.

    Args:
        graph: The model.
        parameters: {node name: {parameter name: float32 array}}.
    """
    backbones = []
    references = reference_graph(), build_xception((None, None, 3), None)  # as Keras and PyTorch compute it
    for nodes in (nodes for reference in references for nodes in _find_nodes(graph, reference)):
        held = {name: parameters[node.owner] for name, node in nodes.items() if node.parameters}
        path = nodes["block1_conv1"].name.rpartition("/")[0]
        backbones.append(Backbone(path, *_compare_with_imagenet(held)))
    return backbones


def find_in_file(file: File, source: AnySource) -> list[Backbone]:
    """Find the backbones among the arrays in a weights file, by their names or their order.

    Args:
        file: The open file.
        source: Where its bytes are.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    graph = reference_graph()
    outline = Network.from_graph(graph)
    layout = find_layout(file)
    matches = [("", layout.match(outline, graph, file)), *layout.match_nested(outline, graph, file)]
    return [
        Backbone(path, *_compare_with_imagenet(match.load(source)))
        for path, match in matches
        if not match.missing and not match.mismatched  # whatever else is in the file
    ]


def _find_nodes(graph: Graph, reference: Graph) -> Iterator[dict[str, Node]]:
    """Yield every backbone in a graph: its nodes by the names that Xception gives them.

    Layers and wiring decide, and no name. A backbone that is used several times is found once.
    """
    readers: dict[str, list[Node]] = {name: [] for name in graph.nodes}
    for node in graph.nodes.values():
        for source in node.inputs:
            readers[source].append(node)
    entry, first, *others = reference.nodes.values()
    for start in graph.nodes.values():
        if start.owner != start.name or not _is_same_layer(start, first):
            continue
        nodes = {entry.name: graph.nodes[start.inputs[0]], first.name: start}
        for expected in others:
            sources = {nodes[source].name for source in expected.inputs}
            fitting = (
                node
                for node in readers[nodes[expected.inputs[0]].name]
                if _is_same_layer(node, expected) and set(node.inputs) == sources
            )
            match = next(fitting, None)
            if match is None:
                break
            nodes[expected.name] = match
        else:
            yield nodes


def _is_same_layer(node: Node, expected: Node) -> bool:
    settings = ("strides", "padding", "activation")
    layer = node.frame_layer  # a video model applies a backbone to every frame
    return (layer.kind, node.parameters) == (expected.kind, expected.parameters) and all(
        getattr(layer, name, None) == getattr(expected.layer, name, None) for name in settings
    )


def _compare_with_imagenet(parameters: GraphParameters) -> tuple[int, int]:
    """Return the number of arrays, and how many of them differ from the shipped ImageNet weights."""
    arrays = {
        (name, key): parameters[name][key]
        for name, node in reference_graph().nodes.items()
        for key in node.parameters
    }
    shipped = _map_shipped({name: array.size for name, array in arrays.items()})
    return len(arrays), len(arrays) - sum(map(_equals_rounded, shipped, arrays.values()))


def _map_shipped(sizes: Mapping[tuple[str, str], int]) -> list[Array]:
    """Return arrays of the shipped weights as they are in the file: (n,) float16 or float32.

    This file is no stranger's, so it is read without the checks of `formats/`, and by h5py's low-level
    interface: both would take longer than the comparison.

    Args:
        sizes: {(node name, parameter name): number of elements}.
    """
    path = pretrained.shipped_base()
    content = np.memmap(path, np.uint8, "r").view(np.ndarray)
    arrays: list[Array] = []
    with h5py.File(path, "r") as file:
        for (name, key), count in sizes.items():
            dataset = h5py.h5d.open(file.id, f"{name}/{name}/{key}:0".encode())
            start, size = dataset.get_offset(), dataset.get_storage_size()
            kind = np.dtype("f2" if size == 2 * count else "f4")
            arrays.append(content[start : start + size].view(kind))
    return arrays


def _equals_rounded(shipped: Array, array: Array) -> bool:
    """Return True if an array equals a shipped one, after rounding to its type: kernels are float16.

    Args:
        shipped: (n,) float16 or float32.
        array: As many float32, of any shape.
    """
    array = array.reshape(-1)
    equals = np.array_equal if shipped.dtype == np.float32 else rounds_to
    blocks = (slice(start, start + BLOCK_SIZE) for start in range(0, len(array), BLOCK_SIZE))
    return all(equals(array[block], shipped[block]) for block in blocks)


def rounds_to(array: Array, halves: NDArray[np.float16]) -> bool:
    """Return True if rounding makes these float16 (n,) of float32 numbers (n,).

    With NumPy's own rounding of all numbers, the comparison takes more than three times as long. Most need
    none: the bits of a normal float16 make those of the same float32, and what is less than half a unit of
    the former away is rounded to it.
    """
    bits = halves.view(np.int16)
    distances = bits.astype(np.int32)
    distances <<= HALF_SHIFT
    distances &= HALF_BITS  # the sign was repeated
    distances += HALF_EXPONENT + HALF_UNIT - 1
    distances -= array.view(np.int32)
    unsure = distances.view(np.uint32) > 2 * (HALF_UNIT - 1)  # ties, and what differs
    unsure |= bits & HALF_EXPONENT_BITS == 0  # 0 and what is near it have other bits
    with np.errstate(over="ignore"):
        return np.array_equal(halves[unsure], array[unsure].astype(np.float16))
