"""Interface of the layers that act at random in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import NoGradientError
from ...kernels import Array

#: The output of a layer in training, and the function dL/dy -> dL/dx that belongs to it.
TrainedOutput = tuple[Array, Callable[[Array], Array]]


class RandomRule(ABC):
    """What a layer does at random in training."""

    @property
    def acts(self) -> bool:
        """Whether the layer changes its input in training: a dropout of rate 0 does not."""
        return True

    @abstractmethod
    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        """Compute the output of a batch.

        Args:
            x: The input (n, …).
            generators: A generator for each of the n examples.

        Returns:
            The output, and the function that propagates dL/dy to dL/dx.

        Raises:
            ValueError: The layer does not accept this input.
        """

    def range_problem(self, low: float, high: float) -> str | None:
        """Return why the layer does not fit pixels from `low` to `high`; None if it does.

        Args:
            low: The smallest pixel of a batch.
            high: The largest pixel of a batch.
        """
        return None


class RandomImageRule(RandomRule):
    """What an augmentation layer does to images (h, w, c), each by a draw of its own."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> Any:
        """Draw what is random.

        Args:
            rng: The generator of one example.
            shape: (h, w, c) of the image.
        """

    @abstractmethod
    def transform(self, image: Array, drawn: Any) -> Array:
        """Transform an image.

        Args:
            image: (h, w, c), which is not modified.
            drawn: From `draw`.

        Returns:
            (h, w, c), in the type of the image.
        """

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        if x.ndim != 4:
            raise ValueError(f"augments images (n, height, width, channels), got shape {x.shape}")
        y = np.empty_like(x)
        for image, target, rng in zip(x, y, generators, strict=True):
            target[...] = self.transform(image, self.draw(rng, image.shape))
        return y, _refuse_gradient


def _refuse_gradient(dy: Array) -> Array:
    # Augmentation belongs to the input of a network. Keras's own gradients of the geometric layers are not
    # those of the function computed, but of its inverse.
    raise NoGradientError("layers before a random image layer cannot be trained; freeze them")
