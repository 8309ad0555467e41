"""What a model file is, also where it is one that cannot be run here. Nothing in it is executed.

A file that loads is asked what it is as a model. Of one that does not, description and arrays are
gone through as data: layers by their classes, all the reasons why it is refused, and whether an
Xception is in it all the same.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from .. import architecture
from ..errors import ModelFileError
from ..formats import count_classes, read_model, read_weights
from ..formats.hdf5.arrays import BFLOAT16
from ..formats.hdf5.file import SIGNATURE, File, open_file, open_group, open_object, read_text
from ..formats.hdf5.source import Source
from ..formats.keras import weights_by_name, weights_by_position
from ..formats.keras.archive import NotKerasError, is_archive, open_archive
from ..formats.keras.config_reader import major_version
from ..formats.keras.json_reader import read_json_object
from ..formats.keras.reader import open_weights
from ..formats.keras.stored_layers import read_model_config
from ..formats.reading import check_file
from ..graph import Graph, network
from ..graph.network import Network
from . import backbones as bases
from .backbones import Base
from .refusals import listed, name_of, refusals

Shape = tuple[int | None, ...]  #: with the batch axis

OPTIMIZER = ("optimizer", "optimizer_weights")  #: groups with the state of training
NO_WEIGHTS = ("metrics", "seed_generator", "seed_generator_state")
MOST_ARRAYS = 100_000  #: that are counted


@dataclass
class Row:
    """A layer of the outermost network."""

    name: str
    kind: str
    output_shapes: list[Shape] | None = None
    parameters: int | None = None


@dataclass
class Inspection:
    """What was found out about a file. None: it does not tell."""

    file: str
    size: int  #: in bytes
    format: str = "no model file"
    keras_version: str | None = None
    written_by: str | None = None  #: if it was not Keras, but a program that writes as Keras does
    saved: str | None = None
    kind: str | None = None
    name: str | None = None
    inputs: dict[str, Shape | None] = field(default_factory=dict)
    outputs: dict[str, Shape | None] = field(default_factory=dict)
    layers: list[Row] = field(default_factory=list)
    parameters: int | None = None
    trainable: int | None = None  #: of the parameters, those that training would change
    arrays: dict[str, int] = field(default_factory=dict)  #: how many of each type
    optimizer: str | None = None
    optimizer_arrays: int = 0  #: of its state
    class_names: list[str] | None = None
    bases: list[Base] = field(default_factory=list)
    runs: bool = False
    loads_as: str | None = None  #: the call that loads it; of a file that does not run, its base
    reasons: list[str] = field(default_factory=list)  #: why it does not run
    damage: str | None = None


class _OtherFileError(Exception):
    """It is whole, but not Keras's."""


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """All that can be found out about a file. Raises OSError where there is none."""
    path = Path(path)
    check_file(path)
    found = Inspection(path.name, path.stat().st_size)
    try:
        described = (_look_into_archive if is_archive(path) else _look_into_hdf5)(path, found)
        with open_weights(path) as (file, _):
            _count(file, found)
        if described is None:
            _try_weights(path, found)
        else:
            _try_model(path, described, found)
    except _OtherFileError as error:
        found.reasons = [str(error)]
    except ModelFileError as error:
        found.damage = _without_name(error, path)
        found.reasons = [found.damage]
    return found


# --- what the file says of itself -----------------------------------------------------------


def _look_into_archive(path: Path, found: Inspection) -> dict[str, Any]:
    found.format = "zip archive"
    try:
        with open_archive(path) as opened:
            found.format = ".keras archive"
            found.keras_version = _text(opened.metadata.get("keras_version"))
            found.written_by = _text(opened.metadata.get("written_by"))
            found.saved = _text(opened.metadata.get("date_saved"))
            found.class_names = (
                [name for _, name in opened.record.class_names] if opened.record.class_names else None
            )
            found.optimizer = _optimizer(opened.config.get("compile_config"), "optimizer")
            _describe(opened.config, found)
            return opened.config
    except NotKerasError as error:
        raise _OtherFileError(_without_name(error, path)) from None


def _look_into_hdf5(path: Path, found: Inspection) -> dict[str, Any] | None:
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(SIGNATURE)) == SIGNATURE
    try:
        with open_file(Source(path.name, path)) as file:
            found.format = "HDF5"
            return _look_into(file, found)
    except ModelFileError as error:
        if is_hdf5:
            raise
        raise _OtherFileError(_without_name(error, path)) from None


def _look_into(file: File, found: Inspection) -> dict[str, Any] | None:
    inner = [open_group(file, "model_weights")] if "model_weights" in file.keys() else []  # noqa: SIM118
    for holder in (file, *inner):
        if "keras_version" in holder.attrs:
            found.keras_version = found.keras_version or read_text(holder, "keras_version")
    if "model_config" in file.attrs:
        found.format = "whole model in HDF5"
        described = read_model_config(file)
        if "training_config" in file.attrs:
            training = read_json_object(read_text(file, "training_config"), "training_config")
            found.optimizer = _optimizer(training, "optimizer_config")
        _describe(described, found)
        return described
    if weights_by_name.recognizes(file):
        found.format = "weights in HDF5, by the names of layers"
        if any(name.startswith("convolution2d_") for name in weights_by_name.list_layers(file)):
            found.format += " as Keras 1 gave them"
    elif weights_by_position.recognizes(file):
        found.format = "weights in HDF5, by class and number as Keras 3 writes them"
    else:
        names = ", ".join(list(file)[:5]) or "nothing"
        raise _OtherFileError(f"HDF5, but without anything of Keras's; it holds {names}")
    return None


def _describe(described: Mapping[str, Any], found: Inspection) -> None:
    """Names, classes, and what enters, by the description alone."""
    with _tolerance():
        found.kind = _text(described["class_name"])
        found.name = _text(described["config"].get("name"))
    with _tolerance():
        found.layers = [Row(name_of(layer), str(layer["class_name"])) for layer in listed(described)]
    with _tolerance():
        first, *_ = layers = listed(described)
        entries = [layer for layer in layers if layer["class_name"] == "InputLayer"] or [first]
        found.inputs = {name_of(layer): _input_shape(layer, described["config"]) for layer in entries}
    with _tolerance():
        leaving = described["config"].get("output_layers") if isinstance(described["config"], dict) else None
        found.outputs = dict.fromkeys(_first_texts(leaving) or [found.layers[-1].name])


def _input_shape(layer: Any, around: Any) -> Shape | None:
    for holder, key in ((layer["config"], "batch_shape"), (layer["config"], "batch_input_shape"),
                        (around, "build_input_shape")):  # fmt: skip
        if isinstance(holder, dict) and isinstance(holder.get(key), list):
            return tuple(holder[key])
    return None


def _first_texts(value: Any) -> list[str]:
    """The layers' names in a nest of [name, use, output]."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], str):
        return [value[0]]
    return [name for item in value for name in _first_texts(item)]


def _optimizer(compiled: Any, key: str) -> str | None:
    found = compiled.get(key) if isinstance(compiled, dict) else None
    if isinstance(found, dict):
        found = found.get("class_name")
    return None if found is None else str(found).rpartition(">")[2]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _tolerance() -> contextlib.suppress:
    """Odd JSON leaves a gap, no more."""
    return contextlib.suppress(LookupError, TypeError, AttributeError, ValueError, RecursionError)


# --- what is in it --------------------------------------------------------------------------


def _count(file: File, found: Inspection) -> None:
    kinds: Counter[str] = Counter()
    found.parameters = 0
    for path, dtype, size in _arrays(file):
        if path[0] in OPTIMIZER:
            found.optimizer_arrays += 1
        elif not any(part in NO_WEIGHTS for part in path):
            kinds[dtype] += 1
            found.parameters += size
    found.arrays = dict(kinds)


def _arrays(file: File) -> Iterator[tuple[list[str], str, int]]:
    """(path, type, size) of every array that stands in the very file; none is read."""
    waiting: list[tuple[list[str], Any]] = [([], file)]
    met = set()
    count = 0
    while waiting and count < MOST_ARRAYS:
        path, group = waiting.pop()
        for name in group:
            try:
                inside = open_object(group, name)
            except ModelFileError:  # a link to elsewhere
                continue
            address = h5py.h5o.get_info(inside).addr
            if address in met:
                continue
            met.add(address)
            if isinstance(inside, h5py.h5g.GroupID):
                waiting.append(([*path, name], h5py.Group(inside)))
            elif isinstance(inside, h5py.h5d.DatasetID):
                count += 1
                dtype = "bfloat16" if inside.dtype == BFLOAT16 else inside.dtype.name
                yield [*path, name], dtype, math.prod(inside.shape or ())


# --- whether it runs here -------------------------------------------------------------------


def _try_model(path: Path, described: dict[str, Any], found: Inspection) -> None:
    try:
        stored = read_model(path)
        graph, parameters, outline = stored.graph, stored.parameters, stored.network
    except ModelFileError as error:
        keras = major_version(found.keras_version or ("3" if is_archive(path) else "1"))
        found.reasons = refusals(described, keras) or [_without_name(error, path)]
        _try_base(path, found, alone=False)
        return
    found.runs, found.loads_as = True, "xception.load_model(FILE)"
    found.name = graph.name
    found.inputs = {name: (None, *graph.nodes[name].output_shape) for name in graph.inputs}
    found.outputs = {name: (None, *graph.nodes[name].output_shape) for name in graph.outputs}
    found.parameters, found.trainable = graph.count_params(), graph.count_params(trainable=True)
    found.layers = list(_rows(graph, outline))
    found.bases = bases.in_model(graph, parameters)


def _rows(graph: Graph, outline: Network) -> Iterator[Row]:
    for member in network.listed(outline):
        shapes = [(None, *shape) for shape in network.output_shapes(graph, member, member.name)]
        count = sum(node.count_params() for node in network.nodes(graph, member, member.name))
        yield Row(member.name, "InputLayer" if network.is_input(member) else member.kind, shapes, count)


def _try_weights(path: Path, found: Inspection) -> None:
    """Weights alone run if they are those of an Xception."""
    with contextlib.suppress(ValueError):
        classes = count_classes(path)
        if classes is not None and _reads(path, architecture.xception(classes=classes)):
            found.runs, found.loads_as = True, f"xception.Xception(weights=FILE, classes={classes})"
    _try_base(path, found, alone=True)
    if not found.runs:
        found.reasons = [
            "holds weights alone, and not those of Xception by itself; build the model that they belong to, "
            "and give it the file: model.load_weights(FILE)"
        ]


def _try_base(path: Path, found: Inspection, alone: bool) -> None:
    """Look for an Xception's base among the arrays of a file that is no model to us.

    alone: whether the file holds weights and nothing else; then a base by itself runs.
    """
    with contextlib.suppress(ModelFileError), open_weights(path) as (file, source):
        found.bases = bases.in_file(file, source)
    if found.bases and not found.runs and _reads(path, bases.reference()):
        found.runs = alone and not found.bases[0].place
        found.loads_as = "xception.Xception(include_top=False, weights=FILE)"


def _reads(path: Path, graph: Graph) -> bool:
    """Whether a graph's weights can be taken from a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_weights(path, network.of_graph(graph), graph)
        except ModelFileError:
            return False
    return True


def _without_name(error: Exception, path: Path) -> str:
    return str(error).removeprefix(path.name).lstrip(":, ")
