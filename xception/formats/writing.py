"""Writing of model and weights files: the choice of a writer by suffix.

A file is written under a temporary name and renamed when it is complete, so an interrupted write leaves
the former file unchanged.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.locations import expect_local
from ..graph import Graph, GraphParameters, Network
from .hdf5.exiting import using_file
from .keras import writer
from .stored import StoredModel

if TYPE_CHECKING:  # training alone needs it
    from .training_state import TrainingState


def _write_safetensors(path: Path, network: Network, graph: Graph, parameters: GraphParameters) -> None:
    from .pytorch.writer import write_weights as write  # few programs need it

    write(path, network, graph, parameters)


#: The writer for each suffix. The first suffix that fits is taken.
MODEL_WRITERS = {
    ".keras": writer.write_model,
    ".weights.h5": writer.refuse_weights_suffix,
    ".h5": writer.write_legacy_model,
}
WEIGHTS_WRITERS = {
    ".weights.h5": writer.write_weights_by_position,
    ".h5": writer.write_weights_by_name,
    ".hdf5": writer.write_weights_by_name,
    ".safetensors": _write_safetensors,
}


@using_file()
def write_model(path: str | os.PathLike[str], stored: StoredModel) -> None:
    """Write a whole model to a file.

    Args:
        path: The file to write: `.keras` for the form of Keras 3, `.h5` for that of Keras 2.
        stored: The model.

    Raises:
        ValueError: The suffix is neither, or that Keras cannot express a layer.
        OSError: The file cannot be written.
    """
    path = expect_local(path)
    for suffix, write in MODEL_WRITERS.items():
        if path.name.endswith(suffix):
            return write(path, stored)
    raise ValueError(f"{path.name}: a model is written as .keras or .h5; weights alone by save_weights()")


@using_file()
def write_training(path: str | os.PathLike[str], stored: StoredModel, state: TrainingState) -> None:
    """Write a model with the state of its training, in a file that Keras 3 loads with its optimizer.

    In the file, the layers that have slots in the state are trainable, and no others.

    Args:
        path: The file to write, with the suffix `.keras`.
        stored: The model.
        state: The state.

    Raises:
        TypeError: The state holds what JSON cannot.
        ValueError: The suffix is not `.keras`, Keras 3 cannot express a layer, or the state does not fit the
            model or is of an optimizer that is not supported.
        OSError: The file cannot be written.
    """
    path = expect_local(path)
    if not path.name.endswith(".keras"):
        raise ValueError(f"{path.name}: a run of training is written as .keras")
    writer.write_training(path, stored, state)


@using_file()
def write_weights(
    path: str | os.PathLike[str], network: Network, graph: Graph, parameters: GraphParameters
) -> None:
    """Write the parameters of a model to a file.

    Args:
        path: The file to write: `.weights.h5` for the layout of Keras 3, any other `.h5` or `.hdf5` for
            that of Keras 2, which every version of Keras loads; `.safetensors` for
            timm's `legacy_xception`, of a model that computes as PyTorch does.
        network: The model as Keras nests it.
        graph: The same model, flat.
        parameters: {node name: {parameter name: float32 array}}.

    Raises:
        ValueError: The suffix is none of these, or PyTorch would answer otherwise than the model.
        OSError: The file cannot be written.
    """
    path = expect_local(path)
    for suffix, write in WEIGHTS_WRITERS.items():
        if path.name.endswith(suffix):
            return write(path, network, graph, parameters)
    raise ValueError(
        f"{path.name}: weights are written as .weights.h5 (Keras 3), .h5 (every Keras) or .safetensors "
        "(PyTorch); a whole model as .keras, by save()"
    )
