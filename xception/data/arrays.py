"""Checked conversion of arguments to arrays of real numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_real_array(x: Any, expected: str) -> NDArray[Any]:
    """Convert `x` to an array of real numbers.

    Args:
        x: An array, a number, or nested sequences of numbers.
        expected: What was expected, for the error message: "images of shape (n, 299, 299, 3)".

    Returns:
        `x` as an array, in its own dtype; no copy of an array.

    Raises:
        TypeError: `x` is a generator, a text, or another object that is no array.
        ValueError: `x` holds sequences of unequal length, complex numbers, or no numbers at all.
    """
    if isinstance(x, Iterator):
        raise TypeError(f"expected {expected}, got a {type(x).__name__}; collect it with np.stack(list(…))")
    if isinstance(x, str | bytes) or hasattr(x, "__fspath__"):
        raise TypeError(f"expected {expected}, got {x!r:.80}; xception.load_image reads a photograph")
    try:
        array = np.asarray(x)
    except ValueError:
        raise ValueError(f"expected {expected}, got a list of arrays that differ in shape") from None
    if array.dtype == object and array.ndim == 0:
        raise TypeError(f"expected {expected}, got an object of type {type(x).__name__}")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise ValueError(f"expected {expected} and real numbers, got an array of {array.dtype}")
    return array
