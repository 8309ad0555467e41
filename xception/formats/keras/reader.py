"""Reader of Keras's files: the container, the config and the layout of the weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ...data.regular_files import open_regular_file
from ...errors import ModelFileError, printable
from ...graph import Graph, Network
from ...kernels import Array
from ..building import build_graph
from ..hdf5.file import File, list_entries, open_file
from ..hdf5.source import Source
from ..limits import MAX_ASSUMED_PARAMETERS
from ..matching import Match, join_some
from ..stored import StoredModel
from . import weights_by_name, weights_by_position
from .stored_layers import read_keras_version, read_model_config


class WeightsLayout(Protocol):
    """What the modules `weights_by_name` and `weights_by_position` provide, and document."""

    def recognizes(self, file: File) -> bool: ...

    def match(self, network: Network, graph: Graph, file: File, by_name: bool = False) -> Match: ...

    def match_nested(self, network: Network, graph: Graph, file: File) -> Iterator[tuple[str, Match]]: ...

    def list_layers(self, file: File) -> list[str]: ...

    def count_classes(self, file: File) -> int | None: ...


def is_archive(path: Path) -> bool:
    """Return True if a file is a zip archive. One that begins with other data needs the suffix `.keras`."""
    with open_regular_file(path) as stream:
        if stream.read(4) == b"PK\x03\x04":
            return True
        if path.suffix != ".keras":
            return False
        import zipfile

        return zipfile.is_zipfile(stream)


def read_model(path: Path) -> StoredModel:
    """Read a `.keras` archive, or a whole model in `.h5`; see `formats.read_model`."""
    # Imported here: reading weights, with which most programs start, needs neither archive nor config.
    from .archive import open_archive
    from .config_reader import major_version

    if is_archive(path):
        with open_archive(path) as archive:
            keras = major_version(archive.metadata.get("keras_version"))
            network, graph = _read_network(archive.config, keras, path)
            source = archive.locate_weights(graph.count_params())
            with open_file(source) as file:
                parameters = _read_all(network, graph, file, source)
        record = archive.record
        return StoredModel(graph, parameters, network, record.class_names, record.preprocessing)
    source = Source(path.name, path)
    with open_file(source) as file:
        version = read_keras_version(file)
        keras = 1 if version is None else major_version(version)
        network, graph = _read_network(read_model_config(file), keras, path)
        return StoredModel(graph, _read_all(network, graph, file, source), network)


def read_weights(
    path: Path, network: Network, graph: Graph, by_name: bool, skip_mismatch: bool
) -> dict[str, dict[str, Array]]:
    """Read parameters for an existing model; see `formats.read_weights`."""
    with open_weights(path, graph.count_params()) as (file, source):
        layout = find_layout(file)
        match = layout.match(network, graph, file, by_name)
        if not match.is_complete:
            match = _match_only_nested(layout, network, graph, file) or match
        match.check(path.name, by_name, skip_mismatch, stacklevel=4)  # the caller of Model.load_weights
        parameters = match.load(source)
        match.warn_not_finite(path.name, stacklevel=4)
        return parameters


def count_classes(path: Path) -> int | None:
    """Count the classes of the classifier in a file; see `formats.count_classes`."""
    with open_weights(path) as (file, _):
        return find_layout(file).count_classes(file)


@contextmanager
def open_weights(path: Path, parameter_count: int = 0) -> Iterator[tuple[File, Source]]:
    """Open the HDF5 file that holds the weights, alone or in an archive.

    Args:
        path: A file of Keras.
        parameter_count: Number of parameters of the model that is to be loaded; 0 if unknown.

    Yields:
        The open file, and the source of its bytes.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    if not is_archive(path):
        source = Source(path.name, path)
        with open_file(source) as file:
            yield file, source
        return
    from .archive import open_archive

    with open_archive(path) as archive:
        source = archive.locate_weights(max(MAX_ASSUMED_PARAMETERS, parameter_count))
        with open_file(source) as file:
            yield file, source


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


def _read_all(network: Network, graph: Graph, file: File, source: Source) -> dict[str, dict[str, Array]]:
    match = find_layout(file).match(network, graph, file)
    match.check_complete(source.name)
    parameters = match.load(source)
    match.warn_not_finite(source.name, stacklevel=5)  # the caller of load_model
    return parameters


def _match_only_nested(layout: WeightsLayout, network: Network, graph: Graph, file: File) -> Match | None:
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
        warnings.warn(printable(message), stacklevel=5)  # the caller of Model.load_weights
    return match
