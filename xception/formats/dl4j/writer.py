"""Writer of Deeplearning4j's model zips.

There are two forms. Images are NCHW in the older one, which beta2 and all later versions restore, and NHWC in
the newer one, which beta7 and later restore. The older one is written where it can express the layers.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.atomic import replace_file
from ...data.class_names import check_printable
from ...graph import Graph, GraphParameters, Node
from ...kernels import Array
from ...layers import Activation, Permute
from ..matching import join_some
from ..options import ExportOptions
from ..stored import Note, StoredModel
from .binary import NO_PARAMETERS, write_array
from .chains import Layout
from .forms import VERSIONS, NotExpressibleError, Written, activation
from .normalizers import write_image_normalizer
from .uses import Use
from .written_layers import WRITERS, add_flatten

#: Every member has this time, so that the same model gives the same file.
MEMBER_TIME = (1980, 1, 1, 0, 0, 0)
NORMALIZERS = {"tf": (-1.0, 1.0), "unit": (0.0, 1.0)}
RANGES = {"tf": "−1…1", "unit": "0…1", "none": "0…255"}
CLASS_NAMES_SUFFIX = ".classes.txt"
CHANNELS_FIRST = Permute((3, 1, 2))  #: (h, w, c) -> (c, h, w)
#: Layers that act on each element, between a Flatten and the dense layers that read it.
ELEMENTWISE_KINDS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Dropout")
#: Layers that are a batch normalization there, whose output beta3 and, straight after the input, M2.1 lose
#: before a program gets it, unless a layer follows.
NORMALIZING_KINDS = ("BatchNormalization", "Normalization", "Rescaling")


def write_model(path: Path, stored: StoredModel, options: ExportOptions) -> tuple[Note, ...]:
    """Write a model; see `formats.exporting.export_model`.

    Class names are written beside the zip, to a file of the same name with the suffix `.classes.txt`.
    """
    written = _write_vertices(stored)
    content = _members(stored, written)
    names = None if stored.class_names is None else [name for _, name in stored.class_names]
    if stored.class_names is not None:
        check_printable(stored.class_names)
    names_path = path.with_suffix(CLASS_NAMES_SUFFIX)
    if names is not None and names_path.exists() and not path.exists():  # then it is not of a former export
        raise FileExistsError(
            f"{names_path}: exists already, and the class names would be written there; move it, or name "
            "another zip"
        )
    with replace_file(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in content.items():
            archive.writestr(zipfile.ZipInfo(name, MEMBER_TIME), member, zipfile.ZIP_DEFLATED)
    if names is not None:
        with replace_file(names_path) as unfinished:
            unfinished.write_text("".join(f"{name}\n" for name in names), "utf-8")
    return tuple(_notes(path, stored, written))


def _write_vertices(stored: StoredModel) -> Written:
    """Return the vertices of a model, in the older form if it can express the layers.

    Raises:
        ValueError: No form can; the message names the layers.
    """
    layouts: tuple[Layout, ...] = ("NCHW", "NHWC")
    found: list[dict[str, str]] = []
    for layout in layouts:
        written = Written(layout)
        if written.is_nhwc:
            written.require("beta7")
        problems = _Vertices(stored.graph, stored.parameters, written).write()
        if not problems and (not written.is_nhwc or written.states_layout):
            return written
        found.append(problems)
    older, newer = found
    if not newer:
        raise ValueError(
            f"Deeplearning4j cannot express this model: no layer of it states that channels come last, and "
            f"with channels first it cannot express {_describe(older)}"
        )
    # What neither form can express is the reason, where there is such a layer.
    problems = {name: reason for name, reason in newer.items() if name in older} or newer
    raise ValueError(f"Deeplearning4j cannot express {_describe(problems)}")


def _describe(problems: dict[str, str]) -> str:
    return join_some([f"{name}: {reason}" for name, reason in problems.items()], "; ")


class _Vertices:
    """The nodes of a graph, one after the other, as vertices."""

    def __init__(self, graph: Graph, parameters: GraphParameters, written: Written) -> None:
        self._graph, self._parameters, self._written = graph, parameters, written
        self._names = _vertex_names(graph)  # by node; of a layer that is left out, that of its input
        self._readers: dict[str, list[Node]] = {name: [] for name in graph.nodes}
        for node in graph.nodes.values():
            for source in node.inputs:
                self._readers[source].append(node)
        #: Maps (h, w, c) whose vector a dense layer reads in the order c, h, w, by the vector's node.
        self._turned: dict[str, tuple[int, int, int]] = {}

    def write(self) -> dict[str, str]:
        """Add all vertices; return why a node cannot be expressed, by its name."""
        problems: dict[str, str] = {}
        for node in self._graph.nodes.values():
            if not node.inputs:
                continue
            try:
                self._write_node(node)
            except NotExpressibleError as error:
                problems[node.name] = f"{node.kind} ({error})"
        return problems

    def _write_node(self, node: Node) -> None:
        written, sources = self._written, [self._names[source] for source in node.inputs]
        shapes = tuple(self._graph.nodes[source].output_shape for source in node.inputs)
        is_output = node.name in self._graph.outputs
        if (node.layer.identity and node.kind != "Dropout") or (node.kind == "Input"):
            if node.kind not in ("Identity", "Input"):
                written.dropped.append(f"{node.name} ({node.kind})")
            if not is_output:
                self._names[node.name] = sources[0]
                return
            node = replace(node, layer=Activation("linear"))
        use = Use(node, self._names[node.name], sources, shapes, self._parameters.get(node.owner, {}))
        if self._flattens(use):
            return
        if node.kind not in WRITERS:
            raise NotExpressibleError("there is no such layer")
        if is_output and node.kind in NORMALIZING_KINDS:
            first, last = written.free_names(use.name, 2)
            WRITERS[node.kind](replace(use, name=first), written)
            written.add_layer(last, [first], "ActivationLayer", activationFn=activation("Identity"))
            return
        WRITERS[node.kind](self._with_turned_kernel(use), written)

    def _flattens(self, use: Use) -> bool:
        """Write a node that flattens maps in the order c, h, w, as NCHW does; return whether it is one.

        It is Flatten, whose vector only dense layers read; their kernels are reordered. Or a permutation to
        (c, h, w), which a Flatten or Reshape to a vector follows.
        """
        node, written = use.node, self._written
        if written.is_nhwc:
            return False
        vectors = self._readers[node.name]
        if node.layer == CHANNELS_FIRST:
            is_flattened = all(len(vector.output_shape) == 1 for vector in vectors)
            if vectors and is_flattened and all(v.kind in ("Flatten", "Reshape") for v in vectors):
                self._names[node.name] = use.sources[0]
                return True
        if node.kind in ("Flatten", "Reshape") and len(node.output_shape) == 1:
            source = self._graph.nodes[node.inputs[0]]
            if source.layer == CHANNELS_FIRST:
                shape = self._graph.nodes[source.inputs[0]].output_shape
                if None in shape:
                    raise NotExpressibleError(f"an input of shape {shape}: its size must be known")
                add_flatten(use.name, use.sources, shape, written)
                return True
        if node.kind == "Flatten" and use.is_map and None not in use.shapes[0]:
            height, width, channels = (size or 0 for size in use.shapes[0])
            if (height, width) != (1, 1) and channels > 1 and self._only_dense_reads(node.name):
                self._turned[node.name] = height, width, channels
                add_flatten(use.name, use.sources, use.shapes[0], written)
                return True
        return False

    def _only_dense_reads(self, name: str) -> bool:
        """Return whether all that read a vector are dense layers, or act on each element before those."""
        readers = self._readers[name]
        return bool(readers) and name not in self._graph.outputs and all(
            reader.kind == "Dense"
            or (reader.kind in ELEMENTWISE_KINDS and self._acts_elementwise(reader))
            for reader in readers
        )  # fmt: skip

    def _acts_elementwise(self, node: Node) -> bool:
        is_softmax = getattr(node.layer, "activation", None) in ("softmax", "log_softmax")
        return not is_softmax and self._only_dense_reads(node.name)

    def _with_turned_kernel(self, use: Use) -> Use:
        """Return a use with a kernel whose rows are in the order of the vector that it reads."""
        shape = self._turned.get(use.node.inputs[0])
        if shape is None:
            return use
        if use.node.kind != "Dense":
            self._turned[use.node.name] = shape
            return use
        kernel = use.parameters["kernel"]
        turned = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        return Use(use.node, use.name, use.sources, use.shapes, {**use.parameters, "kernel": turned})


def _vertex_names(graph: Graph) -> dict[str, str]:
    """Return a name for each node: those of nested layers are joined by "_"."""
    joined = {name: name.replace("/", "_").replace(":", "_") for name in graph.nodes}
    counts = Counter(joined.values())
    taken = {name for name, count in counts.items() if count == 1}
    for name in graph.nodes:
        if counts[joined[name]] > 1:
            stem, number = joined[name], 1
            while joined[name] in taken:
                number += 1
                joined[name] = f"{stem}_{number}"
            taken.add(joined[name])
    return joined


def _members(stored: StoredModel, written: Written) -> dict[str, bytes]:
    """Return the members of the zip."""
    names = _vertex_names(stored.graph)
    inputs = [names[name] for name in stored.graph.inputs]
    order = [*inputs, *written.vertices]
    configuration: dict[str, Any] = {
        "networkInputs": inputs, "networkOutputs": [names[name] for name in stored.graph.outputs],
        "vertexInputs": written.sources, "topologicalOrder": list(range(len(order))),
        "topologicalOrderStr": order, "vertices": written.vertices,
        "defaultConfiguration": {"optimizationAlgo": "STOCHASTIC_GRADIENT_DESCENT"},
        "backpropType": "Standard", "tbpttBackLength": 20, "tbpttFwdLength": 20,
    }  # fmt: skip
    if written.since != VERSIONS[0]:
        configuration["dataType"] = "FLOAT"
    members = {"configuration.json": json.dumps(configuration, indent=1).encode()}
    if written.arrays:
        members["coefficients.bin"] = write_array(_joined(written.arrays), written.mode)
    else:
        members |= {"coefficients.bin": b"", NO_PARAMETERS: b""}  # Deeplearning4j looks for both
    scaling = stored.preprocessing.scaling
    if scaling in NORMALIZERS:
        members["normalizer.bin"] = write_image_normalizer(*NORMALIZERS[scaling])
    return members


def _joined(arrays: list[Array]) -> Array:
    return np.concatenate([np.ravel(array) for array in arrays])[None]


def _notes(path: Path, stored: StoredModel, written: Written) -> Iterator[Note]:
    order = (stored.preprocessing.channel_order or "rgb").upper()
    pixels = RANGES.get(stored.preprocessing.scaling or "", "as the model was trained")
    applied = ", as normalizer.bin scales them" if stored.preprocessing.scaling in NORMALIZERS else ""
    shapes = [stored.graph.nodes[name].output_shape for name in stored.graph.inputs]
    images = [shape for shape in shapes if len(shape) == 3]
    if images:
        yield Note(f"takes images as {written.layout}, channels {order}, pixels {pixels}{applied}")
        if order == "RGB":
            yield Note("Deeplearning4j's own image loader gives BGR: reverse the channels")
        if len(images) == 1 and None not in images[0]:
            height, width, _ = images[0]
            option = f", or --size {height}" if height == width else ""
            yield Note(
                f"the zip does not record the images' size: read it with input_shape={images[0]}{option}"
            )
    yield Note(f"is restored by 1.0.0-{written.since} and later")
    if written.dropped:
        yield Note(f"left out, since they act in training alone: {join_some(written.dropped)}")
    if stored.class_names is not None:
        names = path.with_suffix(CLASS_NAMES_SUFFIX).name
        yield Note(f"class names are in {names}: read the zip with class_names={names!r} or --class-names")
