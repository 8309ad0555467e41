"""Batch normalization by the statistics of the batch, which several threads may share.

It is the only rule of this kind: the trained layers of a training pass use it, and so does a model that is
called in training mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph import GraphParameters, Node
from ...kernels import Array
from ...layers import BatchNormalization, Parameters
from ..randomness import Randomness
from .step import Step, Worker


@dataclass(frozen=True)
class BatchStatistics:
    """Statistics of a whole batch, each (c,), in the type of the activations.

    Attributes:
        mean: The mean of each channel.
        variance: The biased variance of each channel.
        inverse_deviation: 1 / √(variance + epsilon).
        pixels: Number of pixels of a channel, over all examples.
    """

    mean: Array
    variance: Array
    inverse_deviation: Array
    pixels: int


def _no_other_parts(sums: Array) -> Array:
    return sums


def normalize_batch(
    layer: BatchNormalization,
    parameters: Parameters,
    x: Array,
    out: Array,
    pixels: int | None = None,
    add_parts: Callable[[Array], Array] = _no_other_parts,
) -> BatchStatistics:
    """Compute y = gamma · (x − mean) / √(variance + epsilon) + beta, as Keras does in training.

    Args:
        layer: The layer.
        parameters: The arrays of the layer. Its moving statistics are not read.
        x: The activations of a batch, or of a part of it (n, …, c).
        out: The output (n, …, c), which is overwritten.
        pixels: Number of pixels of a channel in the whole batch; by default those of `x`.
        add_parts: Returns the sum of an array over all parts of the batch.

    Returns:
        The statistics of the whole batch.
    """
    pixels = x.size // x.shape[-1] if pixels is None else pixels
    mean = (add_parts(_sum_pixels(x)) / pixels).astype(x.dtype)  # (c,)
    np.subtract(x, mean, out=out)
    variance = add_parts(_sum_pixels(np.square(out))) / pixels  # (c,) float64
    inverse = (1 / np.sqrt(variance + layer.epsilon)).astype(x.dtype)
    out *= inverse * parameters["gamma"] if layer.scale else inverse
    if layer.center:
        out += parameters["beta"]
    return BatchStatistics(mean, variance.astype(x.dtype), inverse, pixels)


def sum_gradients(dy: Array, x: Array, statistics: BatchStatistics, out: Array) -> Array:
    """Sum dy and dy · ŷ over the pixels, with ŷ = (x − mean) / √(variance + epsilon).

    Args:
        dy: dL/dy of a batch, or of a part of it (n, …, c).
        x: The input (n, …, c).
        statistics: From `normalize_batch`.
        out: Is overwritten by ŷ (n, …, c).

    Returns:
        (2, c) float64: the gradients of beta and gamma.
    """
    np.subtract(x, statistics.mean, out=out)
    out *= statistics.inverse_deviation
    return np.stack([_sum_pixels(dy), _sum_pixels(dy * out)])


def propagate_batch(
    layer: BatchNormalization,
    parameters: Parameters,
    dy: Array,
    statistics: BatchStatistics,
    sums: Array,
    out: Array,
) -> None:
    """Propagate dL/dy through `normalize_batch`, whose statistics depend on the input.

    dL/dx = gamma · (dy − mean(dy) − ŷ · mean(dy · ŷ)) / √(variance + epsilon)

    Ioffe and Szegedy (ICML 2015), section 3, in one formula.

    Args:
        layer: The layer.
        parameters: The arrays of the layer.
        dy: dL/dy of a batch, or of a part of it (n, …, c).
        statistics: From `normalize_batch`.
        sums: From `sum_gradients`, added up over the whole batch.
        out: ŷ (n, …, c), as `sum_gradients` has left it; it is overwritten by dL/dx.
    """
    mean_dy, mean_product = (sums / statistics.pixels).astype(out.dtype)  # (c,), (c,)
    out *= -mean_product
    out += dy
    out -= mean_dy
    inverse = statistics.inverse_deviation
    out *= inverse * parameters["gamma"] if layer.scale else inverse


class BatchStatisticsStep(Step):
    """Normalization by the statistics of the batch, to which every thread contributes its examples.

    Args:
        node: The node, with a trained `BatchNormalization`, or with `TimeDistributed` of one.
    """

    keeps_inputs = True

    def __init__(self, node: Node) -> None:
        assert isinstance(node.frame_layer, BatchNormalization)
        self.inputs, self.output = node.inputs, node.name
        self._node, self._layer = node, node.frame_layer

    def prepare(self, parameters: GraphParameters) -> Parameters:
        return parameters[self._node.owner]

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        (x,) = inputs
        y = worker.buffers.take(*x.shape)
        pixels = worker.count * (x[0].size // x.shape[-1])
        statistics = normalize_batch(self._layer, prepared, x, y, pixels, worker.all_reduce)
        worker.statistics[self._node.name] = statistics.mean, statistics.variance
        return y, (x, statistics)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        x, statistics = saved
        dx = worker.buffers.take(*x.shape)
        sums = sum_gradients(dy, x, statistics, dx)
        # Those of this thread: `Stepper` adds up what the workers have.
        if self._layer.center:
            worker.add(self._node.owner, "beta", sums[0].astype(x.dtype))
        if self._layer.scale:
            worker.add(self._node.owner, "gamma", sums[1].astype(x.dtype))
        if not wanted[0]:
            worker.buffers.give(dx)
            return [None]
        propagate_batch(self._layer, prepared, dy, statistics, worker.all_reduce(sums), dx)
        return [dx]


def _sum_pixels(x: Array) -> Array:
    """Sum each channel in float64, (n, …, c) -> (c,), after short sums in the arrays' own type."""
    c = x.shape[-1]
    rows = x.reshape(-1, x.shape[-2], c).sum(axis=1) if x.ndim > 2 else x
    return rows.sum(axis=0, dtype=np.float64)
