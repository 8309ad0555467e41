"""Initializers of parameters: zeros, ones, and Glorot's uniform distribution."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from ..kernels import Array

Initializer = Literal["glorot_uniform", "zeros", "ones"]  #: by Keras's names


def draw(initializer: Initializer, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return a float32 array of initial values, distributed as by Keras's initializer of this name.

    Args:
        initializer: "zeros", "ones" or "glorot_uniform".
        shape: Shape of the array. "glorot_uniform" needs at least two axes.
        rng: Source of random numbers. Only "glorot_uniform" uses it.
    """
    if initializer == "zeros":
        return np.zeros(shape, np.float32)
    if initializer == "ones":
        return np.ones(shape, np.float32)
    return _glorot_uniform(shape, rng)


def _glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from U(−limit, limit) with limit = √(6 / (fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (AISTATS 2010), equation 16. The last two axes are the input and output channels, and the axes
    before them the window. Keras computes the fans in this way for depthwise kernels
    (kh, kw, c, depth_multiplier) as well.
    """
    window = math.prod(shape[:-2])
    limit = math.sqrt(6 / (window * (shape[-2] + shape[-1])))
    values = rng.random(shape, np.float32)
    values *= 2 * limit
    values -= limit
    return values
