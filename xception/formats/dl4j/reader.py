"""Reader of Deeplearning4j's model zips.

The configuration and the parameters are read, and the normalizer if there is one. Other members are objects
of Java or the state of a training: they are never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np

from ...data.preprocessing import Preprocessing, Scaling
from ...errors import ModelFileError
from ...graph import Graph, Network
from ...kernels import Array
from ...layers import Rescaling, Shape
from ...limits import format_bytes, format_limit, get_limits, memory_advice
from ..archives import converted_errors, open_zip, unpack
from ..limits import MAX_TEXT_BYTES
from ..matching import join_some, list_not_finite, warn_not_finite
from ..options import ReadOptions
from ..stored import Note, StoredModel
from .binary import LONG_SHAPE, MIXED_DATA_TYPES, NO_PARAMETERS, OLD_MODES, StoredArray, peek_mode, read_array
from .chains import Context, Layout
from .configuration import Configuration, read_configuration
from .input_shapes import choose_size, find_input_shapes, find_size
from .network import Built, SizeNeededError, build_network, find_layout
from .normalizers import Normalizer, read_normalizer

CONFIGURATION, COEFFICIENTS, NORMALIZER = "configuration.json", "coefficients.bin", "normalizer.bin"
READ = (CONFIGURATION, COEFFICIENTS, NORMALIZER)
#: Members that every zip may have, of which nothing need be said.
PASSED_OVER = ("updaterState.bin", NO_PARAMETERS)
#: What the content of an array has besides its elements, which take up to 8 bytes each.
MAX_HEADER_BYTES = 1000
MAX_BYTES_PER_ELEMENT = 8
MAX_NORMALIZER_BYTES = 1 << 20  #: it holds two numbers for each channel
#: Versions that write an array of each mode.
VERSIONS = {
    OLD_MODES[0]: "up to 1.0.0-beta",
    LONG_SHAPE: "1.0.0-beta2 and beta3",
    MIXED_DATA_TYPES: "1.0.0-beta4 and later",
}
#: Pixels 0…255 as these ranges are how photographs are scaled; others become a layer.
RANGES: dict[tuple[float, float], Scaling] = {(-1.0, 1.0): "tf", (0.0, 1.0): "unit", (0.0, 255.0): "none"}


class InputSize(NamedTuple):
    """The size of images, if layers expect one, and whether others fit too."""

    size: tuple[int, int]
    is_only: bool


@dataclass(frozen=True)
class ModelZip:
    """An open zip.

    Attributes:
        name: The file's name.
        path: The file.
        zip_file: The open archive.
        configuration: Its network.
        mode: The mode of its array.
    """

    name: str
    path: Path
    zip_file: ZipFile
    configuration: Configuration
    mode: str

    @property
    def layout(self) -> Layout:
        """Order of the axes of images."""
        return find_layout(self.configuration)

    @property
    def versions(self) -> str:
        """The versions that write such a file."""
        return "0.9.1 and alpha" if self.configuration.is_wrapped else VERSIONS[self.mode]

    def build(self, input_shape: Shape | None = None) -> tuple[Built, InputSize | None]:
        """Build the network, without numbers.

        Args:
            input_shape: Shape of its input; None to find it.

        Raises:
            ModelFileError: Something in it is not supported, or does not fit.
        """
        configuration = self.configuration
        context = Context(self.layout, self.mode)
        if input_shape is not None:
            if len(configuration.inputs) != 1:
                raise ModelFileError(f"{self.name}: has {len(configuration.inputs)} inputs, not one")
            shape = tuple(input_shape)
            if shape[-1] is None:
                shape = (*shape[:-1], *find_input_shapes(configuration)[configuration.inputs[0]][-1:])
            return self._build(context, {configuration.inputs[0]: shape}), None
        shapes = find_input_shapes(configuration)
        try:
            built = self._build(context, shapes)
        except SizeNeededError as error:
            built, needs_size = error.built, True
        else:
            needs_size = False
        (name, *others), size = configuration.inputs, None
        if not others and len(shapes[name]) == 3:
            channels = shapes[name][-1] or 3
            sizes = find_size(built, channels)
            if sizes is None and (built.expected_sizes or needs_size):
                raise ModelFileError(
                    f"{self.name}: no size of images fits its layers; give input_shape=(height, width, "
                    f"{channels})"
                )
            if sizes is not None:
                is_only = all(len(fitting) == 1 for fitting in sizes)
                size = InputSize((choose_size(sizes[0]), choose_size(sizes[1])), is_only)
                if is_only or needs_size:
                    built = self._build(context, {name: (*size.size, channels)})
        return built, size

    def _build(self, context: Context, shapes: dict[str, Shape]) -> Built:
        return build_network(self.path.stem, self.configuration, context, shapes)

    def read_parameters(self, built: Built) -> dict[str, dict[str, Array]]:
        """Read the parameters of a network.

        Raises:
            ModelFileError: There are not as many as the network has, or they need too much memory.
        """
        expected = built.count()
        limit = get_limits().max_memory_bytes
        if 8 * expected > limit:  # as they are stored, and as they are returned
            raise ModelFileError(
                f"{self.name}: reading its weights takes {format_bytes(8 * expected)} of memory; the limit "
                f"is {format_limit(limit)}. If you trust the file, raise it: {memory_advice(8 * expected)}"
            )
        vector = self._read_vector(expected).array.ravel()
        if len(vector) != expected:
            raise ModelFileError(
                f"{self.name}: {COEFFICIENTS} holds {len(vector):,} numbers, its layers take {expected:,}"
            )
        parameters: dict[str, dict[str, Array]] = {}
        position = 0
        for node, slot in ((stored.node, stored.slot) for stored in built.parameters):
            part = vector[position : position + slot.size]
            position += slot.size
            array = slot.convert(part.reshape(slot.shape) if slot.is_stored else part)
            wanted = built.graph.nodes[node].parameters[slot.parameter].shape
            parameters.setdefault(node, {})[slot.parameter] = np.ascontiguousarray(array).reshape(wanted)
        return {node.name: parameters[node.name] for node in built.graph.nodes.values() if node.parameters}

    def _read_vector(self, expected: int) -> StoredArray:
        location = f"{self.name}: {COEFFICIENTS}"
        if not expected and _states_no_parameters(self.zip_file):
            return StoredArray(np.zeros(0, np.float32), self.mode, "FLOAT", 0)
        max_bytes = MAX_HEADER_BYTES + MAX_BYTES_PER_ELEMENT * expected
        return read_array(self._content(COEFFICIENTS, max_bytes), location)

    def _content(self, member: str, max_bytes: int) -> bytes:
        location = f"{self.name}: {member}"
        with converted_errors(self.path):
            if member not in self.zip_file.namelist():
                raise ModelFileError(f"{location}: is missing; the file was not written completely")
            return unpack(self.zip_file, self.zip_file.getinfo(member), max_bytes, location)

    def read_normalizer(self) -> Normalizer | None:
        """Read the normalizer, if there is one.

        Raises:
            ModelFileError: It is damaged, or not supported.
        """
        if NORMALIZER not in self.zip_file.namelist():
            return None
        content = self._content(NORMALIZER, MAX_NORMALIZER_BYTES)
        return read_normalizer(content, f"{self.name}: {NORMALIZER}")

    def unused_members(self) -> list[str]:
        """Return the names of the members that are not read and say something to somebody else."""
        return [name for name in self.zip_file.namelist() if name not in (*READ, *PASSED_OVER)]


def _states_no_parameters(zip_file: ZipFile) -> bool:
    """Return whether the marker is there, beside an array that is empty, or without one."""
    names = zip_file.namelist()
    is_empty = COEFFICIENTS not in names or zip_file.getinfo(COEFFICIENTS).file_size == 0
    return NO_PARAMETERS in names and is_empty


@contextmanager
def open_model_zip(path: Path) -> Iterator[ModelZip]:
    """Open a zip of Deeplearning4j and read its configuration.

    Yields:
        The open zip.

    Raises:
        ModelFileError: It is damaged or hostile.
    """
    with open_zip(path, READ) as zip_file:
        location = f"{path.name}: {CONFIGURATION}"
        with converted_errors(path):
            text = unpack(zip_file, zip_file.getinfo(CONFIGURATION), MAX_TEXT_BYTES, location)
            # Without an array, the type of the numbers tells beta4 and later.
            mode = MIXED_DATA_TYPES if b'"dataType"' in text else OLD_MODES[0]
            if COEFFICIENTS in zip_file.namelist() and not _states_no_parameters(zip_file):
                with zip_file.open(COEFFICIENTS) as stream:
                    mode = peek_mode(stream.read(MAX_HEADER_BYTES), f"{path.name}: {COEFFICIENTS}")
        try:
            yield ModelZip(path.name, path, zip_file, read_configuration(text, location), mode)
        except ModelFileError as error:
            reason = str(error)
            if reason.startswith(path.name):
                raise
            raise ModelFileError(f"{path.name}: {reason}") from None


def read_model(
    path: Path,
    weights: Path | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008, it is frozen
) -> StoredModel:
    """Read a model; see `formats.read_model`."""
    if weights is not None:
        raise ModelFileError(f"{path.name}: holds its weights itself; give no other file of weights")
    with open_model_zip(path) as model_zip:
        built, size = model_zip.build(options.input_shape)
        parameters = model_zip.read_parameters(built)
        normalizer = model_zip.read_normalizer()
        unused = model_zip.unused_members()
    not_finite = tuple(list_not_finite(parameters))
    warn_not_finite(path.name, not_finite, stacklevel=4)
    graph, scaling = _apply_normalizer(built.graph, normalizer, path.name)
    is_size_given = options.input_shape is not None and None not in options.input_shape[:2]
    notes = _notes(graph, normalizer, size, is_size_given)
    if unused:
        notes.append(Note(f"not read, and never run: {join_some(unused)}"))
    record = Preprocessing(scaling=scaling, size=None if size is None else size.size)
    network = Network.from_graph(graph)
    return StoredModel(graph, parameters, network, None, record, None, tuple(notes), not_finite)


def _apply_normalizer(graph: Graph, normalizer: Normalizer | None, name: str) -> tuple[Graph, Scaling | None]:
    """Return the graph and how photographs are scaled: by a range, or by a layer at the input."""
    if normalizer is None:
        return graph, None
    if normalizer.scale.ndim == 0:
        low = float(normalizer.offset)
        scaling = RANGES.get((low, low + 255 * float(normalizer.scale)))
        if scaling is not None:
            return graph, scaling
    if len(graph.inputs) != 1:
        raise ModelFileError(f"{name}: has a normalizer and {len(graph.inputs)} inputs, expected one")
    (input_name,) = graph.inputs
    scaled = Graph(graph.name)
    names = dict[str, str]()
    for node in graph.nodes.values():
        sources = [names.get(source, source) for source in node.inputs]
        scaled.add(node.layer, *sources, name=node.name)
        if node.name == input_name:
            layer = Rescaling(normalizer.scale.tolist(), normalizer.offset.tolist())
            try:
                names[input_name] = scaled.add(layer, input_name, name=f"{input_name}_normalizer")
            except ValueError as error:
                raise ModelFileError(f"{name}: {NORMALIZER} does not fit: {error}") from None
    scaled.set_inputs_and_outputs(graph.inputs, graph.outputs)
    return scaled, "none"


def _notes(
    graph: Graph, normalizer: Normalizer | None, size: InputSize | None, is_size_given: bool
) -> list[Note]:
    """Return what the file does not say and is assumed of photographs."""
    if not any(len(graph.nodes[name].output_shape) == 3 for name in graph.inputs):
        return []
    assumed = ["their channels are RGB (Deeplearning4j's own image loader gives BGR)"]
    if normalizer is None:
        assumed.append("their range is what the layers suggest, else −1…1")
    height, width = (299, 299) if size is None else size.size
    if not is_size_given and (size is None or not size.is_only):
        change = "input_shape=(height, width, channels), or --size, changes it"
        assumed.append(f"their size is {height}×{width} ({change})")
    text = "the zip does not say how photographs were prepared; assumed here: "
    return [Note(text + "; ".join(assumed), is_assumption=True)]


def read_weights(
    path: Path, network: Network, graph: Graph, by_name: bool, skip_mismatch: bool
) -> dict[str, dict[str, Array]]:
    """Refuse: the order of stored parameters depends on the whole network."""
    raise ModelFileError(
        f"{path.name}: is a whole model of Deeplearning4j; load it with xception.load_model({path.name!r})"
    )


def count_classes(path: Path) -> int | None:
    """Count the outputs; see `formats.count_classes`."""
    with open_model_zip(path) as model_zip:
        built, _ = model_zip.build()
    shape = built.graph.nodes[built.graph.outputs[0]].output_shape
    return shape[0] if len(shape) == 1 else None
