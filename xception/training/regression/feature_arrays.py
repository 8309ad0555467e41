"""Features and targets for a head: checked, and scaled by one common number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...kernels import Array


def check_arrays(features: ArrayLike, y: ArrayLike, names: Sequence[str], kind: str) -> tuple[Array, Array]:
    """Return the features (n, d) and the labels or targets (n, c) as float64."""
    x, values = np.asarray(features, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or values.shape != (len(x), len(names)) or not len(names):
        raise ValueError(
            f"expected features (n, d) and {kind} (n, {len(names)}), got {x.shape} and {values.shape}"
        )
    for name, array in (("features", x), (kind, values)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    return x, values


def center_and_scale(x: Array) -> tuple[Array, float]:
    """Return the mean (d,), and the root mean square length of a centered row."""
    mean = x.mean(axis=0)
    return mean, float(np.sqrt(((x - mean) ** 2).sum(axis=1).mean())) or 1.0
