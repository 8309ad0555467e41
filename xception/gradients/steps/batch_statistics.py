"""Batch normalization by the statistics of the batch, which all threads compute together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph import GraphParameters, Node
from ...kernels import Array
from ...layers import BatchNormalization
from ..randomness import Randomness
from .step import Step, Worker


class BatchStatisticsStep(Step):
    """y = gamma · (x − mean) / √(variance + epsilon) + beta, with mean and biased variance of the batch.

    The gradient is that of Ioffe and Szegedy (ICML 2015), section 3, in one formula:

    dx = gamma / σ · (dy − mean(dy) − ŷ · mean(dy · ŷ)), with ŷ = (x − mean) / σ

    Args:
        node: The node.
        trained: Whether gamma and beta are trained.
    """

    keeps_inputs = True

    def __init__(self, node: Node, trained: bool) -> None:
        assert isinstance(node.layer, BatchNormalization)
        self.inputs, self.output = node.inputs, node.name
        self._node, self._layer, self._trained = node, node.layer, trained

    def prepare(self, parameters: GraphParameters) -> Any:
        return parameters[self._node.owner]

    def forward(
        self, worker: Worker, prepared: Any, inputs: Sequence[Array], free: Sequence[bool],
        randomness: Randomness | None,
    ) -> tuple[Array, Any]:  # fmt: skip
        (x,) = inputs
        elements = worker.count * (x[0].size // x.shape[-1])  # of a channel, in the whole batch
        mean = worker.all_reduce(_sum_pixels(x)) / elements  # (c,) float64
        y = worker.buffers.take(*x.shape)
        np.subtract(x, mean.astype(x.dtype), out=y)
        variance = worker.all_reduce(_sum_pixels(np.square(y))) / elements
        worker.statistics[self._node.name] = mean.astype(x.dtype), variance.astype(x.dtype)
        inverse = (1 / np.sqrt(variance + self._layer.epsilon)).astype(x.dtype)
        gamma = prepared["gamma"] if self._layer.scale else None
        y *= inverse if gamma is None else inverse * gamma
        if self._layer.center:
            y += prepared["beta"]
        return y, (x, mean.astype(x.dtype), inverse, gamma, elements)

    def backward(
        self, worker: Worker, prepared: Any, saved: Any, dy: Array, wanted: Sequence[bool]
    ) -> Sequence[Array | None]:
        x, mean, inverse, gamma, elements = saved
        normalized = worker.buffers.take(*x.shape)
        np.subtract(x, mean, out=normalized)
        normalized *= inverse
        own = np.stack([_sum_pixels(dy), _sum_pixels(dy * normalized)])  # (2, c): dbeta, dgamma
        if self._trained:  # the sums of this thread: those of all are added later
            if self._layer.center:
                worker.add(self._node.owner, "beta", own[0].astype(x.dtype))
            if self._layer.scale:
                worker.add(self._node.owner, "gamma", own[1].astype(x.dtype))
        if not wanted[0]:
            worker.all_reduce(own)
            worker.buffers.give(normalized)
            return [None]
        constant, parallel = (worker.all_reduce(own) / elements).astype(x.dtype)
        # In place of ŷ: dy − mean(dy) − ŷ · mean(dy · ŷ)
        normalized *= -parallel
        normalized += dy
        normalized -= constant
        normalized *= inverse if gamma is None else inverse * gamma
        return [normalized]


def _sum_pixels(x: Array) -> Array:
    """Sum (n, …, c) over all but the channels in float64, (c,): short sums in the arrays' own type first."""
    c = x.shape[-1]
    rows = x.reshape(-1, x.shape[-2], c).sum(axis=1) if x.ndim > 2 else x
    return rows.sum(axis=0, dtype=np.float64)
