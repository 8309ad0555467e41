"""Activations at the border of the trained part of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...engine.plan import Plan
from ...kernels import Array


def compute_border(plan: Plan, border: Sequence[str], values: Mapping[str, Array]) -> dict[str, Array]:
    """Return the activations (n, …) of the border, float32, by node.

    Args:
        plan: The plan of the model, which computes those that are not given.
        border: The nodes of the border.
        values: (n, …) by node: the model's inputs, or the activations of the border.
    """
    arrays = {name: np.ascontiguousarray(x, np.float32) for name, x in values.items()}
    missing = [name for name in border if name not in arrays]
    if missing:
        arrays.update(plan.run({name: arrays[name] for name in plan.graph.inputs}, missing))
    return {name: arrays[name] for name in border}
