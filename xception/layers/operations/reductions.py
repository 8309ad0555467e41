"""Reductions along axes: mean, maximum, sum, standard deviation and others, and normalization by a norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import Array
from ..base import KERAS_EPSILON, Cost, Layer, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_ELEMENT, elementwise_cost, reduction_cost
from ..normalization import DivisionByNorm
from ..shapes import array_axes
from ..validation import check_axes, check_bool, check_choice, check_int, check_number

Axes = tuple[int, ...]


def log_sum_exp(x: Array, axes: Axes) -> Array:
    """Return log(Σ exp(x)) with the axes kept at size 1."""
    largest = x.max(axis=axes, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    return np.log(np.exp(x - largest).sum(axis=axes, keepdims=True)) + largest


#: Each returns the result with the axes kept at size 1.
REDUCTIONS: dict[str, Callable[[Array, Axes], NDArray[Any]]] = {
    "mean": lambda x, axes: x.mean(axis=axes, keepdims=True),
    "max": lambda x, axes: x.max(axis=axes, keepdims=True),
    "min": lambda x, axes: x.min(axis=axes, keepdims=True),
    "sum": lambda x, axes: x.sum(axis=axes, keepdims=True),
    "prod": lambda x, axes: x.prod(axis=axes, keepdims=True),
    "std": lambda x, axes: x.std(axis=axes, keepdims=True),
    "var": lambda x, axes: x.var(axis=axes, keepdims=True),
    "any": lambda x, axes: np.asarray(x.any(axis=axes, keepdims=True)),
    "all": lambda x, axes: np.asarray(x.all(axis=axes, keepdims=True)),
    "logsumexp": log_sum_exp,
    "argmax": lambda x, axes: x.argmax(axis=axes[0], keepdims=True),
    "argmin": lambda x, axes: x.argmin(axis=axes[0], keepdims=True),
}


@dataclass(frozen=True)
class Reduction(Layer):
    """Reduction along axes: with axis -1, (h, w, c) -> (h, w), or (h, w, 1) if the axis is kept.

    Attributes:
        operation: A name in `REDUCTIONS`. "any", "all", "argmax" and "argmin" give numbers of the input's
            type too.
        axis: Axis or axes, counted with the batch axis as 0. "argmax" and "argmin" take one.
        keepdims: Whether the axes are kept with size 1.
    """

    operation: str
    axis: int | tuple[int, ...]
    keepdims: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "operation", tuple(REDUCTIONS))
        check_axes(self)
        check_bool(self, "keepdims")
        if self.operation in ("argmax", "argmin") and isinstance(self.axis, tuple) and len(self.axis) > 1:
            raise ValueError(f"{self.operation} takes one axis, got {self.axis}")

    @property
    def kind(self) -> str:
        """The class name of the operation as Keras 3 writes it, such as "Mean"."""
        return self.operation.capitalize()

    def output_shape(self, *inputs: Shape) -> Shape:
        axes = array_axes(self.axis, inputs[0])
        if self.keepdims:
            return tuple(1 if axis in axes else size for axis, size in enumerate(inputs[0], start=1))
        return tuple(size for axis, size in enumerate(inputs[0], start=1) if axis not in axes)

    def cost(self, *inputs: Sizes) -> Cost:
        slow = {"logsumexp": 80, "argmax": 15, "argmin": 15}
        work = slow.get(self.operation, 5) * OPERATIONS_PER_ELEMENT
        return elementwise_cost(inputs[0], 2, work, 2) + reduction_cost(inputs[0], 3)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        with np.errstate(all="ignore"):  # infinity and NaN are valid results, as in Keras
            y = self.kept(x)
        return y.reshape(len(x), *(size or 0 for size in self.output_shape(x.shape[1:])))

    def kept(self, x: Array) -> Array:
        """Return the result with the axes kept at size 1.

        Args:
            x: An input, with a batch axis.
        """
        return REDUCTIONS[self.operation](x, array_axes(self.axis, x.shape[1:])).astype(x.dtype, copy=False)


@dataclass(frozen=True)
class Normalize(DivisionByNorm):
    """Division of vectors by their norm, or by `epsilon` if that is larger. The shape does not change.

    Attributes:
        axis: Axis or axes along which the norm is taken, counted with the batch axis as 0.
        order: 2 for the Euclidean length, 1 for the sum of magnitudes.
        epsilon: Smallest norm to divide by.
    """

    axis: int | tuple[int, ...] = -1
    order: int = 2
    epsilon: float = KERAS_EPSILON

    def __post_init__(self) -> None:
        check_axes(self)
        check_int(self, "order")
        check_number(self, "epsilon", minimum=0)
        if self.order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {self.order}")
