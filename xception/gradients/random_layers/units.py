"""Dropout and noise in training. Keras 3.15, `layers/regularization/`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels import Array
from ...layers.validation import as_float, as_noise_shape
from .rule import RandomRule, TrainedOutput

#: Constants of the activation SELU, which `AlphaDropout` belongs to.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _uniform(generators: Sequence[np.random.Generator], shape: tuple[int, ...]) -> Array:
    """Draw numbers of [0, 1) for each example: (n, *shape), float32."""
    drawn = np.empty((len(generators), *shape), np.float32)
    for rng, target in zip(generators, drawn, strict=True):
        rng.random(out=target, dtype=np.float32)
    return drawn


@dataclass(frozen=True)
class DropRule(RandomRule):
    """Dropout: units are dropped, and those that are kept divided by 1 − rate.

    Attributes:
        rate: Fraction that is dropped, from 0 to 1.
        noise_shape: Shape of the mask, with the batch axis; along an axis of size 1 all units share the
            decision. None stands for a size of the input. Each example has a mask of its own, whatever
            the size of the batch axis.
    """

    rate: float
    noise_shape: tuple[int | None, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_float("rate", self.rate, 0, 1))
        object.__setattr__(self, "noise_shape", as_noise_shape(self.noise_shape))

    @property
    def acts(self) -> bool:
        return self.rate > 0

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one example's mask.

        Args:
            shape: Shape of the input, with the batch axis.

        Raises:
            ValueError: The noise shape does not fit.
        """
        if self.noise_shape is None:
            return shape[1:]
        sizes = tuple(given or size for given, size in zip(self.noise_shape[1:], shape[1:], strict=False))
        if len(self.noise_shape) != len(shape) or any(
            given not in (1, size) for given, size in zip(sizes, shape[1:], strict=True)
        ):
            raise ValueError(f"its noise_shape {self.noise_shape} does not fit an input of shape {shape}")
        return sizes

    def keep(self, x: Array, generators: Sequence[np.random.Generator]) -> NDArray[np.bool_]:
        """Draw which units are kept, as booleans that broadcast to `x`."""
        return _uniform(generators, self.mask_shape(x.shape)) >= self.rate

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        kept = self.keep(x, generators)
        scale = x.dtype.type(1 / (1 - self.rate) if self.rate < 1 else 0)

        def apply(values: Array) -> Array:
            # Not a product with the mask: a unit that is infinite can be dropped.
            return np.where(kept, values * scale, values.dtype.type(0))

        return apply(x), apply


@dataclass(frozen=True)
class SpatialDropRule(DropRule):
    """Dropout of whole maps: one decision for each example and channel."""

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*(1 for _ in shape[1:-1]), shape[-1])


@dataclass(frozen=True)
class StochasticDepthRule(DropRule):
    """Dropout of whole examples in a residual branch. Keras 3.15, `applications/convnext.py`."""

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(1 for _ in shape[1:])


@dataclass(frozen=True)
class AlphaDropRule(DropRule):
    """Dropout to SELU's negative limit, which keeps mean and variance of normalized units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_one("rate", self.rate)

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        kept = self.keep(x, generators)
        limit = -SELU_ALPHA * SELU_SCALE
        scale = ((1 - self.rate) * (1 + self.rate * limit**2)) ** -0.5
        offset = -scale * limit * self.rate
        number = x.dtype.type
        y = np.where(kept, x, number(limit)) * number(scale) + number(offset)
        return y, lambda dy: np.where(kept, dy * dy.dtype.type(scale), dy.dtype.type(0))


class _NoiseRule(RandomRule):
    """Noise of a normal distribution."""

    def normal(self, x: Array, generators: Sequence[np.random.Generator]) -> Array:
        """Draw standard normal numbers of the shape and type of `x`."""
        drawn = np.empty(x.shape, np.float32)
        for rng, target in zip(generators, drawn, strict=True):
            rng.standard_normal(out=target, dtype=np.float32)
        return drawn.astype(x.dtype, copy=False)

    @abstractmethod
    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput: ...


@dataclass(frozen=True)
class GaussianNoiseRule(_NoiseRule):
    """Addition of noise.

    Attributes:
        stddev: Standard deviation of the noise.
    """

    stddev: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", as_float("stddev", self.stddev, 0))

    @property
    def acts(self) -> bool:
        return self.stddev > 0

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        return x + self.normal(x, generators) * x.dtype.type(self.stddev), lambda dy: dy


@dataclass(frozen=True)
class GaussianDropRule(_NoiseRule):
    """Multiplication by noise of mean 1 and standard deviation √(rate / (1 − rate)).

    Attributes:
        rate: From 0 to less than 1.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_float("rate", self.rate, 0, 1))
        _refuse_one("rate", self.rate)

    @property
    def acts(self) -> bool:
        return self.rate > 0

    def run(self, x: Array, generators: Sequence[np.random.Generator]) -> TrainedOutput:
        deviation = math.sqrt(self.rate / (1 - self.rate))
        factor = self.normal(x, generators) * x.dtype.type(deviation) + x.dtype.type(1)
        return x * factor, lambda dy: dy * factor


def _refuse_one(name: str, value: float) -> None:
    if value == 1:
        raise ValueError(f"{name} must be less than 1, got 1: Keras divides by 1 - {name}")
