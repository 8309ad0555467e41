"""Writer of Xception's weights for PyTorch: safetensors files by timm's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...graph import Graph, GraphParameters, Network
from ...kernels import Array
from .names import as_pytorch, list_names
from .network import build_xception, find_difference
from .safetensors import write_tensors

HEAD = "fc"  #: of timm's `legacy_xception`


def write_weights(
    path: Path, network: Network, graph: Graph, parameters: GraphParameters, force: bool = False
) -> tuple[str, ...]:
    """Write the weights of a model that computes as PyTorch does.

    timm's `legacy_xception` loads them: `model.load_state_dict(safetensors.torch.load_file(path))`.

    Args:
        path: The file to write, with the suffix `.safetensors`.
        network: The model as Keras nests it.
        graph: The same model, flat.
        parameters: {node name: {parameter name: float32 array}}.
        force: Write the weights of an Xception even if PyTorch would answer otherwise with them.

    Returns:
        Why PyTorch answers otherwise, if it does.

    Raises:
        ValueError: The model is not Xception as timm has it, so PyTorch would answer otherwise.
        OSError: The file cannot be written.
    """
    head = graph.nodes.get("predictions")
    classes = head.output_shape[-1] if head is not None else None
    size = graph.nodes[graph.inputs[0]].output_shape
    difference, expected = ("it takes no images" if len(size) != 3 else None), Graph("none")
    if difference is None:
        try:
            expected = build_xception(size, classes)
        except ValueError as error:
            difference = str(error)
        difference = difference or find_difference(graph, expected)
        if difference is None and _wiring(graph) != _wiring(expected):
            difference = "its layers are connected in another way"
    if difference is None and head is not None and getattr(head.layer, "activation", None) != "linear":
        difference = "its head has an activation, and that of timm gives logits"
    if difference is not None and not (force and _shapes(graph) == _shapes(expected)):
        raise ValueError(
            f"{path.name}: weights for PyTorch are those of Xception with PyTorch's pooling and epsilon. The "
            f"answers of this model would change there: {difference}. Models that load_model reads from a "
            "checkpoint can be written; .onnx holds other models"
        )
    tensors: dict[str, Array] = {}
    for node_name, parameter, name in list_names(graph, HEAD):
        tensors[name] = as_pytorch(parameter, parameters[node_name][parameter])
        if name.endswith("running_var"):  # PyTorch counts the batches that the statistics come from
            tensors[name.replace("running_var", "num_batches_tracked")] = np.array(0, np.int64)
    write_tensors(path, tensors, {"format": "pt"})
    return () if difference is None else (f"PyTorch will give other answers: {difference}",)


def _shapes(graph: Graph) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of all arrays of a graph, by node and parameter."""
    return {
        node.name: {name: parameter.shape for name, parameter in node.parameters.items()}
        for node in graph.nodes.values()
        if node.parameters
    }


def _wiring(graph: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.kind, node.inputs) for node in graph.nodes.values()}
