"""Initializers of parameters: zeros, ones, and Glorot's uniform distribution."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..kernels import Array

#: By Keras's names, or a number that all elements have.
Initializer = Literal["glorot_uniform", "zeros", "ones"] | float


def draw(initializer: Initializer, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return a float32 array of initial values, distributed as by Keras's initializer of this name.

    Args:
        initializer: "zeros", "ones", "glorot_uniform" or a number.
        shape: Shape of the array. "glorot_uniform" needs at least one axis.
        rng: Source of random numbers. Only "glorot_uniform" uses it.
    """
    if initializer == "zeros":
        return np.zeros(shape, np.float32)
    if initializer == "ones":
        return np.ones(shape, np.float32)
    if not isinstance(initializer, str):
        return np.full(shape, initializer, np.float32)
    return _glorot_uniform(shape, rng)


def _glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from U(−limit, limit) with limit = √(6 / (fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (AISTATS 2010), equation 16. The last two axes are the input and output channels, and the axes
    before them the window. Keras computes the fans in this way for depthwise kernels
    (kh, kw, c, depth_multiplier) as well. Both fans of a vector are its size.
    """
    window = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2:] if len(shape) > 1 else shape * 2
    limit = math.sqrt(6 / (window * (fan_in + fan_out)))
    values = rng.random(shape, np.float32)
    values *= 2 * limit
    values -= limit
    return values
