"""Gradient rules of operations: reductions, parts of arrays, axes, products of matrices and selection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..kernels import Array
from ..layers import (
    Cast,
    Cumsum,
    ExpandDims,
    Matmul,
    Pad,
    Parameters,
    Reduction,
    Repeat,
    Roll,
    Squeeze,
    Stack,
    Take,
    Tile,
    Where,
    array_axes,
)
from ..layers.operations.axes import new_axis
from ..layers.operations.indexing import IndexedPart
from ..layers.shapes import array_axis
from .rules import backward, sum_to_shape

# --- reductions -----------------------------------------------------------------------------


@backward.register
def backward_reduction(layer: Reduction, parameters: Parameters, dy: Array, x: Array) -> Array:
    """Each element contributes to one result: its derivative times the result's gradient."""
    axes = array_axes(layer.axis, x.shape[1:])
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    dy, count = dy.reshape(kept), x.size // max(len(x) * dy[0].size, 1)
    with np.errstate(all="ignore"):  # infinity and NaN are valid results, as in Keras
        dx = _derivative(layer, x, axes, count)
    return dy * np.broadcast_to(dx, x.shape).astype(dy.dtype, copy=False)


def _derivative(layer: Reduction, x: Array, axes: tuple[int, ...], count: int) -> Array:
    """Return dy/dx of a reduction of `count` elements each."""
    operation = layer.operation
    if operation == "sum":
        return np.ones(1)
    if operation == "mean":
        return np.full(1, 1 / count)
    if operation in ("any", "all", "argmax", "argmin"):
        return np.zeros(1)
    if operation == "prod":  # the product of all others, even where an element is 0
        zeros = (x == 0).sum(axis=axes, keepdims=True)
        nonzero = np.where(x == 0, 1, x)
        product: Array = nonzero.prod(axis=axes, keepdims=True)
        return np.where(x == 0, zeros == 1, zeros == 0) * product / nonzero
    y = layer.kept(x)
    if operation == "logsumexp":
        return np.exp(x - y)
    if operation in ("max", "min"):  # several largest elements share the gradient, as in TensorFlow
        largest = x == y
        return largest / largest.sum(axis=axes, keepdims=True)
    centered = x - x.mean(axis=axes, keepdims=True)
    return centered / (count * y) if operation == "std" else 2 * centered / count


# --- parts of arrays ------------------------------------------------------------------------


@backward.register
def backward_part(layer: IndexedPart, parameters: Parameters, dy: Array, x: Array) -> Array:
    dx = np.zeros(x.shape, dy.dtype)
    layer.part(dx)[...] = dy
    return dx


@backward.register
def backward_take(layer: Take, parameters: Parameters, dy: Array, x: Array) -> Array:
    return _sum_by_index(dy, np.asarray(layer.indices), array_axis(layer.axis, x.shape[1:]), x.shape)


def _sum_by_index(dy: Array, indices: NDArray[np.intp], axis: int, shape: tuple[int, ...]) -> Array:
    """Sum the elements of `dy` along an axis into an array of this shape, at the indices they come from."""
    dx = np.zeros(shape, dy.dtype)
    np.add.at(np.moveaxis(dx, axis, 0), indices, np.moveaxis(dy, axis, 0))
    return dx


# --- axes -----------------------------------------------------------------------------------


@backward.register
def backward_axes(layer: ExpandDims | Squeeze, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy.reshape(x.shape)


@backward.register
def backward_stack(layer: Stack, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(dy, new_axis(layer.axis, inputs[0].shape[1:]), 0))


@backward.register
def backward_tile(layer: Tile, parameters: Parameters, dy: Array, x: Array) -> Array:
    pairs = [part for size, tiled in zip(x.shape, dy.shape, strict=True) for part in (tiled // size, size)]
    return dy.reshape(pairs).sum(axis=tuple(range(0, 2 * x.ndim, 2)))  # (copies, size) of each axis


@backward.register
def backward_repeat(layer: Repeat, parameters: Parameters, dy: Array, x: Array) -> Array:
    axis = array_axis(layer.axis, x.shape[1:])
    return dy.reshape(*x.shape[: axis + 1], layer.repeats, *x.shape[axis + 1 :]).sum(axis=axis + 1)


@backward.register
def backward_roll(layer: Roll, parameters: Parameters, dy: Array, x: Array) -> Array:
    return np.roll(dy, np.negative(layer.shift), layer.axis)


@backward.register
def backward_cumsum(layer: Cumsum, parameters: Parameters, dy: Array, x: Array) -> Array:
    return np.flip(np.flip(dy, layer.axis).cumsum(axis=layer.axis), layer.axis)


@backward.register
def backward_pad(layer: Pad, parameters: Parameters, dy: Array, x: Array) -> Array:
    if layer.mode == "constant":
        return dy[tuple(slice(w[0], w[0] + n) for w, n in zip(layer.pad_width, x.shape, strict=True))]
    for axis, (width, size) in enumerate(zip(layer.pad_width, x.shape, strict=True)):
        if any(width):
            indices = np.pad(np.arange(size), width, mode=layer.mode)
            dy = _sum_by_index(dy, indices, axis, (*dy.shape[:axis], size, *dy.shape[axis + 1 :]))
    return dy


# --- products -------------------------------------------------------------------------------


@backward.register
def backward_matmul(layer: Matmul, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    a, b = layer.matrices(*inputs)
    if b.ndim == 2 and a.ndim == 2:  # vectors, and a constant matrix
        return (dy @ b.T,)
    da, db = dy @ b.swapaxes(-1, -2), a.swapaxes(-1, -2) @ dy
    da = da.swapaxes(-1, -2) if layer.transpose_a else da
    db = db.swapaxes(-1, -2) if layer.transpose_b else db
    if layer.constant is not None:
        return (db if layer.constant_first else da,)
    return tuple(sum_to_shape(part, x.shape) for part, x in zip((da, db), inputs, strict=True))


# --- selection ------------------------------------------------------------------------------


@backward.register
def backward_where(layer: Where, parameters: Parameters, dy: Array, *inputs: Array) -> tuple[Array, ...]:
    mask = inputs[0] != 0
    parts = [np.zeros_like(inputs[0])]
    parts += [dy * mask] if layer.x is None else []
    parts += [dy * ~mask] if layer.y is None else []
    return (parts[0], *(sum_to_shape(part, x.shape) for part, x in zip(parts[1:], inputs[1:], strict=True)))


@backward.register
def backward_cast(layer: Cast, parameters: Parameters, dy: Array, x: Array) -> Array:
    return dy if layer.identity else np.zeros_like(x)
