"""Keras's `validation_split`: the last of the examples validate."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...layers.validation import as_float

Triple = tuple[Any, Any, Any]


def split_off_last(
    x: Any, y: Any, weights: Any, share: float, validation_data: Any = None
) -> tuple[Triple, Triple]:
    """Divide examples as Keras 3.15 does (`trainers/data_adapters/array_slicing.py`).

    Args:
        x: An array (n, …), a dict of arrays for several inputs, or a list of photographs.
        y: (n, …) the targets.
        weights: (n,) how much each example weighs; None for 1 each.
        share: The share of examples that validate, between 0 and 1: the last ones.
        validation_data: Must be None.

    Returns:
        x, y and weights of the examples that train, and of those that validate.

    Raises:
        ValueError: The share is out of range or leaves one side empty, or the examples cannot be divided.
    """
    if validation_data is not None:
        raise ValueError("give either validation_data or validation_split, not both")
    share = as_float("validation_split", share, 0, 1)
    if y is None or isinstance(x, str | os.PathLike) or hasattr(x, "batches"):
        raise ValueError(
            "validation_split divides arrays, or a list of photographs with y; for a folder or a generator "
            "give validation_data"
        )
    count = len(y)
    sizes = {len(part) for part in (x.values() if isinstance(x, Mapping) else [x])}
    if sizes != {count}:
        raise ValueError(f"expected a target for each example, got {count} for {sorted(sizes)} examples")
    first = math.floor(count * (1 - share))
    if not 0 < first < count:
        raise ValueError(f"validation_split={share:g} of {count} examples leaves one side without any")
    parts = slice(0, first), slice(first, count)
    training, validation = (
        (_part(x, part), _part(y, part), None if weights is None else _part(weights, part)) for part in parts
    )
    return training, validation


def _part(values: Any, part: slice) -> Any:
    if isinstance(values, Mapping):
        return {name: _part(value, part) for name, value in values.items()}
    return values[part] if hasattr(values, "__getitem__") else np.asarray(values)[part]
