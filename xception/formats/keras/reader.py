"""Reader of Keras's files: the container, the config and the layout of the weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import ModelFileError, printable
from ...graph import Graph, GraphParameters, Network
from ...kernels import Array
from ..building import build_graph
from ..hdf5.array_reader import check_memory
from ..hdf5.file import File, list_entries
from ..hdf5.source import Source
from ..matching import Match, join_some, list_not_finite
from ..options import ReadOptions
from ..stored import StoredModel
from . import weights_by_name, weights_by_position
from .containers import Described, is_hdf5, is_package, open_model, open_weights

if TYPE_CHECKING:
    from ..training_state import TrainingState


class WeightsLayout(Protocol):
    """What the modules `weights_by_name` and `weights_by_position` provide, and document."""

    def recognizes(self, file: File) -> bool: ...

    def match(self, network: Network, graph: Graph, file: File, by_name: bool = False) -> Match: ...

    def match_nested(self, network: Network, graph: Graph, file: File) -> Iterator[tuple[str, Match]]: ...

    def list_layers(self, file: File) -> list[str]: ...

    def count_classes(self, file: File) -> int | None: ...


def read_model(
    path: Path,
    weights: Path | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008, it is frozen
) -> StoredModel:
    """Read a model, or its architecture with the weights of another file; see `formats.read_model`."""
    if options.input_shape is not None:
        raise ValueError(
            f"{path.name}: says itself what input it takes; input_shape, or --size, is for files that do not"
        )
    if weights is not None:
        _check_order(path, weights)
    with open_model(path) as described:
        if weights is None:
            return read_described(path, described)
        network, graph = _read_network(described.config, described.keras, path)
    parameters = _read_weights(weights, network, graph, stacklevel=5)
    return _stored(described, network, graph, parameters, list_not_finite(parameters))


def read_described(path: Path, described: Described) -> StoredModel:
    """Read a model that is open, with the weights beside its config.

    Args:
        path: The file, for messages.
        described: The open model.

    Raises:
        ModelFileError: As for `formats.read_model`.
    """
    network, graph = _read_network(described.config, described.keras, path)
    if described.open_weights is None:
        raise ModelFileError(
            f"{path.name}: is the architecture of a model, without weights. Give the file of its "
            f"weights too: load_model({path.name!r}, weights='model.h5'), or --model {path.name} "
            "--weights model.h5"
        )
    with described.open_weights(graph.count_params()) as (file, source):
        match = find_layout(file).match(network, graph, file)
        match.check_complete(source.name)
        parameters = match.load(source)
        match.warn_not_finite(source.name, stacklevel=5)  # the caller of load_model
    return _stored(described, network, graph, parameters, match.not_finite)


def _stored(
    described: Described,
    network: Network,
    graph: Graph,
    parameters: GraphParameters,
    not_finite: Iterable[str],
) -> StoredModel:
    record = described.record
    return StoredModel(
        graph, parameters, network, record.class_names, record.preprocessing, record.task,
        not_finite=tuple(not_finite),
    )  # fmt: skip


def read_training(path: Path) -> tuple[StoredModel, TrainingState]:
    """Read a model with the state of its training; see `formats.read_training`."""
    from .optimizer_state import find_state, read_state

    if not is_package(path):
        raise ModelFileError(
            f"{path.name}: the state of training is read from .keras files, and this is none"
        )
    with open_model(path) as described:
        network, graph = _read_network(described.config, described.keras, path)
        assert described.open_weights is not None  # a package has weights
        with described.open_weights(graph.count_params()) as (file, source):
            assert isinstance(source, Source)  # nor shards
            match = find_layout(file).match(network, graph, file)
            match.check_complete(source.name)
            stored = find_state(described.config, file, network, graph)
            check_memory([*match.arrays.values(), *stored.arrays], source)
            parameters = match.load(source)
            match.warn_not_finite(source.name, stacklevel=4)
            state = read_state(stored, source, described.record.run or {})
    return _stored(described, network, graph, parameters, match.not_finite), state


def read_weights(
    path: Path, network: Network, graph: Graph, by_name: bool, skip_mismatch: bool
) -> dict[str, dict[str, Array]]:
    """Read parameters for an existing model; see `formats.read_weights`."""
    return _read_weights(path, network, graph, by_name, skip_mismatch, stacklevel=5)


def _read_weights(
    path: Path, network: Network, graph: Graph, by_name: bool = False, skip_mismatch: bool = False, *,
    stacklevel: int,
) -> dict[str, dict[str, Array]]:  # fmt: skip
    """Read parameters; warnings point to the caller at `stacklevel`, of Model.load_weights or load_model."""
    with open_weights(path, graph.count_params()) as (file, source):
        layout = find_layout(file)
        match = layout.match(network, graph, file, by_name)
        if not match.is_complete:
            match = _match_only_nested(layout, network, graph, file, stacklevel) or match
        match.check(path.name, by_name, skip_mismatch, stacklevel=stacklevel)
        parameters = match.load(source)
        match.warn_not_finite(path.name, stacklevel=stacklevel)
        return parameters


def count_classes(path: Path) -> int | None:
    """Count the classes of the classifier in a file; see `formats.count_classes`."""
    with open_weights(path) as (file, _):
        return find_layout(file).count_classes(file)


def find_layout(file: File) -> WeightsLayout:
    """Return the module that reads the weights in an HDF5 file.

    Raises:
        ModelFileError: The file has no weights of Keras.
    """
    layouts: tuple[WeightsLayout, ...] = (weights_by_name, weights_by_position)
    for layout in layouts:
        if layout.recognizes(file):
            return layout
    raise ModelFileError(
        f"{Path(file.filename).name}: is HDF5, but holds no Keras weights: there is neither a "
        f"'layer_names' attribute nor a 'layers' group; found {join_some(list_entries(file)) or 'nothing'}"
    )


def _read_network(config: Mapping[str, Any], keras: int, path: Path) -> tuple[Network, Graph]:
    from .config_reader import read_network

    network = read_network(config, keras, path.name)
    return network, build_graph(network, path.name)


def _check_order(path: Path, weights: Path) -> None:
    """Raise ModelFileError if the architecture was given as the weights."""
    if not weights.is_dir() and weights.suffix == ".json" and is_hdf5(path):
        from .json_files import is_index, read_json_file

        if not is_index(read_json_file(weights)):
            raise ModelFileError(
                f"{weights.name}: is the architecture, and {path.name} the weights; give them the other way "
                f"round: load_model({weights.name!r}, weights={path.name!r})"
            )


def _match_only_nested(
    layout: WeightsLayout, network: Network, graph: Graph, file: File, stacklevel: int
) -> Match | None:
    """Match a network nested in the file's model, if exactly one fits. Warn about layers not loaded."""
    fitting = [
        (path, match) for path, match in layout.match_nested(network, graph, file) if match.is_complete
    ]
    if len(fitting) != 1:
        return None
    path, match = fitting[0]
    others = [layer for layer in layout.list_layers(file) if layer != path.partition("/")[0]]
    if others:
        file_name = Path(file.filename).name
        message = (
            f"{file_name}: {graph.name} was loaded from {path!r} in a larger model; not loaded: "
            f"{join_some(others)}"
        )
        warnings.warn(printable(message), stacklevel=stacklevel + 1)
    return match
