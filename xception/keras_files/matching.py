"""Which layer of a file belongs to which node of a graph.

Names settle it where a layer has one of its own. Layers that Keras numbered are matched within
their kind: the lowest number of the file to the first such node, and so on. So the counters may
start anywhere (`conv2d_5 … 8`), and the published weights, in which every layer is numbered
(`convolution2d_1`, `batchnormalization_36`, `dense_2`), need no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..graph import Graph, Node, automatic_stem, is_automatic
from ..kernels import Array
from . import arrays
from .arrays import StoredArray
from .hdf5 import WeightsFileError

#: Keras 1 wrote these stems where Keras 2 writes others.
OLD_STEMS = {
    "convolution2d": "conv2d",
    "separableconvolution2d": "separable_conv2d",
    "batchnormalization": "batch_normalization",
}


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file: its name there, and its arrays, not read yet.

    The arrays are keyed by parameter ("kernel"), or by position ("0") where the file's layout
    knows no more.
    """

    name: str
    arrays: Mapping[str, StoredArray]

    @property
    def stem(self) -> str:
        """The name without its number: "convolution2d_1" -> "conv2d"."""
        stem = re.sub(r"_\d+$", "", self.name)
        return OLD_STEMS.get(stem, stem)

    @property
    def number(self) -> int:
        found = re.search(r"_(\d{1,9})$", self.name)
        return int(found[1]) if found else 0

    @property
    def classifier_shape(self) -> tuple[int, ...] | None:
        """The shape of its kernel, if this is a dense layer."""
        shapes = [array.shape for array in self.arrays.values() if len(array.shape) > 1]
        return shapes[0] if len(shapes) == 1 and len(shapes[0]) == 2 else None


def match(
    graph: Graph, layers: Iterable[StoredLayer], numbering: Iterable[str], file: str
) -> dict[str, StoredLayer]:
    """{node name: its layer in the file}, one for one, with every shape checked.

    `numbering`: the graph's nodes in the order by which the file's numbers count.
    Raises WeightsFileError where something is missing, left over, or of another shape.
    """
    left = {layer.name: layer for layer in layers}
    nodes = [graph.nodes[name] for name in numbering if graph.nodes[name].parameters]
    found = {node.name: left.pop(node.name) for node in nodes if node.name in left and not is_automatic(node)}
    nodes = [node for node in nodes if node.name not in found]
    for stem in dict.fromkeys(automatic_stem(node.kind) for node in nodes):
        places = [node for node in nodes if automatic_stem(node.kind) == stem]
        numbered = sorted((layer for layer in left.values() if layer.stem == stem), key=lambda x: x.number)
        if len(places) == len(numbered):
            for node, layer in zip(places, numbered, strict=True):
                found[node.name] = left.pop(layer.name)
    _refuse_differences(graph, found, left, file)
    for name, layer in found.items():
        _check_shapes(graph.nodes[name], layer, file)
    return found


def load(graph: Graph, matched: Mapping[str, StoredLayer], path: Path) -> dict[str, dict[str, Array]]:
    """Read every matched layer of the file at `path`: {node: {parameter: float32 array}}."""
    places = {
        (name, parameter): array
        for name, layer in matched.items()
        for parameter, array in _by_parameter(graph.nodes[name], layer).items()
    }
    parameters: dict[str, dict[str, Array]] = {name: {} for name in matched}
    for (name, parameter), value in zip(places, arrays.read(list(places.values()), path), strict=True):
        parameters[name][parameter] = value
    return parameters


def _by_parameter(node: Node, layer: StoredLayer) -> dict[str, StoredArray]:
    """The layer's arrays under the node's own parameter names, as far as they are there."""
    if all(key.isdecimal() for key in layer.arrays):
        return dict(zip(node.parameters, layer.arrays.values(), strict=False))
    return {key: layer.arrays[key] for key in node.parameters if key in layer.arrays}


def _check_shapes(node: Node, layer: StoredLayer, file: str) -> None:
    stored = _by_parameter(node, layer)
    if len(stored) != len(node.parameters) or len(stored) != len(layer.arrays):
        raise WeightsFileError(
            f"{file}: {_called(node.name, layer.name)}: expected {', '.join(node.parameters)}, "
            f"found {', '.join(layer.arrays)}"
        )
    for parameter, array in stored.items():
        expected = node.parameters[parameter].shape
        if array.shape != expected:
            raise WeightsFileError(
                f"{file}: {_called(node.name, layer.name)}: {parameter} should have shape "
                f"{expected}, found {array.shape}"
            )


def _refuse_differences(
    graph: Graph, found: Mapping[str, StoredLayer], left: Mapping[str, StoredLayer], file: str
) -> None:
    missing = [node for node in graph.nodes.values() if node.parameters and node.name not in found]
    if not missing and not left:
        return
    problems = []
    if missing:
        problems.append(f"no weights found for {_some(node.name for node in missing)}")
    if left:
        problems.append(f"no place found for the file's {_some(left)}")
    advice = ""
    if [node.kind for node in missing] == ["Dense"] and not left:
        advice = "; the file holds no classifier, for which models have include_top=False"
    elif not missing and [layer.classifier_shape is None for layer in left.values()] == [False]:
        advice = "; the file holds a classifier, for which models have include_top=True"
    raise WeightsFileError(f"{file}: does not fit {graph.name}: {', and '.join(problems)}{advice}")


def _some(names: Iterable[str], shown: int = 5) -> str:
    listed = list(names)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more


def _called(name: str, stored: str) -> str:
    return name if name == stored else f"{name} ({stored} in the file)"
