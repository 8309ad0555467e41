"""Recurrent layers: a cell, run along a sequence, forward, backward, or both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import elementwise_cost, known
from ..penalized import Penalized
from ..validation import check_bool, store_setting
from ..wrapping import add_prefix, select_prefix, wrapped_group
from .cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, States
from .stacked_cells import check_cell


class Recurrent(Layer):
    """Base class of recurrent layers: (steps, c) -> (units,), or the outputs of all steps, (steps, units).

    A second input is a mask (steps,). Where it is 0, a step is skipped: the output and the states stay as
    they were.

    Attributes:
        cell: The cell that computes the steps.
        return_sequences: Whether to return the outputs of all steps, in the order in which they are
            computed; otherwise only that of the last.
        go_backwards: Whether to begin with the last step of the input.
    """

    takes_mask: ClassVar[bool] = True
    cell: Cell
    return_sequences: bool
    go_backwards: bool

    def accepts(self, count: int) -> bool:
        return count in (1, 2)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return self.cell.parameters(inputs[0])

    def cell_parameters(self, parameters: Parameters) -> Parameters:
        """Return the arrays of the cell by its own names, from those of the layer."""
        return parameters

    def variable_group(self, parameter: str) -> str:
        return "cell"

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = self.cell.output_shape(inputs[0])
        check_mask(*inputs)
        return shape if self.return_sequences else shape[1:]

    def cost(self, *inputs: Sizes) -> Cost:
        outputs = elementwise_cost(known(self.cell.output_shape(inputs[0])), 1)
        return self.cell.cost(inputs[0]) + outputs

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return self.run(parameters, inputs)

    def run(self, parameters: Parameters, inputs: tuple[Array, ...], zero: bool = False) -> Array:
        """Compute the output, as `forward` does.

        Args:
            parameters: The arrays of the layer.
            inputs: The sequence (n, steps, …, c), and a mask (n, steps) or not.
            zero: Whether the output of a skipped step is 0, as it is in the sequences of `Bidirectional`.
        """
        x, mask = (*inputs, None)[:2]
        assert x is not None
        parameters = self.cell_parameters(parameters)
        projected = self.cell.project(parameters, x)
        outputs: Array | None = None
        with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN are valid results, as in Keras
            for position, (_, output, _) in enumerate(self.walk(parameters, projected, mask, zero)):
                if self.return_sequences:
                    if outputs is None:
                        outputs = np.empty((len(x), projected.shape[1], *output.shape[1:]), output.dtype)
                    outputs[:, position] = output
                else:
                    outputs = output
        assert outputs is not None  # there is at least one step
        return outputs

    def walk(
        self, parameters: Parameters, projected: Array, mask: Array | None, zero: bool
    ) -> Iterator[tuple[int, Array, States]]:
        """Compute all steps in order.

        Args:
            parameters: The arrays of the cell.
            projected: What the cell's gates take from the input, (n, steps, …, gates · units).
            mask: (n, steps), or None.
            zero: Whether the output of a skipped step is 0.

        Yields:
            (number of the step, its output (n, …, units), the states before it).
        """
        steps = range(projected.shape[1])
        states = self.cell.initial_states(projected[:, 0])
        output = None
        for step in reversed(steps) if self.go_backwards else steps:
            new_output, new_states = self.cell.step(parameters, projected[:, step], states)
            if mask is not None:
                keep = mask[:, step] != 0
                before = np.zeros_like(new_output) if zero or output is None else output
                new_output, new_states = select(keep, (new_output, new_states), (before, states))
            yield step, new_output, states
            output, states = new_output, new_states


def select(keep: Array, new: Any, old: Any) -> Any:
    """Return arrays, or nested tuples of arrays, with the examples of `new` where `keep` holds, or of `old`.

    Args:
        keep: One boolean for each example, (n,).
        new: An array (n, …), or a nested tuple of arrays.
        old: The same.
    """
    if isinstance(new, tuple):
        return tuple(select(keep, *pair) for pair in zip(new, old, strict=True))
    return np.where(keep.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


def check_mask(*inputs: Shape) -> None:
    """Raise ValueError if the second input, if there is one, is not a mask (steps,) for the first."""
    for mask in inputs[1:]:
        if len(mask) != 1 or (None not in (mask[0], inputs[0][0]) and mask[0] != inputs[0][0]):
            raise ValueError(
                f"takes a mask as its second input, one number for each step, got a shape {mask} for a "
                f"sequence of shape {inputs[0]}; initial states are not supported"
            )


class _WithOwnCell(Recurrent):
    """A recurrent layer with the settings of its cell."""

    cell_class: ClassVar[type[Any]]
    penalized: ClassVar[tuple[str, ...]] = Cell.penalized

    def __post_init__(self) -> None:
        check_bool(self, "return_sequences", "go_backwards")
        for setting in fields(self.cell_class):
            store_setting(self, setting.name, getattr(self.cell, setting.name))

    @cached_property
    def cell(self) -> Cell:  # type: ignore[override]
        settings = {field.name: getattr(self, field.name) for field in fields(self.cell_class)}
        cell: Cell = self.cell_class(**settings)
        return cell


@dataclass(frozen=True)
class SimpleRNN(_WithOwnCell, Penalized):
    """Fully connected recurrent layer: (steps, c) -> (units,) or (steps, units). See `SimpleRNNCell`.

    The parameters are `kernel` (c, units), `recurrent_kernel` (units, units) and `bias` (units,).

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        return_sequences: Whether to return the outputs of all steps instead of the last one.
        go_backwards: Whether to begin with the last step.
    """

    units: int
    activation: str | Layer = "tanh"
    use_bias: bool = True
    return_sequences: bool = False
    go_backwards: bool = False
    cell_class: ClassVar[type[Any]] = SimpleRNNCell


@dataclass(frozen=True)
class LSTM(_WithOwnCell, Penalized):
    """Long short-term memory: (steps, c) -> (units,) or (steps, units). See `LSTMCell`.

    The parameters are `kernel` (c, 4 · units), `recurrent_kernel` (units, 4 · units) and `bias`
    (4 · units,), with the gates in the order i, f, g, o.

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        recurrent_activation: The same, for the gates i, f and o.
        use_bias: Whether to add a bias.
        return_sequences: Whether to return the outputs of all steps instead of the last one.
        go_backwards: Whether to begin with the last step.
    """

    units: int
    activation: str | Layer = "tanh"
    recurrent_activation: str | Layer = "sigmoid"
    use_bias: bool = True
    return_sequences: bool = False
    go_backwards: bool = False
    cell_class: ClassVar[type[Any]] = LSTMCell


@dataclass(frozen=True)
class GRU(_WithOwnCell, Penalized):
    """Gated recurrent units: (steps, c) -> (units,) or (steps, units). See `GRUCell`.

    The parameters are `kernel` (c, 3 · units), `recurrent_kernel` (units, 3 · units) and `bias`
    (2, 3 · units), or (3 · units,) without `reset_after`, with the gates in the order z, r, g.

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        recurrent_activation: The same, for the gates z and r.
        use_bias: Whether to add a bias.
        reset_after: Whether r is applied after the product of the state with the recurrent kernel.
        return_sequences: Whether to return the outputs of all steps instead of the last one.
        go_backwards: Whether to begin with the last step.
    """

    units: int
    activation: str | Layer = "tanh"
    recurrent_activation: str | Layer = "sigmoid"
    use_bias: bool = True
    reset_after: bool = True
    return_sequences: bool = False
    go_backwards: bool = False
    cell_class: ClassVar[type[Any]] = GRUCell


@dataclass(frozen=True)
class RNN(Recurrent):
    """A cell along a sequence: (steps, c) -> (units,) or (steps, units). The parameters are the cell's.

    Attributes:
        cell: The cell, or a list of cells that are stacked.
        return_sequences: Whether to return the outputs of all steps instead of the last one.
        go_backwards: Whether to begin with the last step.
    """

    cell: Cell
    return_sequences: bool = False
    go_backwards: bool = False
    wraps: ClassVar[tuple[str, ...]] = ("cell",)

    def __post_init__(self) -> None:
        check_cell(self, "cell")
        check_bool(self, "return_sequences", "go_backwards")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        return add_prefix("cell", self.cell.parameters(inputs[0]))

    def cell_parameters(self, parameters: Parameters) -> Parameters:
        return select_prefix("cell", parameters)

    def variable_group(self, parameter: str) -> str:
        return wrapped_group("cell", self.cell, parameter)
