"""Inspection of a model file, also of one that is not supported, damaged, or something else.

A file that loads is described as a model. Of one that does not, the config and the arrays are examined
as data: the classes of its layers, all reasons why it is refused, and whether it contains an Xception
backbone. Nothing in a file is executed.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .. import architecture
from ..data.regular_files import open_regular_file
from ..errors import ModelFileError, XceptionError
from ..formats import count_classes, read_model, read_weights
from ..formats.hdf5.arrays import BFLOAT16
from ..formats.hdf5.exiting import using_file
from ..formats.hdf5.file import SIGNATURE, File, list_entries, open_file, open_group, open_object, read_text
from ..formats.hdf5.source import Source
from ..formats.keras import weights_by_name, weights_by_position
from ..formats.keras.archive import NotKerasError, open_archive
from ..formats.keras.config_reader import major_version
from ..formats.keras.json_reader import read_json_object
from ..formats.keras.reader import is_archive, open_weights
from ..formats.keras.stored_layers import read_keras_version, read_model_config
from ..formats.reading import check_file
from ..graph import Graph, GraphParameters, Network
from ..graph.network import member_nodes, output_shapes
from .backbones import find_in_file, find_in_model, reference_graph
from .configs import as_text, describe_config, optimizer_name
from .refusals import list_refusals
from .report import Inspection, LayerRow

OPTIMIZER_GROUPS = ("optimizer", "optimizer_weights")  #: hold the state of the optimizer
IGNORED_GROUPS = ("metrics", "seed_generator", "seed_generator_state")  #: hold no weights
MAX_ARRAYS = 100_000  #: that are counted: a file of a megabyte can list millions


class _OtherFormatError(XceptionError):
    """The file is intact, but not in a format of Keras."""


@using_file()
def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Report what a model or weights file is, what is in it, and whether it runs here.

    Args:
        path: Any file.

    Returns:
        The report; `print` shows it as text.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    path = Path(path)
    check_file(path)
    inspection = Inspection(path.name, path.stat().st_size)
    try:
        config = (_describe_archive if is_archive(path) else _describe_hdf5)(path, inspection)
        with open_weights(path) as (file, _):
            _count_arrays(file, inspection)
        if config is None:
            _try_weights(path, inspection)
        else:
            _try_model(path, config, inspection)
    except _OtherFormatError as error:
        inspection.reasons = [str(error)]
    except ModelFileError as error:
        inspection.damage = _reason(error, path)
        inspection.reasons = [inspection.damage]
    return inspection


# --- what the file says ---------------------------------------------------------------------


def _describe_archive(path: Path, inspection: Inspection) -> dict[str, Any]:
    """Describe a zip archive; return the config of its model."""
    inspection.format = "zip archive"
    try:
        with open_archive(path) as archive:
            inspection.format = ".keras archive"
            inspection.keras_version = as_text(archive.metadata.get("keras_version"))
            inspection.written_by = as_text(archive.metadata.get("written_by"))
            inspection.saved = as_text(archive.metadata.get("date_saved"))
            record = archive.record
            inspection.class_names = [name for _, name in record.class_names] if record.class_names else None
            inspection.preprocessing = record.preprocessing if record.preprocessing.to_dict() else None
            inspection.optimizer = optimizer_name(archive.config.get("compile_config"), "optimizer")
            describe_config(archive.config, inspection)
            return archive.config
    except NotKerasError as error:
        raise _OtherFormatError(_reason(error, path)) from None


def _describe_hdf5(path: Path, inspection: Inspection) -> dict[str, Any] | None:
    """Describe a file that should be HDF5; return the config of its model, if it holds one."""
    with open_regular_file(path) as stream:
        is_hdf5 = stream.read(len(SIGNATURE)) == SIGNATURE
    try:
        with open_file(Source(path.name, path)) as file:
            inspection.format = "HDF5"
            return _describe_keras_hdf5(file, inspection)
    except ModelFileError as error:
        if is_hdf5:
            raise
        raise _OtherFormatError(_reason(error, path)) from None


def _describe_keras_hdf5(file: File, inspection: Inspection) -> dict[str, Any] | None:
    inspection.keras_version = read_keras_version(file)
    if "model_config" in file.attrs:
        inspection.format = "whole model in HDF5"
        config = read_model_config(file)
        if "training_config" in file.attrs:
            training = read_json_object(read_text(file, "training_config"), "training_config")
            inspection.optimizer = optimizer_name(training, "optimizer_config")
        describe_config(config, inspection)
        return config
    if weights_by_name.recognizes(file):
        inspection.format = "weights in HDF5, by layer name"
        if any(name.startswith("convolution2d_") for name in weights_by_name.list_layers(file)):
            inspection.format += " as in Keras 1"
    elif weights_by_position.recognizes(file):
        inspection.format = "weights in HDF5, by class and number as in Keras 3"
    else:
        names = ", ".join(list_entries(file)[:5]) or "nothing"
        raise _OtherFormatError(f"HDF5, but not of Keras; it holds {names}")
    return None


# --- what is in it --------------------------------------------------------------------------


def _count_arrays(file: File, inspection: Inspection) -> None:
    kinds: Counter[str] = Counter()
    inspection.parameters = 0
    for path, dtype, size in _walk_arrays(file):
        if path[0] in OPTIMIZER_GROUPS:
            inspection.optimizer_arrays += 1
        elif not any(part in IGNORED_GROUPS for part in path):
            kinds[dtype] += 1
            inspection.parameters += size
    inspection.arrays = dict(kinds)


def _walk_arrays(file: File) -> Iterator[tuple[list[str], str, int]]:
    """Yield (path, type, number of elements) of every array stored in this file; reads none."""
    stack: list[tuple[list[str], Any]] = [([], file)]
    visited = set()
    count = 0
    while stack and count < MAX_ARRAYS:
        path, group = stack.pop()
        for name in list_entries(group):
            try:
                inner = open_object(group, name)
            except ModelFileError:  # a link out of the file
                continue
            address = h5py.h5o.get_info(inner).addr
            if address in visited:
                continue
            visited.add(address)
            if isinstance(inner, h5py.h5g.GroupID):
                stack.append(([*path, name], open_group(group, name)))
            elif isinstance(inner, h5py.h5d.DatasetID):
                count += 1
                dtype = "bfloat16" if inner.dtype == BFLOAT16 else inner.dtype.name
                yield [*path, name], dtype, math.prod(inner.shape or ())


# --- whether it runs ------------------------------------------------------------------------


def _try_model(path: Path, config: dict[str, Any], inspection: Inspection) -> None:
    """Load a whole model; if that fails, list the reasons, and look for a backbone in it."""
    try:
        with _without_warnings():
            stored = read_model(path)
    except ModelFileError as error:
        keras = major_version(inspection.keras_version or ("3" if is_archive(path) else "1"))
        inspection.reasons = list_refusals(config, keras) or [_reason(error, path)]
        _try_backbone(path, inspection, weights_alone=False)
        return
    graph = stored.graph
    inspection.runs, inspection.loads_as = True, "xception.load_model(FILE)"
    inspection.not_finite = _list_not_finite(stored.parameters)
    inspection.name = graph.name
    inspection.inputs = {name: (None, *graph.nodes[name].output_shape) for name in graph.inputs}
    inspection.outputs = {name: (None, *graph.nodes[name].output_shape) for name in graph.outputs}
    inspection.parameters = graph.count_params()
    inspection.trainable = graph.count_params(trainable=True)
    inspection.layers = list(_layer_rows(graph, stored.network))
    inspection.bases = find_in_model(graph, stored.parameters)


def _layer_rows(graph: Graph, outline: Network) -> Iterator[LayerRow]:
    for member in outline.visible_members():
        shapes = [(None, *shape) for shape in output_shapes(graph, member, member.name)]
        count = sum(node.count_params() for node in member_nodes(graph, member, member.name))
        kind = "InputLayer" if member.is_input else member.kind
        yield LayerRow(member.name, kind, shapes, count)


def _try_weights(path: Path, inspection: Inspection) -> None:
    """Load weights alone, which run if they are those of an Xception."""
    with contextlib.suppress(ValueError):
        classes = count_classes(path)
        if classes is not None and _fits(path, architecture.xception(classes=classes), inspection):
            inspection.runs = True
            inspection.loads_as = f"xception.Xception(weights=FILE, classes={classes})"
    _try_backbone(path, inspection, weights_alone=True)
    if not inspection.runs:
        inspection.reasons = [
            "holds weights alone, and not those of an Xception; build the model that they belong to, and "
            "load the file with model.load_weights(FILE)"
        ]


def _try_backbone(path: Path, inspection: Inspection, weights_alone: bool) -> None:
    """Look for Xception's backbone among the arrays of a file that does not load as a model."""
    with contextlib.suppress(ModelFileError), open_weights(path) as (file, source):
        inspection.bases = find_in_file(file, source)
    if inspection.bases and not inspection.runs and _fits(path, reference_graph(), inspection):
        inspection.runs = weights_alone and not inspection.bases[0].path
        inspection.loads_as = "xception.Xception(include_top=False, weights=FILE)"


def _fits(path: Path, graph: Graph, inspection: Inspection) -> bool:
    """Return True if the weights of `graph` can be read from a file; note those that are not finite."""
    with _without_warnings():
        try:
            parameters = read_weights(path, Network.from_graph(graph), graph)
        except ModelFileError:
            return False
    inspection.not_finite = _list_not_finite(parameters)
    return True


def _list_not_finite(parameters: GraphParameters) -> list[str]:
    """Return the names of the arrays that hold NaN or infinity: "node/parameter"."""
    return [
        f"{node}/{name}"
        for node, arrays in parameters.items()
        for name, array in arrays.items()
        if not np.isfinite(array).all()
    ]


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: Exception, path: Path) -> str:
    """Return an error's message without the file's name."""
    return str(error).removeprefix(path.name).lstrip(":, ")
