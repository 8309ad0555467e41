"""Writer of models in ONNX: opset 17, IR version 8, which runtimes of the last years read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.atomic import replace_file
from ...data.class_names import check_printable
from ...graph import Graph, Node
from ...layers import Layer, MaxPooling2D, Softmax
from ...version import __version__
from ..matching import join_some
from ..options import ExportOptions
from ..stored import Note, StoredModel
from .building import IR_VERSION, OPSET, Builder, NotExpressibleError, Tensor, import_onnx
from .convolutions import FOLDABLE, Use, add_pooling_pair
from .elementwise import batch_normalization_terms
from .operators import find_operator

MAP_AXES = ("height", "width")
PROBABILITIES = ("softmax", "sigmoid")
RANGES = {"tf": "−1…1", "unit": "0…1", "none": "0…255"}


def write_model(path: Path, stored: StoredModel, options: ExportOptions) -> tuple[Note, ...]:
    """Write a model; see `formats.exporting.export_model`."""
    onnx = import_onnx()
    export = _Export(stored, options)
    model = export.build()
    content: bytes = model.SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(content)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"{path.name}: the model that was written is not valid ONNX: {error}") from None
    with replace_file(path) as unfinished:
        unfinished.write_bytes(content)
    return tuple(export.notes())


class _Export:
    """A graph, node by node, as operators of ONNX."""

    def __init__(self, stored: StoredModel, options: ExportOptions) -> None:
        self._stored, self._options, self._graph = stored, options, stored.graph
        self._builder = Builder()
        self._tensors: dict[str, Tensor] = {}
        self._dropped: list[str] = []
        readers = _find_readers(self._graph)
        self._folded = _find_folded(self._graph, readers) if options.fold else {}
        self._pooling_pairs = _find_pooling_pairs(self._graph, readers)
        self._done = {*self._folded.values(), *self._pooling_pairs.values()}
        self._is_nchw = options.layout == "nchw"

    def build(self) -> Any:
        """Return the model.

        Raises:
            ValueError: Layers cannot be expressed; the message names them.
        """
        inputs = [self._add_input(name) for name in self._graph.inputs]
        problems = {}
        for node in self._graph.nodes.values():
            if not node.inputs:
                continue
            try:
                self._tensors[node.name] = self._add_node(node)
            except NotExpressibleError as error:
                problems[node.name] = f"{node.kind} ({error})"
                self._tensors[node.name] = Tensor(node.name, node.output_shape)
        if problems:
            described = join_some([f"{name}: {reason}" for name, reason in problems.items()], "; ")
            raise ValueError(f"ONNX cannot express {described}")
        outputs = list(self._add_outputs())
        return self._make_model(inputs, outputs)

    # --- nodes ------------------------------------------------------------------------------

    def _add_node(self, node: Node) -> Tensor:
        inputs = [self._tensors[source] for source in node.inputs]
        kind = node.frame_layer.kind
        if node.layer.identity or kind == "Input":
            if kind not in ("Identity", "Input", "Dropout"):
                self._dropped.append(f"{node.name} ({node.kind})")
            return inputs[0]
        if node.name in self._done:
            return inputs[0]  # the node before it has done it
        if node.name in self._pooling_pairs:
            selection = self._graph.nodes[self._pooling_pairs[node.name]]
            return add_pooling_pair(self._builder, self._use(selection), node.layer, inputs[0])
        add = find_operator(node.layer)
        if add is None:
            raise NotExpressibleError("there is no operator for it")
        return add(self._builder, self._use(node), inputs)

    def _use(self, node: Node) -> Use:
        parameters, fold, name = self._stored.parameters.get(node.owner, {}), None, node.name
        normalization = self._folded.get(node.name)
        if normalization is not None:
            after = self._graph.nodes[normalization]
            arrays = self._stored.parameters[after.owner]
            terms = batch_normalization_terms(Use(after.name, after.owner, after.layer, arrays, ()))
            fold, name = terms, after.name
        return Use(name, node.owner, node.layer, parameters, node.output_shape, fold)

    def _add_input(self, name: str) -> Any:
        shape = self._graph.nodes[name].output_shape
        is_first = self._is_nchw and len(shape) == 3
        own = self._builder.fresh(name)
        self._tensors[name] = Tensor(own, shape, is_first)
        return self._value_info(self._tensors[name])

    def _add_outputs(self) -> Iterator[Any]:
        """Give the outputs the names of their nodes and the order of axes of the input.

        A tensor that is no other's is renamed. One that is an input, or several outputs, is copied.
        """
        builder, named = self._builder, {name: name for name in self._graph.inputs}
        tensors = {}
        for name in self._graph.outputs:
            tensor = self._tensors[name]
            is_first = self._is_nchw and len(tensor.shape) == 3
            tensors[name] = builder.first(tensor) if is_first else builder.last(tensor)
        for name, tensor in tensors.items():
            if tensor.name not in named and tensor.name == name:
                named[name] = name
                yield self._value_info(tensor)
                continue
            if builder.has(name) and name not in named.values():
                builder.rename(name, builder.fresh(f"{name}/inner"))
            if tensor.name in named:
                own = builder.add("Identity", [named[tensor.name]], name)
            else:
                builder.rename(tensor.name, name)
                own = named[tensor.name] = name
            yield self._value_info(Tensor(own, tensor.shape, tensor.is_first))

    def _value_info(self, tensor: Tensor) -> Any:
        """Return the description of an input or output. Its open axes have names."""
        is_map = len(tensor.shape) == 3
        others = [f"axis{axis}" for axis in range(1, len(tensor.shape))]
        names = [*(MAP_AXES if is_map else others), "channels"]
        is_input = tensor.name in self._graph.inputs
        stem = "" if is_input and len(self._graph.inputs) == 1 else f"{tensor.name}_"
        sizes: list[int | str] = [
            f"{stem}{name}" if size is None else size
            for name, size in zip(names[-len(tensor.shape) :], tensor.shape, strict=True)
        ]
        if tensor.is_first:
            sizes = [sizes[2], sizes[0], sizes[1]]
        onnx = import_onnx()
        return onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, ["batch", *sizes])

    # --- the model --------------------------------------------------------------------------

    def _make_model(self, inputs: list[Any], outputs: list[Any]) -> Any:
        onnx = import_onnx()
        constants = [
            onnx.numpy_helper.from_array(array, name) for name, array in self._builder.initializers.items()
        ]
        graph = onnx.helper.make_graph(self._builder.nodes, self._graph.name, inputs, outputs, constants)
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
            producer_name="xception", producer_version=__version__,
        )  # fmt: skip
        onnx.helper.set_model_props(model, dict(self._metadata()))
        return model

    def _metadata(self) -> Iterator[tuple[str, str]]:
        stored = self._stored
        if stored.class_names is not None:
            check_printable(stored.class_names)
            yield (
                "xception.class_names",
                json.dumps([name for _, name in stored.class_names], ensure_ascii=False),
            )
        preprocessing = stored.preprocessing.to_dict()
        yield "xception.preprocessing", json.dumps(preprocessing)
        if stored.task is not None:
            yield "xception.task", stored.task
        yield "xception.layout", self._options.layout
        yield "xception.scores", self._scores()
        yield "xception.version", __version__

    def _scores(self) -> str:
        """Return what the first output holds: "probabilities", "logits" or "numbers"."""
        if self._stored.preprocessing.from_logits:
            return "logits"
        node = self._graph.nodes[self._graph.outputs[0]]
        activation: str | Layer | None = getattr(node.layer, "activation", None)
        if activation in PROBABILITIES or isinstance(activation or node.layer, Softmax):
            return "probabilities"
        return "logits" if self._stored.class_names is not None else "numbers"

    def notes(self) -> Iterator[Note]:
        """Yield what the reader of the file must know."""
        inputs = [name for name in self._graph.inputs if len(self._graph.nodes[name].output_shape) == 3]
        scaling = self._stored.preprocessing.scaling or ""
        if inputs:
            order = (self._stored.preprocessing.channel_order or "rgb").upper()
            pixels = RANGES.get(scaling, "as the model was trained")
            yield Note(f"takes images as {self._options.layout.upper()}, channels {order}, pixels {pixels}")
        yield Note(f"its outputs are {self._scores()}")
        if self._dropped:
            yield Note(f"left out, since they act in training alone: {join_some(self._dropped)}")


def _find_readers(graph: Graph) -> Mapping[str, Sequence[Node]]:
    """Return the nodes that read each node that is not an output, by its name."""
    readers: dict[str, list[Node]] = {name: [] for name in graph.nodes if name not in graph.outputs}
    for node in graph.nodes.values():
        for source in node.inputs:
            if source in readers:
                readers[source].append(node)
    return readers


def _find_folded(graph: Graph, readers: Mapping[str, Sequence[Node]]) -> Mapping[str, str]:
    """Return the batch normalization that each linear convolution is folded with, by name."""
    folded = {}
    for name, after in readers.items():
        node = graph.nodes[name]
        is_linear = node.kind in FOLDABLE and node.layer.activation == "linear"  # type: ignore[attr-defined]
        if is_linear and len(after) == 1:
            (reader,) = after
            if reader.kind == "BatchNormalization" and reader.layer.axis in (-1, 3):  # type: ignore[attr-defined]
                folded[name] = reader.name
    return folded


def _find_pooling_pairs(graph: Graph, readers: Mapping[str, Sequence[Node]]) -> Mapping[str, str]:
    """Return the max pooling that takes some windows of another, by the name of the other.

    PyTorch's pooling is written so in layers of Keras. As one operator it computes no window in vain.
    """
    pairs: dict[str, str] = {}
    for name, after in readers.items():
        layer = graph.nodes[name].layer
        if name in pairs.values() or not isinstance(layer, MaxPooling2D) or len(after) != 1:
            continue
        selection = after[0].layer
        is_pair = isinstance(selection, MaxPooling2D) and selection.geometry[0] == (1, 1)
        if is_pair and layer.geometry[1] == (1, 1):
            pairs[name] = after[0].name
    return pairs
