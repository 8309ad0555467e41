"""Gradient rules of recurrent layers: backpropagation through time.

The steps are computed once more, and the states before each are kept. Then the gradient goes back from the
last step to the first, and what reaches the gates is multiplied by the kernel of all steps at once.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from ..kernels import Array
from ..layers import Bidirectional, GRUCell, Parameters, SimpleRNNCell, StackedRNNCells
from ..layers.activations import activate
from ..layers.sequences.cells import Cell, LongShortTermMemory, States
from ..layers.sequences.recurrent import Recurrent, select
from ..layers.sequences.stacked_cells import cell_arrays
from ..layers.wrapping import select_prefix
from .activations import backward_activation
from .rules import backward, matmul_last_axis


@backward.register
def backward_recurrent(
    layer: Recurrent, parameters: Parameters, dy: Array, *inputs: Array
) -> Array | tuple[Array, ...]:
    """(n, units) or (n, steps, units) -> (n, steps, c)"""
    return _with_mask(_backward_through_time(layer, parameters, dy, inputs, zero=False), inputs)


@backward.register
def backward_bidirectional(
    layer: Bidirectional, parameters: Parameters, dy: Array, *inputs: Array
) -> Array | tuple[Array, ...]:
    outputs = layer.both_outputs(parameters, *inputs)
    if layer.merge_mode == "concat":
        both_dy = np.split(dy, [outputs[0].shape[-1]], axis=-1)
    elif layer.merge_mode == "mul":
        both_dy = [dy * outputs[1], dy * outputs[0]]
    else:
        both_dy = [dy / 2 if layer.merge_mode == "ave" else dy] * 2
    both_dy[1] = layer.reverse(both_dy[1])
    forward, backward = (
        _backward_through_time(
            inner, select_prefix(prefix, parameters), inner_dy, inputs, layer.return_sequences
        )
        for (prefix, inner), inner_dy in zip(layer.both_layers.items(), both_dy, strict=True)
    )
    return _with_mask(forward + backward, inputs)


def _with_mask(dx: Array, inputs: tuple[Array, ...]) -> Array | tuple[Array, ...]:
    """Return the gradients of all inputs. Nothing changes with a small change of a mask."""
    return dx if len(inputs) == 1 else (dx, np.zeros(inputs[1].shape, dx.dtype))


def _backward_through_time(
    layer: Recurrent, parameters: Parameters, dy: Array, inputs: tuple[Array, ...], zero: bool
) -> Array:
    x, mask = (*inputs, None)[:2]
    assert x is not None
    cell, parameters = layer.cell, layer.cell_parameters(parameters)
    projected = cell.project(parameters, x)
    history = [(step, states) for step, _, states in layer.walk(parameters, projected, mask, zero)]
    d_projected = np.empty_like(projected)
    d_states: Any = _zeros_like(history[0][1])
    d_output = np.zeros_like(dy[:, 0] if layer.return_sequences else dy)
    for position, (step, states) in reversed(list(enumerate(history))):
        if layer.return_sequences:
            d_output = d_output + dy[:, position]
        elif position == len(history) - 1:
            d_output = dy
        skipped: tuple[Any, Any] = (np.zeros_like(d_output), _zeros_like(d_states))
        d_new = (d_output, d_states)
        if mask is not None:  # what a skipped step returns comes from the step before
            keep = mask[:, step] != 0
            d_new, skipped = select(keep, d_new, skipped), select(keep, skipped, d_new)
        d_projected[:, step], d_states = backward_step(cell, parameters, projected[:, step], states, *d_new)
        d_states = _add(d_states, skipped[1])
        d_output = np.zeros_like(d_output) if zero else skipped[0]
    return backward_project(cell, parameters, d_projected, x)


def _zeros_like(states: Any) -> Any:
    return tuple(map(_zeros_like, states)) if isinstance(states, tuple) else np.zeros_like(states)


def _add(a: Any, b: Any) -> Any:
    return tuple(map(_add, a, b)) if isinstance(a, tuple) else a + b


# --- one step of each cell ------------------------------------------------------------------


def backward_project(cell: Cell, parameters: Parameters, dy: Array, x: Array) -> Array:
    """Propagate dL/dy through `cell.project`: (n, …, gates · units) -> (n, …, c).

    Args:
        cell: The cell.
        parameters: Its arrays.
        dy: dL/dy for y = cell.project(parameters, x).
        x: The input of the cell.
    """
    if isinstance(cell, StackedRNNCells):
        parameters = cell_arrays(cell.prefixes[0], parameters)
    return matmul_last_axis(dy, parameters["kernel"].T)


@singledispatch
def backward_step(
    cell: Cell, parameters: Parameters, projected: Array, states: States, d_output: Array, d_states: States
) -> tuple[Array, States]:
    """Propagate gradients through one step of a cell.

    Args:
        cell: The cell; its class selects the rule.
        parameters: Its arrays.
        projected: What the gates take from the input, (n, gates · units).
        states: The states before the step.
        d_output: Gradient of the step's output, (n, units).
        d_states: Gradients of the states after the step.

    Returns:
        The gradients of `projected` and of `states`.
    """
    raise NotImplementedError


@backward_step.register
def _simple(
    cell: SimpleRNNCell, parameters: Parameters, projected: Array, states: States, d_output: Array,
    d_states: States,
) -> tuple[Array, States]:  # fmt: skip
    kernel = parameters["recurrent_kernel"]
    z = projected + cell.recur(kernel, states[0])
    dz = backward_activation(cell.activation, d_output + d_states[0], z)
    return dz, (dz @ kernel.T,)


@backward_step.register
def _long_short_term_memory(
    cell: LongShortTermMemory, parameters: Parameters, projected: Array, states: States, d_output: Array,
    d_states: States,
) -> tuple[Array, States]:  # fmt: skip
    h, c = states
    kernel = parameters["recurrent_kernel"]
    z, i_f, g, o = cell.compute_gates(parameters, projected, h)
    i, f = i_f[..., 0, :], i_f[..., 1, :]
    new_c = f * c + i * g
    dh = d_output + d_states[0]
    do = dh * activate(cell.activation, new_c)
    dc = d_states[1] + backward_activation(cell.activation, dh * o, new_c)
    d_i_f = backward_activation(cell.recurrent_activation, np.stack([dc * g, dc * c], -2), z[..., :2, :])
    dg = backward_activation(cell.activation, dc * i, z[..., 2, :])
    do = backward_activation(cell.recurrent_activation, do, z[..., 3, :])
    dz = np.concatenate([d_i_f, dg[..., None, :], do[..., None, :]], axis=-2).reshape(projected.shape)
    return dz, (backward_recur(cell, dz, kernel), dc * f)


def backward_recur(cell: Cell, dy: Array, kernel: Array) -> Array:
    """Propagate dL/dy through `cell.recur`: (n, gates · units) -> (n, units)."""
    return dy @ kernel.T


@backward_step.register
def _gated_recurrent_unit(
    cell: GRUCell, parameters: Parameters, projected: Array, states: States, d_output: Array,
    d_states: States,
) -> tuple[Array, States]:  # fmt: skip
    (h,) = states
    kernel, candidate = parameters["recurrent_kernel"], cell.candidate_kernel(parameters)
    x, inner = cell.split(projected), cell.recur_gates(parameters, h)
    before_gates = x[:, :2] + inner[:, :2]
    z_r = activate(cell.recurrent_activation, before_gates)
    z, r = z_r[:, 0], z_r[:, 1]
    before_g = x[:, 2] + (r * inner[:, 2] if cell.reset_after else (r * h) @ candidate)
    g = activate(cell.activation, before_g)
    dh = d_output + d_states[0]
    dg = backward_activation(cell.activation, dh * (1 - z), before_g)
    if cell.reset_after:
        dr = dg * inner[:, 2]
    else:
        d_reset = dg @ candidate.T  # of r · h
        dr = d_reset * h
    d_gates = backward_activation(cell.recurrent_activation, np.stack([dh * (h - g), dr], 1), before_gates)
    d_projected = np.concatenate([d_gates, dg[:, None]], axis=1).reshape(projected.shape)
    if cell.reset_after:
        d_inner = np.concatenate([d_gates, (dg * r)[:, None]], axis=1).reshape(projected.shape)
        return d_projected, (dh * z + d_inner @ kernel.T,)
    to_gates = kernel[:, : 2 * cell.units]
    return d_projected, (dh * z + d_reset * r + d_gates.reshape(len(h), -1) @ to_gates.T,)


@backward_step.register
def _stacked(
    cell: StackedRNNCells, parameters: Parameters, projected: Array, states: States, d_output: Array,
    d_states: States,
) -> tuple[Array, States]:  # fmt: skip
    read: list[tuple[Any, Parameters, Array, Array]] = []  # (cell, its arrays, its input, projected)
    x = projected
    for prefix, inner, before in zip(cell.prefixes, cell.cells, states, strict=True):
        own = cell_arrays(prefix, parameters)
        if read:
            projected = inner.project(own, x)
        read.append((inner, own, x, projected))
        x, _ = inner.step(own, projected, before)
    d_before: list[States] = []
    for (inner, own, x, projected), before, d_after in reversed(
        list(zip(read, states, d_states, strict=True))
    ):
        d_projected, d_own = backward_step(inner, own, projected, before, d_output, d_after)
        d_before.insert(0, d_own)
        if len(d_before) < len(read):
            d_output = backward_project(inner, own, d_projected, x)
    return d_projected, tuple(d_before)
