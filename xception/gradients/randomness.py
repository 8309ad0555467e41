"""Random numbers of a training step, and the layers that use them: dropout, noise, augmentation of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .random_layers.registry import acts_in_training, does_not_act, run_in_training, value_range_problem
from .random_layers.rule import TrainedOutput

__all__ = [
    "Randomness",
    "TrainedOutput",
    "acts_in_training",
    "does_not_act",
    "run_in_training",
    "value_range_problem",
]


@dataclass(frozen=True)
class Randomness:
    """The random numbers of one training step: a function of each example's key and of the layer.

    They depend neither on how a batch is split nor on the order in which it is computed.

    Attributes:
        keys: For each example non-negative integers, such as (seed, epoch, photograph).
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
