"""Gradient rules of layers that are applied to every frame of a sequence."""

from __future__ import annotations

from ..kernels import Array
from ..layers import Parameters, TimeDistributed
from ..layers.sequences.time_distributed import fold_frames
from .rules import backward, parameter_gradients


@backward.register
def backward_time_distributed(
    layer: TimeDistributed, parameters: Parameters, dy: Array, *inputs: Array
) -> Array | tuple[Array, ...]:
    """(n, frames, …) -> (n, frames, …)"""
    dx = backward(layer.layer, parameters, fold_frames(dy), *map(fold_frames, inputs))
    if isinstance(dx, tuple):
        return tuple(part.reshape(x.shape) for part, x in zip(dx, inputs, strict=True))
    return dx.reshape(inputs[0].shape)


@parameter_gradients.register
def time_distributed_parameter_gradients(
    layer: TimeDistributed, parameters: Parameters, dy: Array, *inputs: Array
) -> dict[str, Array]:
    return parameter_gradients(layer.layer, parameters, fold_frames(dy), *map(fold_frames, inputs))
