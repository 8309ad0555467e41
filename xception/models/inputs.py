"""Validation of a model's input arrays, and how a model treats pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..data.arrays import as_real_array
from ..graph import Graph
from ..kernels import Array
from ..layers import Arithmetic, Input
from ..layers.core import SCALING
from ..layers.validation import as_int

#: Whether pixels 0…255 are meant, so no warning is due. Each thread has its own, unlike a warnings filter.
_expects_pixels: ContextVar[bool] = ContextVar("expects_pixels", default=False)

DEFAULT_BATCH_SIZE = 32  #: images, as in Keras
#: What an input is, by the number of its axes without the batch axis: (h, w, c), (frames, h, w, c).
KINDS = {3: "images", 4: "videos"}


@contextmanager
def expect_pixels() -> Iterator[None]:
    """Do not warn of pixels 0…255 within a `with` block."""
    token = _expects_pixels.set(True)
    try:
        yield
    finally:
        _expects_pixels.reset(token)


def check_inputs(graph: Graph, x: Any, stacklevel: int = 3) -> dict[str, Array]:
    """Check the input of a model, and return it as arrays by name.

    Warns if images look like pixels 0…255 and the model does not scale them.

    Args:
        graph: The model's graph.
        x: An array (n, …) of real numbers for the only input; for several inputs a list of arrays in
            the order of the inputs, or a dict by their names.
        stacklevel: The caller that warnings point to, as for `warnings.warn`: 3 is the caller of the
            function that calls this one.

    Returns:
        An array for each input, by name, in its own dtype. The arrays are not copied.

    Raises:
        TypeError: A value is not an array, but for example a generator or a path.
        ValueError: An array has the wrong shape or dtype, holds NaN or infinity (in float32), or
            differs from the others in length; or an input is missing.
    """
    names = graph.inputs
    if isinstance(x, Mapping):
        missing, unknown = sorted(set(names) - set(x)), sorted(set(map(str, x)) - set(names))
        if missing or unknown:
            differences = {"missing": missing, "unknown": unknown}
            listed = "; ".join(f"{what}: {', '.join(keys)}" for what, keys in differences.items() if keys)
            raise ValueError(f"expected a dict with the inputs {', '.join(names)}; {listed}")
        values = [x[name] for name in names]
    elif len(names) == 1:
        values = [x]
    else:
        if not isinstance(x, Sequence) or isinstance(x, str | bytes) or len(x) != len(names):
            raise ValueError(
                f"expected a list of {len(names)} arrays, for the inputs {', '.join(names)}, or a dict by "
                "these names"
            )
        values = list(x)
    arrays = {}
    for name, value in zip(names, values, strict=True):  # a comprehension would count as a caller
        arrays[name] = _check_array(graph, name, value, stacklevel + 1)
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"expected as many examples for each input, got {counts}")
    return arrays


def check_batch_size(batch_size: int | None) -> int:
    """Return the batch size; the default one for None.

    Raises:
        ValueError: It is not a positive integer.
    """
    return DEFAULT_BATCH_SIZE if batch_size is None else as_int("batch_size", batch_size)


def _check_array(graph: Graph, name: str, x: Any, stacklevel: int) -> Array:
    """Return the value of one input as an array, checked; see `check_inputs`."""
    shape = graph.nodes[name].output_shape
    kind = KINDS.get(len(shape), "numbers")
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    expected = f"{kind} of shape (n, {sizes})"
    prefix = f"{name}: " if len(graph.inputs) > 1 else ""
    try:
        array = as_real_array(x, expected)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{prefix}{error}") from None
    if array.ndim != len(shape) + 1:
        is_single = kind in KINDS.values() and array.ndim == len(shape)
        hint = f"; a single {kind[:-1]} needs a batch axis: x[np.newaxis]" if is_single else ""
        raise ValueError(f"{prefix}expected {expected}, got shape {array.shape}{hint}")
    if any(fixed is not None and size != fixed for size, fixed in zip(array.shape[1:], shape, strict=True)):
        raise ValueError(f"{prefix}expected {expected}, got shape {array.shape}")
    if not array.size:
        return array
    low, high = array.min(), array.max()  # both are NaN if a single element is
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinity
        is_finite = np.isfinite(np.float32(low)) and np.isfinite(np.float32(high))
    if not is_finite:
        raise ValueError(f"{prefix}the {kind} hold numbers that are not finite (NaN or infinity)")
    looks_like_pixels = (array.dtype == np.uint8 or (low >= 0 and high > 2)) and not _expects_pixels.get()
    if kind in KINDS.values() and looks_like_pixels and not scales_pixels(graph, name):
        warnings.warn(
            f"the {kind} hold {array.dtype} from {low} to {high}, but Xception was trained on "
            "−1…1: did you forget xception.preprocess_input(x)?",
            stacklevel=stacklevel,
        )
    return array


def scales_pixels(graph: Graph, name: str | None = None) -> bool:
    """Return True if a model scales an input itself, so that it takes pixels 0…255.

    Args:
        graph: The model's graph.
        name: The input; by default the first.
    """
    return bool(own_scaling(graph, name))


def own_scaling(graph: Graph, name: str | None = None) -> list[str]:
    """Return the nodes that scale an input, before any layer with trained parameters.

    These are `Rescaling`, `Normalization` and arithmetic with constants.

    Args:
        graph: The model's graph.
        name: The input; by default the first.

    Returns:
        Names of nodes, in the order of computation.
    """
    before_training = {name or graph.inputs[0]}
    scaling = []
    for node in graph.nodes.values():  # a topological order
        layer = node.frame_layer
        computes = isinstance(layer, Arithmetic) and layer.operation in SCALING
        scales = computes or layer.kind in ("Rescaling", "Normalization")
        if node.inputs and before_training.issuperset(node.inputs) and (scales or not node.parameters):
            before_training.add(node.name)
            if scales:
                scaling.append(node.name)
    return scaling


def image_inputs(graph: Graph) -> list[str]:
    """Return the names of the inputs that take images (h, w, c), in order; in RGB, if there are any."""
    channels = {
        name: layer.shape[-1]
        for name, layer in ((name, graph.nodes[name].layer) for name in graph.inputs)
        if isinstance(layer, Input) and len(layer.shape) == 3 and layer.shape[-1] is not None
    }
    return [name for name, count in channels.items() if count == 3] or list(channels)
