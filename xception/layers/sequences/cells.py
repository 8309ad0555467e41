"""Cells of recurrent layers: how one step of a sequence is computed from the step before.

The gates of a cell are computed together: their kernels stand side by side, in Keras's order. What they
take from the input does not depend on the step before, so it is computed for all steps in one product
(`Cell.project`); only the rest is computed step by step (`Cell.step`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...kernels import Array
from ..activations import activate, activation_cost, bias_parameter, check_activation
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_ROW
from ..penalized import Penalized
from ..shapes import channel_count
from ..validation import check_bool, check_int

#: The states of a cell, (n, units) each; of stacked cells, the states of each cell.
States = tuple[Any, ...]

#: A weight of a kernel that a single sequence reads from memory at each step: 0.1 to 0.7 ns.
OPERATIONS_PER_WEIGHT_OF_A_STEP = 100
#: Calls of NumPy in one step, besides the activations: 10 to 20, of about 2 microseconds.
OPERATIONS_PER_STEP = 4 * OPERATIONS_PER_CALL


class Cell(Layer):
    """Base class of cells. A cell is not used on its own, but inside a recurrent layer.

    Attributes:
        gates: Number of gates, whose kernels stand side by side.
        state_count: Number of states. The first one is the output of a step.
        units: Number of outputs.
    """

    arity: ClassVar[int | None] = 0
    gates: ClassVar[int] = 1
    state_count: ClassVar[int] = 1
    penalized: ClassVar[tuple[str, ...]] = ("kernel", "recurrent", "bias")
    units: int
    use_bias: bool
    activation: str | Layer

    def accepts(self, count: int) -> bool:
        return False

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        width = self.gates * self.units
        kernels = {
            "kernel": Parameter((channel_count(inputs[0]), width)),
            "recurrent_kernel": Parameter((self.units, width)),
        }
        return kernels | bias_parameter(self.use_bias, width)

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs[0]) != 2:
            raise ValueError(f"takes sequences (steps, channels), got an input of shape {inputs[0]}")
        if inputs[0][0] == 0:
            raise ValueError("needs at least one step")
        return (inputs[0][0], self.units)

    def cost(self, *inputs: Sizes) -> Cost:
        """Return the cost of all steps."""
        steps, channels = inputs[0]
        width = self.gates * self.units
        product = Cost(
            OPERATIONS_PER_CALL
            + channels * width * OPERATIONS_PER_ELEMENT
            + steps * (2 * channels * width + OPERATIONS_PER_ROW),
            steps * (channels + width),
        )
        return product + self.step_cost((self.units,), steps)

    def step_cost(self, shape: Sizes, steps: int) -> Cost:
        """Return the cost of all steps beyond that of `project`.

        Args:
            shape: Shape of a state, without the batch axis.
            steps: Number of steps.
        """
        width = self.gates * math.prod(shape)
        weights = self.gates * self.units**2
        gates = activation_cost(self.activation, (self.gates, *shape))
        gates += activation_cost(getattr(self, "recurrent_activation", "linear"), (self.gates, *shape))
        work = gates.operations + weights * OPERATIONS_PER_WEIGHT_OF_A_STEP
        work += OPERATIONS_PER_STEP + 8 * width * OPERATIONS_PER_ELEMENT
        return Cost(steps * work, gates.elements + 6 * width)

    def project(self, parameters: Parameters, x: Array) -> Array:
        """Compute what the gates take from the input, at all steps.

        Args:
            parameters: The arrays of the cell.
            x: (n, steps, c), or one step, (n, c).

        Returns:
            (n, steps, gates · units), or (n, gates · units).
        """
        kernel = parameters["kernel"]
        y = (x.reshape(-1, len(kernel)) @ kernel).reshape(*x.shape[:-1], -1)
        if "bias" in parameters:
            y += self.input_bias(parameters)
        return y

    def input_bias(self, parameters: Parameters) -> Array:
        """Return the part of the bias that is added to the product with the input."""
        return parameters["bias"]

    def initial_states(self, projected: Array) -> States:
        """Return the states before the first step: zeros.

        Args:
            projected: What `project` returns, at one step.
        """
        shape = (*projected.shape[:-1], self.units)
        return tuple(np.zeros(shape, projected.dtype) for _ in range(self.state_count))

    def recur(self, kernel: Array, state: Array) -> Array:
        """Multiply a state by a recurrent kernel, or a part of one: (n, units) -> (n, gates · units)."""
        return state @ kernel

    def split(self, gates: Array) -> Array:
        """Return gates that stand side by side as an axis: (n, gates · units) -> (n, gates, units)."""
        return gates.reshape(*gates.shape[:-1], -1, self.units)

    def step(self, parameters: Parameters, projected: Array, states: States) -> tuple[Array, States]:
        """Compute one step.

        Args:
            parameters: The arrays of the cell.
            projected: What `project` returns, at this step.
            states: The states after the step before.

        Returns:
            The output and the new states.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class SimpleRNNCell(Cell, Penalized):
    """Fully connected recurrent cell: h' = activation(x · kernel + bias + h · recurrent_kernel).

    Elman, "Finding structure in time" (Cognitive Science, 1990).

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
    """

    units: int
    activation: str | Layer = "tanh"
    use_bias: bool = True

    def __post_init__(self) -> None:
        check_int(self, "units")
        check_bool(self, "use_bias")
        check_activation(self)
        self.check_penalties()

    def step(self, parameters: Parameters, projected: Array, states: States) -> tuple[Array, States]:
        z = projected + self.recur(parameters["recurrent_kernel"], states[0])
        h = activate(self.activation, z)
        return h, (h,)


class LongShortTermMemory(Cell):
    """The step of cells with long short-term memory, whose gates are i, f, g and o.

    c' = f · c + i · g, h' = o · activation(c')

    Hochreiter and Schmidhuber (Neural Computation, 1997), with the forget gate f of Gers, Schmidhuber and
    Cummins (2000).
    """

    gates = 4
    state_count = 2
    recurrent_activation: str | Layer

    def step(self, parameters: Parameters, projected: Array, states: States) -> tuple[Array, States]:
        h, c = states
        _, i_f, g, o = self.compute_gates(parameters, projected, h)
        c = i_f[..., 1, :] * c + i_f[..., 0, :] * g
        h = o * activate(self.activation, c)
        return h, (h, c)

    def compute_gates(self, parameters: Parameters, projected: Array, h: Array) -> tuple[Array, ...]:
        """Return z, the gates before activation (n, 4, units), then i with f (n, 2, units), g, and o."""
        z = self.split(projected + self.recur(parameters["recurrent_kernel"], h))
        i_f = activate(self.recurrent_activation, z[..., :2, :])
        g = activate(self.activation, z[..., 2, :])
        return z, i_f, g, activate(self.recurrent_activation, z[..., 3, :])


@dataclass(frozen=True)
class LSTMCell(LongShortTermMemory, Penalized):
    """Cell with long short-term memory: see `LongShortTermMemory` for what it computes.

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        recurrent_activation: The same, for the gates i, f and o.
        use_bias: Whether to add a bias.
    """

    units: int
    activation: str | Layer = "tanh"
    recurrent_activation: str | Layer = "sigmoid"
    use_bias: bool = True

    def __post_init__(self) -> None:
        check_int(self, "units")
        check_bool(self, "use_bias")
        check_activation(self, "activation", "recurrent_activation")
        self.check_penalties()


@dataclass(frozen=True)
class GRUCell(Cell, Penalized):
    """Gated recurrent unit, with the gates z and r: h' = z · h + (1 − z) · activation(g).

    Cho et al., "Learning phrase representations using RNN encoder–decoder" (EMNLP 2014).

    Attributes:
        units: Number of outputs.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        recurrent_activation: The same, for the gates z and r.
        use_bias: Whether to add a bias.
        reset_after: Whether r is applied after the product of the state with the recurrent kernel. The
            bias then has two rows: one for the input, one for the state.
    """

    units: int
    activation: str | Layer = "tanh"
    recurrent_activation: str | Layer = "sigmoid"
    use_bias: bool = True
    reset_after: bool = True
    gates: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_int(self, "units")
        check_bool(self, "use_bias", "reset_after")
        check_activation(self, "activation", "recurrent_activation")
        self.check_penalties()

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        parameters = super().parameters(*inputs)
        if self.use_bias and self.reset_after:
            parameters["bias"] = Parameter((2, 3 * self.units), "zeros")
        return parameters

    def input_bias(self, parameters: Parameters) -> Array:
        return parameters["bias"][0] if self.reset_after else parameters["bias"]

    def recur_gates(self, parameters: Parameters, h: Array) -> Array:
        """Return what the gates take from the state: (n, 3, units), or z and r alone, (n, 2, units)."""
        kernel = parameters["recurrent_kernel"]
        if not self.reset_after:
            return self.split(self.recur(kernel[:, : 2 * self.units], h))
        product = self.recur(kernel, h)
        return self.split(product + parameters["bias"][1] if "bias" in parameters else product)

    def candidate_kernel(self, parameters: Parameters) -> Array:
        """Return the part of the recurrent kernel that belongs to g."""
        return parameters["recurrent_kernel"][:, 2 * self.units :]

    def step(self, parameters: Parameters, projected: Array, states: States) -> tuple[Array, States]:
        (h,) = states
        x, inner = self.split(projected), self.recur_gates(parameters, h)
        z_r = activate(self.recurrent_activation, x[:, :2] + inner[:, :2])
        z, r = z_r[:, 0], z_r[:, 1]
        from_state = r * inner[:, 2] if self.reset_after else (r * h) @ self.candidate_kernel(parameters)
        g = activate(self.activation, x[:, 2] + from_state)
        h = z * h + (1 - z) * g
        return h, (h,)
