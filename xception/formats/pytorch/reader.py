"""Reader of Xception's PyTorch checkpoints and safetensors files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...data.preprocessing import Preprocessing
from ...data.regular_files import open_regular_file
from ...errors import ModelFileError
from ...graph import Graph, Network
from ...kernels import Array
from ...layers import Shape
from ...limits import format_bytes, format_limit, get_limits, memory_advice
from ..matching import join_some, list_not_finite, warn_not_finite
from ..options import ReadOptions
from ..stored import Note, StoredModel
from .checkpoint import open_checkpoint
from .names import as_keras, find_head, find_prefix, fits, list_names, stored_shape
from .network import ADJUSTMENT, build_xception, find_difference
from .safetensors import open_safetensors
from .tensors import Tensor, TensorFile

SIZE, DEEPFAKEBENCH_SIZE = 299, 256  #: pixels each way, of the trainings that the names stand for
ASSUMED = (
    "a checkpoint does not say how photographs were prepared; assumed here: stretched, bilinear, −1…1. Give "
    "interpolation= or aspect= if it was trained otherwise"
)


@dataclass(frozen=True)
class Checkpoint:
    """Xception in an open checkpoint.

    Attributes:
        name: The file's name.
        file: Its tensors.
        prefix: What stands before the names of Xception's.
        head: Name of the linear layer at the end, or None.
        classes: Number of its outputs, or None.
        adjusted: Channels of DeepfakeBench's `adjust_channel`, if the head reads them.
    """

    name: str
    file: TensorFile
    prefix: str
    head: str | None
    classes: int | None
    adjusted: int | None

    @property
    def is_deepfakebench(self) -> bool:
        """Whether the names are those of DeepfakeBench."""
        return f"{self.prefix}{ADJUSTMENT}.0.weight" in self.file.tensors

    def build(self, input_shape: Shape | None = None) -> Graph:
        """Build the network, by default for photographs of the usual size.

        Raises:
            ModelFileError: The size is too small.
        """
        size = DEEPFAKEBENCH_SIZE if self.is_deepfakebench else SIZE
        kernel = self.tensor("conv1.weight").shape
        if len(kernel) != 4:
            raise ModelFileError(f"{self.name}: conv1.weight has the shape {kernel}, expected (32, 3, 3, 3)")
        channels = kernel[1]
        shape = (size, size, channels) if input_shape is None else tuple(input_shape)
        if shape[-1:] == (None,):
            shape = (*shape[:-1], channels)
        if len(shape) != 3 or shape[-1] != channels:
            raise ModelFileError(
                f"{self.name}: takes {channels} channels; input_shape must be (height, width, {channels}), "
                f"got {shape}"
            )
        try:
            return build_xception(shape, self.classes, self.adjusted)
        except ValueError as error:
            raise ModelFileError(f"{self.name}: {error}") from None

    def tensor(self, name: str) -> Tensor:
        """Return a tensor by its name without the prefix.

        Raises:
            ModelFileError: There is none.
        """
        try:
            return self.file.tensors[f"{self.prefix}{name}"]
        except KeyError:
            raise ModelFileError(f"{self.name}: incomplete: there is no {self.prefix}{name}") from None

    def read(self, graph: Graph) -> dict[str, dict[str, Array]]:
        """Read the parameters of a network, after checking all names and shapes.

        Raises:
            ModelFileError: Tensors are missing or have other shapes, or need too much memory.
        """
        chosen, problems = [], []
        for node_name, parameter, name in list_names(graph, self.head):
            node = graph.nodes[node_name]
            expected = stored_shape(node.kind, parameter, node.parameters[parameter].shape)
            tensor = self.file.tensors.get(f"{self.prefix}{name}")
            if tensor is None:
                problems.append(f"{name} is missing")
            elif not fits(tensor.shape, expected):
                problems.append(f"{name} has the shape {tensor.shape}, expected {expected}")
            else:
                chosen.append((node_name, parameter, tensor, expected))
        if problems:
            raise ModelFileError(
                f"{self.name}: does not hold Xception as timm and Cadene write it: {join_some(problems)}"
            )
        needed = sum(4 * math.prod(expected) for *_, expected in chosen)
        limit = get_limits().max_memory_bytes
        if needed > limit:
            raise ModelFileError(
                f"{self.name}: reading its weights takes {format_bytes(needed)} of memory; the limit is "
                f"{format_limit(limit)}. If you trust the file, raise it: {memory_advice(needed)}"
            )
        parameters: dict[str, dict[str, Array]] = {}
        for node_name, parameter, tensor, expected in chosen:
            array = as_keras(parameter, tensor.read(), expected)
            parameters.setdefault(node_name, {})[parameter] = array
        return parameters

    def describe_unused(self, graph: Graph) -> list[str]:
        """Return a sentence each about what in the file is not used."""
        used = {f"{self.prefix}{name}" for *_, name in list_names(graph, self.head)}
        unused = [
            name
            for name in self.file.tensors
            if name not in used and not name.endswith("num_batches_tracked")
        ]
        notes = []
        if unused:
            notes.append(f"not used: {join_some(unused)}")
        if self.file.passed_over:
            notes.append(f"passed over, and not called: {join_some(list(self.file.passed_over))}")
        return notes


@contextmanager
def open_tensors(path: Path, strict: bool = False) -> Iterator[TensorFile]:
    """Open a checkpoint or a safetensors file, by its content.

    Args:
        path: The file.
        strict: See `open_checkpoint`.

    Yields:
        Its tensors, which are read while the file is open.

    Raises:
        ModelFileError: The file is damaged or hostile.
    """
    with open_regular_file(path) as stream:
        is_zip = stream.read(2) == b"PK"
    with open_checkpoint(path, strict) if is_zip else open_safetensors(path) as file:
        yield file


@contextmanager
def open_xception(path: Path, strict: bool = False) -> Iterator[Checkpoint]:
    """Open a file, and find Xception in it.

    Args:
        path: The file.
        strict: See `open_checkpoint`.

    Yields:
        The checkpoint.

    Raises:
        ModelFileError: The file is damaged or hostile, or holds another network.
    """
    with open_tensors(path, strict) as file:
        prefix = find_prefix(file.tensors, path.name)
        head = find_head(file.tensors, prefix)
        classes = width = adjusted = None
        if head is not None:
            classes, width = file.tensors[f"{prefix}{head}.weight"].shape
        adjustment = file.tensors.get(f"{prefix}{ADJUSTMENT}.0.weight")
        if adjustment is not None and adjustment.shape and width == adjustment.shape[0]:
            adjusted = width  # wider heads read the maps before it
        yield Checkpoint(path.name, file, prefix, head, classes, adjusted)


def read_model(
    path: Path,
    weights: Path | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008, it is frozen
) -> StoredModel:
    """Read a model; see `formats.read_model`."""
    if weights is not None:
        raise ModelFileError(f"{path.name}: holds its weights itself; give no other file of weights")
    with open_xception(path, options.strict) as checkpoint:
        graph = checkpoint.build(options.input_shape)
        parameters = checkpoint.read(graph)
        notes = [Note(ASSUMED, is_assumption=True), *map(Note, checkpoint.describe_unused(graph))]
    not_finite = tuple(list_not_finite(parameters))
    warn_not_finite(path.name, not_finite, stacklevel=4)
    record = Preprocessing(scaling="tf", from_logits=True if checkpoint.head else None)
    network = Network.from_graph(graph)
    return StoredModel(graph, parameters, network, None, record, None, tuple(notes), not_finite)


def read_weights(
    path: Path, network: Network, graph: Graph, by_name: bool, skip_mismatch: bool
) -> dict[str, dict[str, Array]]:
    """Read the parameters of a model that computes as PyTorch does; see `formats.read_weights`."""
    with open_xception(path) as checkpoint:
        built = checkpoint.build(None)
        differing = find_difference(graph, built)
        if differing is not None:
            raise ModelFileError(
                f"{path.name}: its weights belong to Xception with PyTorch's pooling and epsilon, and this "
                f"model differs: {differing}. Load the model with xception.load_model({path.name!r})"
            )
        parameters = checkpoint.read(built)
    warn_not_finite(path.name, list_not_finite(parameters), stacklevel=4)
    return parameters


def count_classes(path: Path) -> int | None:
    """Count the outputs of the head; see `formats.count_classes`."""
    with open_xception(path) as checkpoint:
        return checkpoint.classes
