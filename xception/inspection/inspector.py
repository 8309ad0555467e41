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
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py

from .. import architecture
from ..errors import ModelFileError
from ..formats import StoredModel, count_classes, read_model, read_weights
from ..formats.foreign import is_deeplearning4j, is_pytorch
from ..formats.hdf5.arrays import BFLOAT16
from ..formats.hdf5.exiting import using_file
from ..formats.hdf5.file import File, list_entries, open_object, wrap_group
from ..formats.keras.config_reader import read_network
from ..formats.keras.containers import AnySource, Described, open_weights
from ..formats.keras.reader import read_described
from ..formats.matching import join_some, list_not_finite
from ..formats.reading import check_path, find_foreign
from ..graph import Graph, Network
from ..graph.network import member_nodes, output_shapes
from .backbones import find_in_file, find_in_model, reference_graph
from .descriptions import Description, OtherFormatError, count_bytes, describe_file, reason_of
from .report import Inspection, LayerRow

OPTIMIZER_GROUPS = ("optimizer", "optimizer_weights")  #: hold the state of the optimizer
IGNORED_GROUPS = ("metrics", "seed_generator", "seed_generator_state")  #: hold no weights
MAX_ARRAYS = 100_000  #: that are counted: a file of a megabyte can list millions


@using_file()
def inspect(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Inspection:
    """Report what a model or weights file is, what is in it, and whether it runs here.

    Args:
        path: Any file, or the folder of a model.
        weights: The weights of an architecture in JSON, as for `load_model`.

    Returns:
        The report; `print` shows it as text.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder, and not that of a model.
        OSError: It is a named pipe, a device or a socket, or cannot be read.
    """
    path, weights = Path(path), None if weights is None else Path(weights)
    inspection = Inspection(path.name, count_bytes(path))
    foreign = find_foreign(path)
    if weights is not None:
        check_path(weights)
    if foreign:
        inspection.reasons = [str(foreign)]
        return inspection
    try:
        if not path.is_dir() and is_pytorch(path):
            _describe_checkpoint(path, inspection)
            return inspection
        if not path.is_dir() and is_deeplearning4j(path):
            _describe_model_zip(path, inspection)
            return inspection
        description = describe_file(path, inspection)
        holder = path if weights is None and description.has_weights else weights
        with nullcontext() if holder is None else open_weights(holder) as opened:
            if opened is not None:
                _count_arrays(opened[0], inspection)
            if description.config is None:
                _try_weights(path, inspection)
            else:
                _try_model(path, weights, description, opened, inspection)
    except OtherFormatError as error:
        inspection.reasons = [str(error)]
    except ModelFileError as error:
        inspection.damage = reason_of(error, path)
        inspection.reasons = [inspection.damage]
    return inspection


def _describe_checkpoint(path: Path, inspection: Inspection) -> None:
    """Describe a checkpoint of PyTorch, or a safetensors file.

    Raises:
        ModelFileError: It is damaged or hostile.
    """
    from ..formats.pytorch.reader import open_tensors  # readers of other frameworks load when they are needed

    with open_tensors(path) as file:
        inspection.format = file.kind
        inspection.arrays = dict(Counter(tensor.dtype for tensor in file.tensors.values()))
        inspection.parameters = sum(math.prod(tensor.shape) for tensor in file.tensors.values())
        if file.passed_over:
            inspection.remarks.append(f"passed over, and not called: {join_some(file.passed_over)}")
    _describe_what_loads(path, inspection)


def _describe_model_zip(path: Path, inspection: Inspection) -> None:
    """Describe a zip of Deeplearning4j.

    Raises:
        ModelFileError: It is damaged or hostile.
    """
    from ..formats.dl4j.reader import open_model_zip

    with open_model_zip(path) as model_zip:
        kind = model_zip.configuration.kind
        inspection.format = f"{kind} of Deeplearning4j, {model_zip.versions}, {model_zip.layout}"
    _describe_what_loads(path, inspection)


def _describe_what_loads(path: Path, inspection: Inspection) -> None:
    """Load a whole model of another framework, and describe it with what is assumed of it."""
    try:
        with _without_warnings():
            stored = read_model(path)
    except ModelFileError as error:
        inspection.reasons = [reason_of(error, path)]
        return
    inspection.remarks = [note.text for note in stored.notes]
    inspection.preprocessing = stored.preprocessing
    inspection.loads_as = "xception.load_model(FILE)"
    _describe_model(stored, inspection)


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
    files = getattr(file, "groups", [file])  # those of shards
    stack: list[tuple[list[str], Any]] = [([], part) for part in files]
    visited = set()
    count = 0
    while stack and count < MAX_ARRAYS:
        path, group = stack.pop()
        for name in list_entries(group):
            try:
                inner = open_object(group, name)
            except ModelFileError:  # a link out of the file
                continue
            information = h5py.h5o.get_info(inner)
            address = information.fileno, information.addr
            if address in visited:
                continue
            visited.add(address)
            if isinstance(inner, h5py.h5g.GroupID):
                stack.append(([*path, name], wrap_group(group, inner)))
            elif isinstance(inner, h5py.h5d.DatasetID):
                count += 1
                dtype = "bfloat16" if inner.dtype == BFLOAT16 else inner.dtype.name
                yield [*path, name], dtype, math.prod(inner.shape or ())


# --- whether it runs ------------------------------------------------------------------------


def _try_model(
    path: Path, weights: Path | None, description: Description, opened: tuple[File, AnySource] | None,
    inspection: Inspection,
) -> None:  # fmt: skip
    """Load a whole model; if that fails, list the reasons, and look for a backbone in it.

    Args:
        path: The file with the config.
        weights: The file with the weights, if that is another one.
        description: What is in the first.
        opened: The open file of the weights; None if there are none.
        inspection: Is filled.
    """
    config = description.config or {}
    try:
        with _without_warnings():
            if opened is None:
                read_network(config, description.keras, path.name)
                inspection.reasons = [
                    "holds the architecture alone; give its weights too: "
                    "xception.load_model(FILE, weights=WEIGHTS)"
                ]
                return
            if weights is not None:
                stored = read_model(path, weights)
            else:  # what was checked while arrays were counted need not be checked again
                described = Described(config, description.keras, lambda _: nullcontext(opened))
                stored = read_described(path, described)
    except ModelFileError as error:
        from .refusals import list_refusals

        reasons = list_refusals(config, description.keras)
        inspection.reasons = reasons or [reason_of(error, path)]
        if description.has_weights:
            _try_backbone(path, inspection, weights_alone=False)
        return
    call = "xception.load_model(FILE)" if weights is None else "xception.load_model(FILE, weights=WEIGHTS)"
    inspection.loads_as = call
    _describe_model(stored, inspection)


def _describe_model(stored: StoredModel, inspection: Inspection) -> None:
    """Add the layers and backbones of a model that runs to an inspection."""
    graph = stored.graph
    inspection.runs = True
    inspection.not_finite = list(stored.not_finite)
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
    inspection.not_finite = list_not_finite(parameters)
    return True


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
