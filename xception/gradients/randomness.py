"""Random numbers of a training step, and the layers that use them: dropout, noise, random image layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Node
from .random_layers.registry import acts_in_training, idle_reason, run_in_training, value_range_problem
from .random_layers.rule import TrainedOutput

__all__ = [
    "Randomness",
    "TrainedOutput",
    "acts_in_training",
    "describe_idle_layers",
    "idle_reason",
    "run_in_training",
    "value_range_problem",
]


@dataclass(frozen=True)
class Randomness:
    """The random numbers of one training step: a function of each example's key and of the layer.

    They depend neither on how a batch is split nor on the order in which it is computed.

    Attributes:
        keys: The key of each example: non-negative integers, such as (seed, epoch, photograph).
    """

    keys: Sequence[tuple[int, ...]]

    def __getitem__(self, part: slice) -> Randomness:
        return Randomness(self.keys[part])

    def generators(self, layer: int) -> list[np.random.Generator]:
        """Return a generator for each example.

        Args:
            layer: The number of the layer in its graph.
        """
        return [np.random.default_rng((*key, layer)) for key in self.keys]


def describe_idle_layers(nodes: Iterable[Node]) -> list[str]:
    """Name the layers that act in Keras's training, but not here.

    Args:
        nodes: The nodes of a graph.

    Returns:
        A clause for each, such as "mix_up (MixUp): it mixes labels, …". Uses of one layer count once.
    """
    reasons = {
        f"{node.name} ({node.kind})": idle_reason(node.layer) for node in nodes if node.owner == node.name
    }
    return [f"{name}: {reason}" for name, reason in reasons.items() if reason]
