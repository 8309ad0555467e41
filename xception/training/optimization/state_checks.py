"""Check of the slots that an optimizer is restored from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...kernels import Array
from ..variables import Variables


def check_slots(
    slots: Sequence[Mapping[str, Array]], own: Sequence[Mapping[str, Array]], variables: Variables
) -> None:
    """Check that slots have the names and shapes of an optimizer's own.

    Args:
        slots: The slots of each variable, by name.
        own: Those of the optimizer.
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
