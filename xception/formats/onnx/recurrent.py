"""Recurrent layers as operators of ONNX.

ONNX's take sequences as (steps, n, c), and their gates in other orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...kernels import Array
from ...layers import LeakyReLU, Parameters, Shape
from ...layers.wrapping import select_prefix
from .building import Builder, NotExpressibleError, Tensor
from .convolutions import Use
from .shaping import MAX_INDEX, slice_axes

Operands = Sequence[Tensor]
#: Activations that the operators know, with their settings.
ACTIVATIONS: dict[str, tuple[str, float, float]] = {
    "tanh": ("Tanh", 0, 0),
    "sigmoid": ("Sigmoid", 0, 0),
    "relu": ("Relu", 0, 0),
    "linear": ("Affine", 1, 0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "hard_sigmoid_keras2": ("HardSigmoid", 0.2, 0.5),
    "softsign": ("Softsign", 0, 0),
    "softplus": ("Softplus", 0, 0),
    "elu": ("Elu", 1, 0),
    "leaky_relu": ("LeakyRelu", 0.2, 0),
}
#: The operator of each cell, and Keras's number of each of its gates in ONNX's order.
OPERATORS_OF_CELLS: dict[str, tuple[str, tuple[int, ...]]] = {
    "SimpleRNNCell": ("RNN", (0,)),
    "LSTMCell": ("LSTM", (0, 3, 1, 2)),  # i, f, g, o -> i, o, f, g
    "GRUCell": ("GRU", (0, 1, 2)),
}


def add_recurrent(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    if len(inputs) > 1:
        raise NotExpressibleError("a mask")
    layer = use.layer
    parameters = layer.cell_parameters(use.parameters)
    y = add_layer(builder, layer, parameters, builder.last(inputs[0]), use.name)
    return Tensor(y, use.output_shape)


def add_bidirectional(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Both layers by themselves. The outputs of the backward one are turned around."""
    if len(inputs) > 1:
        raise NotExpressibleError("a mask")
    layer, x = use.layer, builder.last(inputs[0])
    outputs = []
    for prefix, part in layer.both_layers.items():
        parameters = part.cell_parameters(select_prefix(prefix, use.parameters))
        outputs.append(add_layer(builder, part, parameters, x, f"{use.name}/{prefix}"))
    if layer.return_sequences:
        outputs[1] = _reversed(builder, outputs[1], f"{use.name}/aligned")
    if layer.merge_mode == "concat":
        return Tensor(builder.add("Concat", outputs, use.name, axis=-1), use.output_shape)
    if layer.merge_mode == "mul":
        return Tensor(builder.add("Mul", outputs, use.name), use.output_shape)
    y = builder.add("Add", outputs, use.name)
    if layer.merge_mode == "ave":
        y = builder.add("Mul", [y, builder.number(0.5)], use.name)
    return Tensor(y, use.output_shape)


def _reversed(builder: Builder, x: str, name: str) -> str:
    return slice_axes(builder, x, name, [1], [MAX_INDEX], [-MAX_INDEX], [-1])


def add_layer(builder: Builder, layer: Any, parameters: Parameters, x: Tensor, name: str) -> str:
    """Add a recurrent layer; return the name of its output.

    Args:
        builder: What is built.
        layer: The layer.
        parameters: The arrays of its cell.
        x: The sequence (n, steps, c).
        name: The stem of the name.
    """
    source, shape = x.name, x.shape
    if len(shape) != 2:
        raise NotExpressibleError(f"an input of shape {shape}")
    if layer.go_backwards:
        source = _reversed(builder, source, f"{name}/reversed")
    steps_first = builder.add("Transpose", [source], f"{name}/steps", perm=[1, 0, 2])
    cells = [(layer.cell, parameters)]
    if layer.cell.kind == "StackedRNNCells":
        stacked = zip(layer.cell.prefixes, layer.cell.cells, strict=True)
        cells = [(cell, select_prefix(prefix, parameters)) for prefix, cell in stacked]
    for number, (cell, arrays) in enumerate(cells):
        is_last = number == len(cells) - 1
        stem = f"{name}/cell{number}"
        steps_first = _add_cell(builder, cell, arrays, steps_first, shape, stem, all_steps=not is_last or (
            layer.return_sequences
        ))  # fmt: skip
        shape = (shape[0], cell.units)
    if layer.return_sequences:
        return builder.add("Transpose", [steps_first], name, perm=[1, 0, 2])
    return steps_first


def _add_cell(
    builder: Builder, cell: Any, parameters: Parameters, x: str, shape: Shape, name: str, all_steps: bool
) -> str:
    """Add a cell, run along (steps, n, c); return (steps, n, units), or (n, units) of the last step."""
    if cell.kind not in OPERATORS_OF_CELLS:
        raise NotExpressibleError(f"the cell {cell.kind}")
    operator, order = OPERATORS_OF_CELLS[cell.kind]
    units = cell.units
    operands = [x]
    operands += [
        builder.constant(f"{name}/{key}", _gates(parameters[key], order, units)[None])
        for key in ("kernel", "recurrent_kernel")
    ]
    if "bias" in parameters:
        bias = _bias(parameters["bias"], order, units)
        operands.append(builder.constant(f"{name}/bias", bias[None]))
    attributes: dict[str, Any] = {"hidden_size": units, **_activations(cell)}
    if cell.kind == "GRUCell":
        attributes["linear_before_reset"] = int(cell.reset_after)
    if all_steps:
        whole = builder.add(operator, operands, f"{name}/all", **attributes)  # (steps, 1, n, units)
        return builder.add("Squeeze", [whole, builder.integers([1])], name)
    last = builder.add_second(operator, operands, f"{name}/last", **attributes)  # (1, n, units)
    return builder.add("Squeeze", [last, builder.integers([0])], name)


def _gates(kernel: Array, order: tuple[int, ...], units: int) -> Array:
    """Return a kernel (c, gates · units) as ONNX has it, (gates · units, c)."""
    gates = kernel.reshape(len(kernel), -1, units)[:, list(order)]
    return gates.reshape(len(kernel), -1).T


def _bias(bias: Array, order: tuple[int, ...], units: int) -> Array:
    """Return a bias as ONNX has it: that of the input, then that of the state."""
    rows = bias.reshape(-1, bias.shape[-1])
    turned = [row.reshape(-1, units)[list(order)].ravel() for row in rows]
    if len(turned) == 1:
        turned.append(np.zeros_like(turned[0]))
    return np.concatenate(turned)


def _activations(cell: Any) -> dict[str, Any]:
    """Return the attributes of a cell's activations."""
    own = _activation(cell.activation)
    if cell.kind == "SimpleRNNCell":
        chosen = [own]
    else:
        gate = _activation(cell.recurrent_activation)
        chosen = [gate, own] if cell.kind == "GRUCell" else [gate, own, own]
    return {
        "activations": [name for name, _, _ in chosen],
        "activation_alpha": [float(alpha) for _, alpha, _ in chosen],
        "activation_beta": [float(beta) for _, _, beta in chosen],
    }


def _activation(value: Any) -> tuple[str, float, float]:
    if isinstance(value, LeakyReLU):
        return "LeakyRelu", value.negative_slope, 0
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise NotExpressibleError(f"the activation {value!r} of a recurrent layer")
    return ACTIVATIONS[value]
