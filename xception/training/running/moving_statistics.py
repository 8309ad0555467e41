"""Moving statistics of batch normalization, and how quickly they follow the batches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np

from ...console.text import count_of
from ...graph import Graph
from ...kernels import Array
from ...layers import BatchNormalization

#: "frozen": `BatchNormalization` normalizes by its moving statistics, which do not change. "batch": by the
#: statistics of the batch, and the moving ones follow, as in Keras.
Statistics = Literal["frozen", "batch"]

#: If more than this share of the old moving statistics is left after a run, validation lags behind training.
MAX_OLD_SHARE = 0.1


class MovingStatistics:
    """The moving statistics of the layers that normalize by the statistics of the batch.

    Keras 3.15, `layers/normalization/batch_normalization.py`: moving = momentum · moving + (1 − momentum) ·
    batch, with the biased variance.

    Args:
        graph: The graph.
        trained: The nodes whose parameters are trained. Only these normalize by the batch.

    Attributes:
        nodes: The nodes whose moving statistics change.
    """

    def __init__(self, graph: Graph, trained: Collection[str]) -> None:
        self._graph = graph
        self.nodes = tuple(
            node.name
            for node in graph.nodes.values()
            if node.owner == node.name
            and node.name in trained
            and isinstance(node.frame_layer, BatchNormalization)
        )

    @property
    def momentum(self) -> float:
        """The largest momentum of these layers."""
        return max((self._momentum(node) for node in self.nodes), default=0.0)

    def copied(self, parameters: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[str, Array]]:
        """Return parameters with copies of the moving statistics, which `move` changes."""
        result = {node: dict(arrays) for node, arrays in parameters.items()}
        for node in self.nodes:
            for name in ("moving_mean", "moving_variance"):
                result[node][name] = np.array(result[node][name], np.float32)
        return result

    def move(
        self, parameters: Mapping[str, Mapping[str, Array]], statistics: Mapping[str, tuple[Array, Array]]
    ) -> None:
        """Move the statistics in `parameters` by those of a batch.

        Args:
            parameters: From `copied`.
            statistics: (mean, biased variance), each (c,), by node.
        """
        for node, (mean, variance) in statistics.items():
            owner = self._graph.nodes[node].owner
            momentum = np.float32(self._momentum(owner))
            for name, value in (("moving_mean", mean), ("moving_variance", variance)):
                moving = parameters[owner][name]
                moving *= momentum
                moving += value.astype(np.float32, copy=False) * (np.float32(1) - momentum)

    def _momentum(self, node: str) -> float:
        layer = self._graph.nodes[node].frame_layer
        assert isinstance(layer, BatchNormalization)
        return layer.momentum


def describe_old_share(momentum: float, steps: int) -> tuple[str, bool]:
    """Return how much of the old moving statistics is left after a run, and whether that is too much.

    Args:
        momentum: The largest momentum of the moving statistics.
        steps: The steps of the run.
    """
    share = momentum**steps
    text = (
        f"after {count_of(steps, 'step')}, {share:.0%} of the moving statistics will still be the old ones "
        f"({momentum:g}^{steps})"
    )
    if share > MAX_OLD_SHARE:
        text += ", so that validation lags behind training: train longer, or use statistics='frozen'"
    return text, share > MAX_OLD_SHARE
