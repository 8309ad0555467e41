"""Writing of model and weights files: the place that decides how a file is written.

A file is written under a temporary name and renamed when it is complete, so that an interrupted write
leaves what was there before.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..graph import Graph, GraphParameters, Network
from .keras import writer
from .stored import StoredModel

#: The writer for each ending of a file name; the first that fits is taken.
MODEL_WRITERS = {".keras": writer.write_model}
WEIGHTS_WRITERS = {
    ".weights.h5": writer.write_weights_by_position,
    ".h5": writer.write_weights_by_name,
    ".hdf5": writer.write_weights_by_name,
}


def write_model(path: str | os.PathLike[str], stored: StoredModel) -> None:
    """Write a whole model to a file.

    Args:
        path: The file to write; its suffix is `.keras`.
        stored: The model.

    Raises:
        ValueError: The suffix is another, or Keras 3 has no word for a layer.
        OSError: The file cannot be written.
    """
    path = Path(path)
    for ending, write in MODEL_WRITERS.items():
        if path.name.endswith(ending):
            return write(path, stored)
    raise ValueError(f"{path.name}: a model is written as .keras; weights alone by save_weights()")


def write_weights(
    path: str | os.PathLike[str], network: Network, graph: Graph, parameters: GraphParameters
) -> None:
    """Write the parameters of a model to a file.

    Args:
        path: The file to write: `.weights.h5` for the layout of Keras 3, any other `.h5` or `.hdf5` for
            that of Keras 2, which every version of Keras loads.
        network: The model as Keras nests it.
        graph: The same model, flat.
        parameters: {node name: {parameter name: float32 array}}.

    Raises:
        ValueError: The suffix is another.
        OSError: The file cannot be written.
    """
    path = Path(path)
    for ending, write in WEIGHTS_WRITERS.items():
        if path.name.endswith(ending):
            return write(path, network, graph, parameters)
    raise ValueError(
        f"{path.name}: weights are written as .weights.h5 (Keras 3) or .h5 (every Keras); a whole model "
        "as .keras, by save()"
    )
