"""Arrays of the protocols: their checks, and their numbers in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..kernels import Array
from ..layers import Shape
from .problems import RequestError

MAX_DIMENSIONS = 8
MAX_ELEMENTS = 1 << 28


def describe_inputs(service: Any) -> dict[str, Shape]:
    """Return the shape of each input of the model, without the batch axis."""
    pairs = zip(service.model.input_names, service.model.graph.inputs, strict=True)
    return {name: service.model.graph.nodes[node].output_shape for name, node in pairs}


def describe_outputs(service: Any) -> dict[str, Shape]:
    """Return the shape of each output of the model, without the batch axis."""
    pairs = zip(service.model.output_names, service.model.graph.outputs, strict=True)
    return {name: service.model.graph.nodes[node].output_shape for name, node in pairs}


def check_input(name: str, array: Array, expected: Shape) -> Array:
    """Return an input as float32, after checking its shape and its numbers.

    Raises:
        RequestError: It is not (n, *expected), or holds NaN or infinity.
    """
    sizes = ", ".join("any" if size is None else str(size) for size in expected)
    if array.ndim != len(expected) + 1 or not len(array) or any(
        size is not None and size != actual for size, actual in zip(expected, array.shape[1:], strict=True)
    ):  # fmt: skip
        raise RequestError(f"the input {name!r} must have the shape (n, {sizes}), got {array.shape}")
    x = array.astype(np.float32, copy=False)
    if not np.isfinite(x).all():
        raise RequestError(f"the input {name!r} holds NaN or infinity")
    return x


def check_all(inputs: Mapping[str, Array], expected: Mapping[str, Shape]) -> dict[str, Array]:
    """Return all inputs of the model, checked.

    Raises:
        RequestError: One is missing or unknown, or they do not fit.
    """
    unknown = [name for name in inputs if name not in expected]
    missing = [name for name in expected if name not in inputs]
    if unknown or missing:
        raise RequestError(
            f"the model's inputs are {', '.join(map(repr, expected))}, got "
            f"{', '.join(map(repr, inputs)) or 'none'}"
        )
    checked = {name: check_input(name, inputs[name], expected[name]) for name in expected}
    if len({len(array) for array in checked.values()}) != 1:
        raise RequestError("the inputs differ in their number of images")
    return checked


def as_array(value: Any, dtype: Any = np.float32) -> Array:
    """Return nested lists of numbers as an array.

    Raises:
        RequestError: They are ragged, or hold something else.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise RequestError("the lists of numbers are ragged") from None
    if array.dtype.kind not in "fiub" or array.ndim > MAX_DIMENSIONS:
        raise RequestError("expected nested lists of numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype)
    if converted.dtype.kind in "iu" and not np.array_equal(converted, array):
        raise RequestError(f"expected whole numbers that {converted.dtype} holds")
    return converted


def flat_array(value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return numbers, flat or nested, in a shape.

    Raises:
        RequestError: There are not as many.
    """
    array = as_array(value, dtype)
    if array.size != math.prod(shape):
        raise RequestError(
            f"holds {array.size:,} numbers, expected {math.prod(shape):,} for the shape {shape}"
        )
    return array.reshape(shape)


def check_shape(value: Any) -> tuple[int, ...]:
    """Return the shape that a request states.

    Raises:
        RequestError: It is none, or too large.
    """
    if (
        not isinstance(value, list) or not 0 < len(value) <= MAX_DIMENSIONS
        or not all(type(size) is int and size >= 0 for size in value)
        or math.prod(max(size, 1) for size in value) > MAX_ELEMENTS  # NumPy limits the others beside a 0 too
    ):  # fmt: skip
        raise RequestError(f"a shape must list positive integers, got {str(value)[:100]}")
    return tuple(value)


def as_json(array: Array) -> Any:
    """Return nested lists, whose numbers are float32 to the last bit when they are read.

    Raises:
        RequestError: It holds NaN or infinity, which JSON does not have.
    """
    if not np.isfinite(array).all():
        raise RequestError(
            "the model's answer holds NaN or infinity, which JSON does not have; ask for binary outputs"
        )
    return array.astype(np.float64).tolist()
