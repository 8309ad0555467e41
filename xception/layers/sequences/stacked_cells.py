"""Cells of recurrent layers, one on top of another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..validation import store_setting
from ..wrapping import add_prefix, check_layer
from .cells import (
    OPERATIONS_PER_STEP,
    OPERATIONS_PER_WEIGHT_OF_A_STEP,
    Cell,
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    States,
)

#: Names of a cell's parameters.
CELL_PARAMETERS = ("kernel", "recurrent_kernel", "bias")
#: Names of the cells, as Keras 3 numbers them in its files.
STEMS = {"SimpleRNNCell": "simple_rnn_cell", "LSTMCell": "lstm_cell", "GRUCell": "gru_cell"}


@dataclass(frozen=True)
class StackedRNNCells(Cell):
    """Several cells, each of which reads the output of the one before at the same step.

    Attributes:
        cells: The cells in order.
    """

    cells: tuple[Cell, ...]
    wraps: ClassVar[tuple[str, ...]] = ("cells",)

    def __post_init__(self) -> None:
        cells = self.cells
        if not isinstance(cells, list | tuple) or not cells:
            raise ValueError("cells must be a list of at least one cell")
        for cell in cells:
            if not isinstance(cell, SimpleRNNCell | LSTMCell | GRUCell):
                raise ValueError("cells must be SimpleRNNCell, LSTMCell or GRUCell")
        store_setting(self, "cells", tuple(cells))

    @property
    def units(self) -> int:  # type: ignore[override]
        """Number of outputs: those of the last cell."""
        return self.cells[-1].units

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """The prefix of each cell's parameters: "cells/lstm_cell", then "cells/lstm_cell_1", …"""
        names: Counter[str] = Counter()
        prefixes = []
        for cell in self.cells:
            stem = STEMS[cell.kind]
            prefixes.append(f"cells/{stem}_{names[stem]}" if names[stem] else f"cells/{stem}")
            names[stem] += 1
        return tuple(prefixes)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        parameters: dict[str, Parameter] = {}
        shape = inputs[0]
        for prefix, cell in zip(self.prefixes, self.cells, strict=True):
            parameters |= add_prefix(prefix, cell.parameters(shape))
            shape = (*shape[:-1], cell.units)
        return parameters

    def cost(self, *inputs: Sizes) -> Cost:
        total, (steps, channels) = Cost(0, 0), inputs[0]
        for number, cell in enumerate(self.cells):
            cost = cell.cost((steps, channels))
            if number:  # only the first cell's product is computed for all steps at once
                weights = channels * cell.gates * cell.units
                cost += Cost(steps * (OPERATIONS_PER_STEP + weights * OPERATIONS_PER_WEIGHT_OF_A_STEP), 0)
            total += cost
            channels = cell.units
        return total

    def project(self, parameters: Parameters, x: Array) -> Array:
        return self.cells[0].project(cell_arrays(self.prefixes[0], parameters), x)

    def initial_states(self, projected: Array) -> States:
        return tuple(
            tuple(np.zeros((len(projected), cell.units), projected.dtype) for _ in range(cell.state_count))
            for cell in self.cells
        )

    def step(self, parameters: Parameters, projected: Array, states: States) -> tuple[Array, States]:
        new_states: list[States] = []
        output = projected
        for prefix, cell, before in zip(self.prefixes, self.cells, states, strict=True):
            own = cell_arrays(prefix, parameters)
            if new_states:
                projected = cell.project(own, output)
            output, after = cell.step(own, projected, before)
            new_states.append(after)
        return output, tuple(new_states)


def cell_arrays(prefix: str, parameters: Parameters) -> Parameters:
    """Return the arrays of one of the cells by its own names, without a search: there may be many cells.

    Args:
        prefix: One of `StackedRNNCells.prefixes`.
        parameters: Arrays of all cells.
    """
    return {
        name: parameters[f"{prefix}/{name}"] for name in CELL_PARAMETERS if f"{prefix}/{name}" in parameters
    }


def check_cell(layer: Layer, name: str) -> None:
    """Check that a setting is a cell; a list of cells stands for `StackedRNNCells`."""
    value = getattr(layer, name)
    if isinstance(value, list | tuple):
        store_setting(layer, name, StackedRNNCells(tuple(value)))
    check_layer(layer, name, SimpleRNNCell, LSTMCell, GRUCell, StackedRNNCells)
