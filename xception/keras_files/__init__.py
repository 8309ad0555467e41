"""Every way in which Keras has written the weights of an Xception, and one place that reads it.

`read_weights` checks the whole file against a graph before it hands over a single number;
`write_weights` writes the HDF5 layout that every Keras since 2.0 loads.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from ..graph import Graph, GraphParameters
from ..kernels import Array
from . import hdf5, legacy, numbered
from .hdf5 import WeightsFileError
from .matching import load, match

__all__ = ["WeightsFileError", "count_classes", "read_weights", "write_weights"]


def read_weights(path: str | os.PathLike[str], graph: Graph) -> dict[str, dict[str, Array]]:
    """The parameters of `graph` from a weights file: {node: {parameter: float32 array}}.

    Reads the layout of 2016 in which Keras publishes its ImageNet weights, `.h5` weights and
    whole models of Keras 2 and 3, and `.weights.h5` of Keras 3.

    Raises FileNotFoundError, IsADirectoryError, or WeightsFileError (a ValueError) that says
    what was expected and what was found: every layer and shape is checked before the first
    array is read.
    """
    with hdf5.open_file(path) as file:
        layout = _layout(file)
        matched = match(graph, layout.read(file), layout.numbering(graph), Path(path).name)
        return load(graph, matched, Path(path))


def count_classes(path: str | os.PathLike[str]) -> int | None:
    """How many classes the classifier in a weights file tells apart; None if it has none."""
    with hdf5.open_file(path) as file:
        shapes = [layer.classifier_shape for layer in _layout(file).read(file)]
    return next((shape[-1] for shape in shapes if shape is not None), None)


def write_weights(path: str | os.PathLike[str], graph: Graph, parameters: GraphParameters) -> None:
    """Write `parameters` in the layout of `save_weights("x.h5")`, whole or not at all.

    The file is written beside `path` and takes its name when it is complete.
    """
    path = Path(path)
    if path.name.endswith(".weights.h5") or path.suffix not in (".h5", ".hdf5"):
        raise ValueError(
            f"{path.name}: weights are written as .h5; Keras takes a name that ends in "
            ".weights.h5 or .keras for another layout. Try a name such as xception.h5"
        )
    with hdf5.write_whole(path) as file:
        legacy.write(file, graph, parameters)


def _layout(file: hdf5.File) -> ModuleType:
    """The module that reads this file: it has `read(file)` and `numbering(graph)`."""
    for layout in (legacy, numbered):
        if layout.recognises(file):
            return layout
    raise WeightsFileError(
        f"{Path(file.filename).name}: is HDF5, but holds no Keras weights: there is neither a "
        f"'layer_names' attribute nor a 'layers' group; found {', '.join(file) or 'nothing'}"
    )
