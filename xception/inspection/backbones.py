"""Xception's base, all but its classifier, in other models: where it is, and whose weights it has."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .. import architecture
from ..formats import read_weights
from ..formats.hdf5.file import File
from ..formats.hdf5.source import Source
from ..formats.keras.reader import find_layout
from ..graph import Graph, GraphParameters, Node, network
from ..kernels import Array
from ..models import pretrained


@dataclass
class Base:
    """An Xception without its classifier, somewhere in a model."""

    place: str  #: the layer that it is; "" where its layers are the model's own
    arrays: int
    differing: int  #: arrays that are not those of ImageNet


@functools.cache
def reference() -> Graph:
    """Xception's base, for images of any size."""
    return architecture.xception((None, None, 3), include_top=False)


def in_model(graph: Graph, parameters: GraphParameters) -> list[Base]:
    """The bases in a model."""
    return [
        Base(nodes["block1_conv1"].name.rpartition("/")[0], *_compare(_held(nodes, parameters)))
        for nodes in _find(graph)
    ]


def in_file(file: File, source: Source) -> list[Base]:
    """The bases among a file's arrays, by the order or the names that they have in it."""
    outline, graph = network.of_graph(reference()), reference()
    layout = find_layout(file)
    matches = [("", layout.match(outline, graph, file))]  # whatever else there is beside it
    matches += layout.match_nested(outline, graph, file)
    return [
        Base(place, *_compare(match.load(source)))
        for place, match in matches
        if not match.missing and not match.mismatched
    ]


def _find(graph: Graph) -> Iterator[dict[str, Node]]:
    """Every base in a graph, by layers and wiring, whatever their names: the graph's node for each of
    Xception's. One that is used several times is found once."""
    readers: dict[str, list[Node]] = {name: [] for name in graph.nodes}
    for node in graph.nodes.values():
        for source in node.inputs:
            readers[source].append(node)
    entry, first, *others = reference().nodes.values()
    for start in graph.nodes.values():
        if start.weights != start.name or not _alike(start, first):
            continue
        found = {entry.name: graph.nodes[start.inputs[0]], first.name: start}
        for wanted in others:
            reads = {found[source].name for source in wanted.inputs}
            fitting = (
                node
                for node in readers[found[wanted.inputs[0]].name]
                if _alike(node, wanted) and set(node.inputs) == reads
            )
            same = next(fitting, None)
            if same is None:
                break
            found[wanted.name] = same
        else:
            yield found


def _alike(node: Node, wanted: Node) -> bool:
    settings = ("strides", "padding", "activation")
    return (node.kind, node.parameters) == (wanted.kind, wanted.parameters) and all(
        getattr(node.layer, name, None) == getattr(wanted.layer, name, None) for name in settings
    )


def _held(nodes: dict[str, Node], parameters: GraphParameters) -> GraphParameters:
    return {name: parameters[node.weights] for name, node in nodes.items() if node.parameters}


def _compare(held: GraphParameters) -> tuple[int, int]:
    """(arrays, those of them that are not ImageNet's), as far as the shipped base can tell: its
    kernels are rounded to float16."""
    graph = reference()
    shipped = read_weights(pretrained.shipped_base(), network.of_graph(graph), graph)
    pairs = [(array, held[name][key]) for name, kept in shipped.items() for key, array in kept.items()]
    return len(pairs), sum(not _same(*pair) for pair in pairs)


def _same(rounded: Array, exact: Array) -> bool:
    if exact.ndim > 1:
        with np.errstate(over="ignore"):
            exact = exact.astype(np.float16)
    return np.array_equal(rounded, exact)
