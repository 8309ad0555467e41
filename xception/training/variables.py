"""Variables of training: the trained parameters of a model, as one flat vector and as arrays by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np

from ..gradients.training_pass import Variable
from ..graph import GraphParameters
from ..kernels import Array


class Variables:
    """A flat vector of numbers, with a view of the right shape for each variable.

    An optimizer works on the vector, in one pass over memory; layers work on the views.

    Args:
        variables: The variables, in Keras's order.
        dtype: Type of the numbers.

    Attributes:
        variables: The variables.
        flat: All numbers, (total,).
        slices: Where each variable lies in `flat`.
        by_node: {node: {parameter: view}}.
    """

    def __init__(self, variables: Sequence[Variable], dtype: type[np.floating] = np.float32) -> None:
        self.variables = tuple(variables)
        ends = np.cumsum([0, *(prod(variable.shape) for variable in self.variables)]).tolist()
        self.flat: Array = np.zeros(ends[-1], dtype)
        self.slices = [slice(start, stop) for start, stop in pairwise(ends)]
        self.by_node: dict[str, dict[str, Array]] = {}
        for variable, part in zip(self.variables, self.slices, strict=True):
            view = self.flat[part].reshape(variable.shape)
            self.by_node.setdefault(variable.node, {})[variable.parameter] = view

    def fill(self, parameters: GraphParameters) -> None:
        """Copy the values of the variables from a model's parameters."""
        for node, views in self.by_node.items():
            for name, view in views.items():
                view[...] = parameters[node][name]

    def merged(self, parameters: GraphParameters) -> dict[str, dict[str, Array]]:
        """Return a model's parameters, with the views instead of the trained arrays."""
        return {node: {**arrays, **self.by_node.get(node, {})} for node, arrays in parameters.items()}
