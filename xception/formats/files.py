"""Every way in which Keras has written an Xception, and one place that reads it.

`read_model` reads a whole model, `read_weights` the weights for one that is there. Everything is
checked before the first number is read; nothing from a file is run, imported or fetched.
"""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..data.atomic import replace_file
from ..data.class_names import ClassNames
from ..data.preprocessing import Preprocessing
from ..errors import ModelFileError, printable
from ..graph import Graph, GraphParameters
from ..graph.network import Network, flatten
from ..kernels import Array
from ..layers import pair
from .hdf5 import file as hdf5
from .hdf5.file import Source
from .keras import archive
from .keras import config_reader as config
from .keras import weights_by_name as legacy
from .keras import weights_by_position as numbered
from .matching import Match, some

__all__ = ["ModelFileError", "read_model", "read_weights", "write_model", "write_weights"]

LARGEST_WINDOW = 1 << 12  #: pixels
MOST_NUMBERS = 1 << 28  #: in one layer's output for one image, which is 1 GiB
FileParameters = dict[str, dict[str, Array]]


# --- whole models ---------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredModel:
    """A whole model as a file holds it."""

    graph: Graph
    parameters: GraphParameters
    network: Network
    class_names: ClassNames | None = None
    preprocessing: Preprocessing = Preprocessing()


def read_model(path: str | os.PathLike[str]) -> StoredModel:
    """The model in a `.keras` file or a whole-model `.h5`.

    Raises FileNotFoundError, IsADirectoryError, or ModelFileError.
    """
    path = Path(path)
    hdf5.check_file(path)
    if is_archive(path):
        with archive.open_archive(path) as found:
            network, graph = _built(
                found.config, config.version(found.metadata.get("keras_version")), path.name
            )
            source = found.weights(graph.count_params())
            with hdf5.open_source(source) as file:
                return StoredModel(
                    graph,
                    _all_of(network, graph, file, source),
                    network,
                    found.class_names,
                    found.preprocessing,
                )
    source = Source(path.name, path)
    with hdf5.open_source(source) as file:
        network, graph = _built(legacy.model_config(file), legacy.keras_version(file), path.name)
        return StoredModel(graph, _all_of(network, graph, file, source), network)


def is_archive(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04" or (path.suffix == ".keras" and zipfile.is_zipfile(path))


def _built(described: dict[str, object], keras: int, name: str) -> tuple[Network, Graph]:
    network = config.read_network(described, keras, name)
    try:
        graph = flatten(network)
    except ValueError as error:
        raise ModelFileError(f"{name}: {error}") from None
    for node in graph.nodes.values():
        for setting in ("kernel_size", "pool_size", "dilation_rate"):
            if max(pair(getattr(node.layer, setting, 1))) > LARGEST_WINDOW:  # whose border alone fills memory
                raise ModelFileError(
                    f"{name}: {node.name} has a {setting} beyond {LARGEST_WINDOW:,}; refused"
                )
        size = math.prod(size or 1 for size in node.output_shape)
        if size > MOST_NUMBERS:
            raise ModelFileError(
                f"{name}: {node.name} gives more than {MOST_NUMBERS:,} numbers for one image; refused"
            )
    return network, graph


def _all_of(network: Network, graph: Graph, file: hdf5.File, source: Source) -> FileParameters:
    match = _layout(file).match(network, graph, file)
    match.refuse_differences(source.name)
    return match.load(source)


# --- weights for a model that is there ------------------------------------------------------


def read_weights(
    path: str | os.PathLike[str],
    network: Network,
    graph: Graph,
    by_name: bool = False,
    skip_mismatch: bool = False,
) -> FileParameters:
    """The parameters of `graph` in a file: {node: {parameter: float32 array}}.

    Reads the layout of 2016 in which Keras publishes its ImageNet weights, `.h5` weights and
    whole models of Keras 2 and 3, `.weights.h5` of Keras 3, and `.keras`. If the network is one
    of the layers of a greater one in the file, it is taken from there.

    Raises FileNotFoundError, IsADirectoryError, or ModelFileError that says what was expected
    and what was found: every layer and shape is checked before the first array is read. What
    `by_name` and `skip_mismatch` allow to be left out draws a warning.
    """
    path = Path(path)
    with _weights_of(path, graph) as (file, source):
        layout = _layout(file)
        if by_name and layout is numbered:
            raise ModelFileError(f"{path.name}: bears no names, so nothing can be loaded by name")
        if layout is legacy:
            match = legacy.match(network, graph, file, by_name)
        else:
            match = numbered.match(network, graph, file)
        if not match.complete:
            match = _part_of(layout, network, graph, file) or match
        _report(match, path.name, by_name, skip_mismatch)
        return match.load(source)


def count_classes(path: str | os.PathLike[str]) -> int | None:
    """How many classes the classifier in a weights file tells apart; None if it has none."""
    path = Path(path)
    with _weights_of(path, None) as (file, _):
        return _layout(file).count_classes(file)


@contextmanager
def _weights_of(path: Path, graph: Graph | None) -> Iterator[tuple[hdf5.File, Source]]:
    """The HDF5 file that holds the weights, be it by itself or in an archive."""
    hdf5.check_file(path)
    if is_archive(path):
        with archive.open_archive(path) as found:
            source = found.weights(max(1 << 25, graph.count_params() if graph else 0))
            with hdf5.open_source(source) as file:
                yield file, source
        return
    source = Source(path.name, path)
    with hdf5.open_source(source) as file:
        yield file, source


def _layout(file: hdf5.File) -> ModuleType:
    """The module that reads this file."""
    for layout in (legacy, numbered):
        if layout.recognises(file):
            return layout
    raise ModelFileError(
        f"{Path(file.filename).name}: is HDF5, but holds no Keras weights: there is neither a "
        f"'layer_names' attribute nor a 'layers' group; found {some(hdf5.entries(file)) or 'nothing'}"
    )


def _part_of(layout: ModuleType, network: Network, graph: Graph, file: hdf5.File) -> Match | None:
    """The network as one of the layers of a greater one, if it is there just once."""
    fitting = []
    for place, part in layout.parts(file):
        match = layout.match_part(network, graph, part)
        if match.complete:
            fitting.append((place, match))
    if len(fitting) != 1:
        return None
    place, match = fitting[0]
    others = [layer for layer in layout.listed(file) if layer != place.partition("/")[0]]
    if others:
        message = (
            f"{Path(file.filename).name}: {graph.name} was loaded from {place!r} in a greater model; of that "
            f"was not loaded: {some(others)}"
        )
        warnings.warn(printable(message), stacklevel=5)
    return match


def _report(match: Match, name: str, by_name: bool, skip_mismatch: bool) -> None:
    """Refuse what was not asked for, and say what was left out of what was."""
    strict = Match(match.graph, left_classifier=match.left_classifier)
    if not by_name:
        strict.missing, strict.left = match.missing, match.left
    if not skip_mismatch:
        strict.unfitting = match.unfitting
    strict.refuse_differences(name)
    if not match.found:
        raise ModelFileError(f"{name}: has nothing for {match.graph.name}: {match.in_words()}")
    if not match.complete:
        warnings.warn(printable(f"{name}: not everything was loaded: {match.in_words()}"), stacklevel=4)


# --- writing --------------------------------------------------------------------------------


def write_weights(
    path: str | os.PathLike[str], network: Network, graph: Graph, parameters: GraphParameters
) -> None:
    """Write the weights, whole or not at all: `.weights.h5` as Keras 3 does, other `.h5` as Keras 2.

    The file is written beside `path` and takes its name when it is complete.
    """
    path = Path(path)
    if path.suffix not in (".h5", ".hdf5"):
        raise ValueError(
            f"{path.name}: weights are written as .weights.h5 (Keras 3) or .h5 (every Keras); a whole model "
            "as .keras, by save()"
        )
    layout = numbered if path.name.endswith(".weights.h5") else legacy
    with replace_file(path) as unfinished, hdf5.create(unfinished) as file:
        layout.write(file, network, graph, parameters)


def write_model(path: str | os.PathLike[str], model: StoredModel) -> None:
    """Write a `.keras` file, whole or not at all. `xception.json` stands beside what Keras reads."""
    from .keras import config_writer as describing

    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"{path.name}: a model is written as .keras; weights alone by save_weights()")
    described, metadata = describing.describe(model.network, model.graph), describing.metadata()
    with archive.write_archive(path, described, metadata, model.class_names, model.preprocessing) as file:
        numbered.write(file, model.network, model.graph, model.parameters)
