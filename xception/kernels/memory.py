"""Where arrays begin."""

from __future__ import annotations

import numpy as np

from .geometry import Array

CACHE_LINE = 16  #: float32 numbers


def whole_lines(size: int) -> int:
    """How many numbers fill the cache lines that `size` numbers take."""
    return -(-size // CACHE_LINE) * CACHE_LINE


def aligned(size: int) -> Array:
    """`size` float32 numbers that start on a cache line; their values are anything.

    From 4 MiB on NumPy asks Linux for huge pages, which is worth a hundredth of a prediction: it
    reads all weights, and each page that it comes to has to be looked up.
    """
    raw = np.empty(size + CACHE_LINE, np.float32)
    start = -(raw.ctypes.data // raw.itemsize) % CACHE_LINE
    return raw[start : start + size]
