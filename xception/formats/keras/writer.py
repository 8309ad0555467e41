"""Writer of Keras's files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.atomic import replace_file
from ...graph import Graph, GraphParameters, Network
from ..hdf5.file import create_file
from ..stored import StoredModel
from . import weights_by_name, weights_by_position
from .stored_layers import sign

if TYPE_CHECKING:
    from ..training_state import TrainingState


def write_model(path: Path, stored: StoredModel) -> None:
    """Write a `.keras` archive, which Keras 3 and this library load."""
    # Imported here, as in `reader`: a start with a weights file needs none of them.
    from .archive import create_archive
    from .config_writer import describe_network, describe_origin
    from .training_record import TrainingRecord

    config = describe_network(stored.network, stored.graph)
    record = TrainingRecord(stored.class_names, stored.preprocessing, stored.task)
    with create_archive(path, config, describe_origin(), record) as file:
        weights_by_position.write(file, stored.network, stored.graph, stored.parameters)


def write_legacy_model(path: Path, stored: StoredModel) -> None:
    """Write a whole model in `.h5`; see `legacy_writer.write_model`."""
    from . import legacy_writer

    legacy_writer.write_model(path, stored)


def refuse_weights_suffix(path: Path, stored: StoredModel) -> None:
    """Raise ValueError: the suffix is that of weights alone."""
    raise ValueError(
        f"{path.name}: .weights.h5 is the suffix of weights alone, which save_weights() writes; a model is "
        "written as .keras or .h5"
    )


def write_training(path: Path, stored: StoredModel, state: TrainingState) -> None:
    """Write a `.keras` archive with the state of a run; see `formats.write_training`."""
    from .archive import create_archive
    from .config_writer import describe_network, describe_origin
    from .optimizer_state import check_slots, describe_optimizer, list_variables, write_state
    from .training_record import TrainingRecord

    network = stored.network.with_trainable({node for node, _ in state.slots})
    variables = list_variables(network, stored.graph)
    check_slots(state, variables)
    config = describe_network(network, stored.graph) | {"compile_config": describe_optimizer(state)}
    record = TrainingRecord(stored.class_names, stored.preprocessing, stored.task, state.run)
    with create_archive(path, config, describe_origin(), record) as file:
        weights_by_position.write(file, network, stored.graph, stored.parameters)
        write_state(file, state, variables)


def write_weights_by_name(path: Path, network: Network, graph: Graph, parameters: GraphParameters) -> None:
    """Write an `.h5` file in the layout of Keras 2, which every version of Keras loads."""
    content = io.BytesIO()
    with replace_file(path) as unfinished:
        with create_file(content) as file:
            weights_by_name.write(file, network, graph, parameters)
            sign(file)
        unfinished.write_bytes(content.getbuffer())


def write_weights_by_position(
    path: Path, network: Network, graph: Graph, parameters: GraphParameters
) -> None:
    """Write a `.weights.h5` file in the layout of Keras 3."""
    content = io.BytesIO()
    with replace_file(path) as unfinished:
        with create_file(content) as file:
            weights_by_position.write(file, network, graph, parameters)
            sign(file)
        unfinished.write_bytes(content.getbuffer())
