"""Layers that act at random in training: dropout, noise, and augmentation of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from ..kernels import Array
from ..layers import Layer

#: The output of a layer in training, and the function dL/dy -> dL/dx that belongs to it.
TrainedOutput = tuple[Array, Callable[[Array], Array]]


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


@singledispatch
def run_in_training(
    layer: Layer, x: Array, generators: Sequence[np.random.Generator]
) -> TrainedOutput | None:
    """Compute what a layer does at random in training.

    Args:
        layer: The layer; its class selects the rule.
        x: The input (n, …).
        generators: A generator for each of the n examples.

    Returns:
        The output, and the function that propagates dL/dy to dL/dx; None if the layer does nothing at random.
    """
    return None


@singledispatch
def acts_in_training(layer: Layer) -> bool:
    """Return True if a layer does something else in training than at inference, at random."""
    return False
