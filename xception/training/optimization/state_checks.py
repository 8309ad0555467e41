"""Checks of what an optimizer is given by node or variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...kernels import Array
from ..variables import Variables


def check_nodes(values: Mapping[str, float], variables: Variables | None, what: str) -> None:
    """Check that values are of nodes that train.

    Args:
        values: By node.
        variables: What trains; None if that is not known yet.
        what: The name of the values.

    Raises:
        ValueError: A node has no variables.
    """
    if variables is not None and (unknown := values.keys() - variables.by_node.keys()):
        raise ValueError(f"{what} names {min(unknown)!r}, which is not a node that trains")


def check_slots(
    slots: Sequence[Mapping[str, Array]], own: Sequence[Mapping[str, Array]], variables: Variables
) -> None:
    """Check that slots have the names and shapes of an optimizer's own.

    Args:
        slots: For each variable, the slots by name.
        own: The same of the optimizer.
        variables: The variables.

    Raises:
        ValueError: They do not fit.
    """
    if len(slots) != len(own):
        raise ValueError(f"the state is of {len(slots)} variables, but {len(own)} train here")
    for variable, mine, given in zip(variables.variables, own, slots, strict=True):
        shapes = {name: np.shape(array) for name, array in given.items()}
        expected = {name: array.shape for name, array in mine.items()}
        if shapes != expected:
            raise ValueError(
                f"the state of {variable.node}/{variable.parameter} does not fit: "
                f"expected {expected}, got {shapes}"
            )
