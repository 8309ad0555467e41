"""Names of Xception's tensors in PyTorch: Cadene's, which timm and FaceForensics++ share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ...errors import ModelFileError
from ...graph import Graph
from ...kernels import Array
from ..matching import join_some
from .network import ADJUSTMENT
from .tensors import Tensor

#: Ends the name of a tensor that every variant has, and no other network of PyTorch.
LANDMARK = "block12.rep.1.pointwise.weight"
#: Names of the linear layer at the end, each the first time it occurred: timm, Cadene, behind a dropout.
HEADS = ("fc", "last_linear", "last_linear.1", "classifier", "head.fc")
#: Blocks of PyTorch with a projection, and how Keras numbers it.
PROJECTIONS = {1: "", 2: "_1", 3: "_2", 12: "_3"}
STATISTICS = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance",
}  # fmt: skip


def find_prefix(tensors: Mapping[str, Tensor], file_name: str) -> str:
    """Return what stands before the names of Xception's tensors, such as "state_dict.module.".

    Of several networks in a file, such as moving averages of the weights, it is the shortest.

    Args:
        tensors: The tensors of the file.
        file_name: For messages.

    Raises:
        ModelFileError: No tensor has a name of Xception's.
    """
    prefixes = [name.removesuffix(LANDMARK) for name in tensors if name.endswith(LANDMARK)]
    if not prefixes:
        raise ModelFileError(
            f"{file_name}: holds another network than Xception: there is no {LANDMARK}; found "
            f"{join_some(list(tensors)) or 'no tensors'}. Xception 41, 65 and 71, and those of DeepLab, are "
            "other networks"
        )
    return min(prefixes, key=len)


def find_head(tensors: Mapping[str, Tensor], prefix: str) -> str | None:
    """Return the name of the linear layer at the end, without the prefix; None if there is none.

    Args:
        tensors: The tensors of the file.
        prefix: See `find_prefix`.
    """
    for name in HEADS:
        tensor = tensors.get(f"{prefix}{name}.weight")
        if tensor is not None and len(tensor.shape) == 2:
            return name
    return None


def list_names(graph: Graph, head: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield (node, parameter, name in PyTorch) for each array of a network that `build_xception` built.

    Args:
        graph: The network.
        head: The name of its linear layer.
    """
    modules = _list_modules()
    if head is not None:
        modules["predictions"] = head
    modules |= {ADJUSTMENT: f"{ADJUSTMENT}.0", f"{ADJUSTMENT}_bn": f"{ADJUSTMENT}.1"}
    for node in graph.nodes.values():
        if not node.parameters:
            continue
        module = modules[node.name]
        if node.kind == "SeparableConv2D":
            yield node.name, "depthwise_kernel", f"{module}.conv1.weight"
            yield node.name, "pointwise_kernel", f"{module}.pointwise.weight"
        elif node.kind == "BatchNormalization":
            for theirs, ours in STATISTICS.items():
                yield node.name, ours, f"{module}.{theirs}"
        else:
            yield node.name, "kernel", f"{module}.weight"
            if "bias" in node.parameters:
                yield node.name, "bias", f"{module}.bias"


def _list_modules() -> dict[str, str]:
    """Return PyTorch's name of each layer with parameters, by Keras's."""
    modules: dict[str, str] = {}
    for number, (kind, layer) in enumerate(
        (("conv1", "block1_conv1"), ("conv2", "block1_conv2"), ("conv3", "block14_sepconv1"),
         ("conv4", "block14_sepconv2")), 1
    ):  # fmt: skip
        modules |= {layer: kind, f"{layer}_bn": f"bn{number}"}
    for block in range(1, 13):
        first = 0 if block == 1 else 1  # the other blocks begin with a ReLU
        for step in range(2 if block in PROJECTIONS else 3):
            layer, position = f"block{block + 1}_sepconv{step + 1}", first + 3 * step
            modules |= {
                layer: f"block{block}.rep.{position}",
                f"{layer}_bn": f"block{block}.rep.{position + 1}",
            }
    for block, end in PROJECTIONS.items():
        modules |= {f"conv2d{end}": f"block{block}.skip", f"batch_normalization{end}": f"block{block}.skipbn"}
    return modules


def stored_shape(kind: str, parameter: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that PyTorch gives an array of ours.

    Args:
        kind: The layer's class.
        parameter: The parameter.
        shape: Its shape here: (kh, kw, in, out), (kh, kw, in, 1), (in, out) or (channels,).
    """
    if parameter == "depthwise_kernel":
        kh, kw, channels, _ = shape
        return channels, 1, kh, kw
    if len(shape) == 4:
        kh, kw, channels, filters = shape
        return filters, channels, kh, kw
    return shape[::-1] if kind == "Dense" else shape


def fits(stored: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Return True if a stored shape is the expected one, or that of a 1×1 kernel stored as a matrix."""
    return stored == expected or (expected[2:] == (1, 1) and stored == expected[:2])


def as_keras(parameter: str, array: Array, expected: tuple[int, ...]) -> Array:
    """Return an array of PyTorch in Keras's order of axes.

    Args:
        parameter: The parameter.
        array: The array as stored.
        expected: What `stored_shape` returned.
    """
    array = array.reshape(expected)
    if array.ndim == 4:
        # (out, in, kh, kw) -> (kh, kw, in, out); depthwise (c, 1, kh, kw) -> (kh, kw, c, 1)
        array = array.transpose((2, 3, 0, 1) if parameter == "depthwise_kernel" else (2, 3, 1, 0))
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)


def as_pytorch(parameter: str, array: Array) -> Array:
    """Return an array of Keras in PyTorch's order of axes: the reverse of `as_keras`.

    Args:
        parameter: The parameter.
        array: The array.
    """
    if array.ndim == 4:
        # (kh, kw, in, out) -> (out, in, kh, kw); depthwise (kh, kw, c, 1) -> (c, 1, kh, kw)
        array = array.transpose((2, 3, 0, 1) if parameter == "depthwise_kernel" else (3, 2, 0, 1))
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)
