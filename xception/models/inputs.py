"""What may enter a model: arrays of the right shapes, checked before anything is computed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import Graph
from ..kernels import Array
from ..layers import Arithmetic, Input, Shape


def checked(graph: Graph, x: Any) -> dict[str, Array]:
    """What enters by each of a graph's inputs, by their names, or a ValueError that says why not.

    x: an array for the one input; for several a list in their order, or a dict by their names.
    """
    names = graph.inputs
    if isinstance(x, Mapping):
        unknown = sorted(set(map(str, x)) ^ set(names))
        if unknown:
            raise ValueError(
                f"expected a dict with the inputs {', '.join(names)}; look at {', '.join(unknown)}"
            )
        arrays = [x[name] for name in names]
    elif len(names) == 1:
        arrays = [x]
    else:
        if not isinstance(x, Sequence) or len(x) != len(names):
            raise ValueError(
                f"expected a list of {len(names)} arrays, for the inputs {', '.join(names)}, or a dict by "
                "these names"
            )
        arrays = list(x)
    found = {name: _checked(graph, name, array) for name, array in zip(names, arrays, strict=True)}
    counts = {name: len(array) for name, array in found.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"expected as many examples for each input, got {counts}")
    return found


def _checked(graph: Graph, name: str, x: Any) -> Array:
    shape = graph.nodes[name].output_shape
    is_image = len(shape) == 3
    called = "images" if is_image else "numbers"
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    expected = f"expected {called} of shape (n, {wanted})"
    if len(graph.inputs) > 1:
        expected = f"{name}: {expected}"
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{expected}, got a list of arrays that differ in shape") from error
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise ValueError(f"{expected} and real numbers, got an array of {array.dtype}")
    if array.ndim != len(shape) + 1:
        hint = "; a single image needs a batch axis: x[np.newaxis]" if is_image and array.ndim == 3 else ""
        raise ValueError(f"{expected}, got shape {array.shape}{hint}")
    if any(fixed is not None and size != fixed for size, fixed in zip(array.shape[1:], shape, strict=True)):
        raise ValueError(f"{expected}, got shape {array.shape}")
    if array.size:
        low, high = array.min(), array.max()  # both are NaN if a single pixel is
        with np.errstate(over="ignore"):  # beyond float32 is infinity too
            finite = np.isfinite(np.float32(low)) and np.isfinite(np.float32(high))
        if not finite:
            raise ValueError(f"the {called} hold numbers that are not finite (NaN or infinity)")
        looks_like_pixels = array.dtype == np.uint8 or (low >= 0 and high > 2)
        if is_image and looks_like_pixels and not scales_pixels(graph, name):
            warnings.warn(
                f"the images hold {array.dtype} from {low} to {high}, but Xception was trained on "
                "−1…1: did you forget xception.preprocess_input(x)?",
                stacklevel=4,
            )
    return array


def scales_pixels(graph: Graph, name: str | None = None) -> bool:
    """Whether a model does its own scaling of what enters here. Then it takes pixels as they are."""
    return bool(own_scaling(graph, name))


def own_scaling(graph: Graph, name: str | None = None) -> list[str]:
    """The nodes that scale what enters here before any layer that has learnt, the last one last."""
    met = {name or graph.inputs[0]}
    found = []
    for node in graph.nodes.values():  # what they read stands before them
        scales = isinstance(node.layer, Arithmetic) or node.kind in ("Rescaling", "Normalization")
        if node.inputs and met.issuperset(node.inputs) and (scales or not node.parameters):
            met.add(node.name)
            found += [node.name] if scales else []
    return found


def image_input(graph: Graph) -> str | None:
    """The one input that takes photographs: maps of three channels."""
    found = [name for name in graph.inputs if _takes_photographs(graph.nodes[name].layer)]
    return found[0] if len(found) == 1 else None


def _takes_photographs(layer: object) -> bool:
    return isinstance(layer, Input) and _channels(layer.shape) == 3


def _channels(shape: Shape) -> int | None:
    return shape[-1] if len(shape) == 3 else None
