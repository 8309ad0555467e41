"""The layout of Keras 3's `.weights.h5`: `layers/<class>[_N]/vars/0, 1, …`

Layers bear the name of their class; N counts those of one class in the order of
`model.layers`. Arrays bear their position.
"""

from __future__ import annotations

from ..graph import Graph
from . import arrays, hdf5
from .matching import StoredLayer


def recognises(file: hdf5.Group) -> bool:
    return "layers" in file


def numbering(graph: Graph) -> list[str]:
    """The order by which this layout numbers layers: that of `model.layers`."""
    return [node.name for node in graph.topological_order()]


def read(file: hdf5.Group) -> list[StoredLayer]:
    """The layers that have weights of their own. Reads no arrays yet."""
    root = hdf5.group(file, "layers")
    found = []
    for name in root:
        layer = hdf5.group(root, name)
        if "vars" not in layer:
            continue
        group = hdf5.group(layer, "vars")
        positions = sorted(group, key=lambda key: (len(key), key))
        if positions:
            found.append(StoredLayer(name, {key: arrays.find(group, key) for key in positions}))
    return found
