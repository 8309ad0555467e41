"""The operators for each layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...layers import OPERATIONS, Arithmetic, Layer
from . import convolutions, elementwise, normalizing, sequences, shaping
from .building import Builder, NotExpressibleError, Tensor
from .convolutions import Use

Adding = Callable[[Builder, Use, Sequence[Tensor]], Tensor]
LAYERS: dict[str, Adding] = {
    **convolutions.OPERATORS,
    **elementwise.OPERATORS,
    **shaping.OPERATORS,
    **normalizing.OPERATORS,
    **sequences.OPERATORS,
}
#: Operations have the names of Keras's, such as "Mean" for a reduction, so their classes tell.
OF_OPERATIONS: dict[str, Adding] = {
    "Arithmetic": elementwise.add_arithmetic,
    "Where": elementwise.add_where,
    "Cast": elementwise.add_cast,
    **shaping.OPERATIONS,
    **normalizing.OPERATIONS,
}


def add_time_distributed(builder: Builder, use: Use, inputs: Sequence[Tensor]) -> Tensor:
    """Compute the frames of all examples as one batch: (n, frames, …) -> (n · frames, …), and back."""
    add = find_operator(use.layer.layer)
    if add is None:
        raise NotExpressibleError(f"{use.layer.layer.kind} of frames")
    frames = []
    for x in (builder.last(x) for x in inputs):
        if None in x.shape[1:]:
            raise NotExpressibleError(f"frames of unknown size, an input of shape {x.shape}")
        shape = builder.integers([-1, *(size or 0 for size in x.shape[1:])])
        frames.append(Tensor(builder.add("Reshape", [x.name, shape], f"{use.name}/frames"), x.shape[1:]))
    inner_shape = use.output_shape[1:]
    within = Use(f"{use.name}/of_frame", use.owner, use.layer.layer, use.parameters, inner_shape)
    y = builder.last(add(builder, within, frames))
    first = builder.last(inputs[0])
    whole = builder.add("Shape", [first.name], f"{use.name}/shape")
    leading = shaping.slice_axes(builder, whole, f"{use.name}/leading", [0], [0], [2])
    sizes = builder.integers([size or 0 for size in inner_shape])
    shape = builder.add("Concat", [leading, sizes], f"{use.name}/sizes", axis=0)
    return Tensor(builder.add("Reshape", [y.name, shape], use.name), use.output_shape)


LAYERS["TimeDistributed"] = add_time_distributed


def find_operator(layer: Layer) -> Adding | None:
    """Return what adds the operators of a layer; None if there are none."""
    name = type(layer).__name__
    if isinstance(layer, Arithmetic) or name in OPERATIONS:
        return OF_OPERATIONS.get(name)
    return LAYERS.get(layer.kind)
