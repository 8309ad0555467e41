"""Layers for sequences as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .attention import add_attention, add_projected_attention
from .building import Builder, NotExpressibleError, Tensor
from .convolutions import OPERATORS as OPERATORS_OF_MAPS
from .convolutions import Use
from .recurrent import add_bidirectional, add_recurrent
from .shaping import OPERATORS as SHAPING

Operands = Sequence[Tensor]
#: Layers for maps of height 1 that compute those for sequences.
COUNTERPARTS = {**OPERATORS_OF_MAPS, **SHAPING}


def add_one_dimensional(builder: Builder, use: Use, inputs: Operands) -> Tensor:
    """Compute a layer for sequences as one for maps of height 1."""
    layer, x = use.layer, builder.last(inputs[0])
    counterpart = layer.counterpart_layer
    name, (length, channels) = x.name, x.shape
    if layer.leading_zeros:
        widths = builder.integers([0, layer.leading_zeros, 0, 0, 0, 0])
        name = builder.add("Pad", [name, widths, builder.number(0)], f"{use.name}/padded")
        length = None if length is None else length + layer.leading_zeros
    raised = builder.add("Unsqueeze", [name, builder.integers([1])], f"{use.name}/map")
    maps = Tensor(raised, (1, length, channels))
    within = Use(
        f"{use.name}/of_map", use.owner, counterpart, layer.as_kernels(use.parameters), (1, *use.output_shape)
    )  # fmt: skip
    add = COUNTERPARTS.get(counterpart.kind)
    if add is None:
        raise NotExpressibleError(f"its counterpart {counterpart.kind}")
    y = builder.last(add(builder, within, [maps]))
    return Tensor(builder.add("Squeeze", [y.name, builder.integers([1])], use.name), use.output_shape)


ONE_DIMENSIONAL = (
    "Conv1D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose", "MaxPooling1D", "AveragePooling1D",
    "ZeroPadding1D", "Cropping1D", "UpSampling1D",
)  # fmt: skip
OPERATORS: dict[str, Callable[[Builder, Use, Operands], Tensor]] = {
    **dict.fromkeys(ONE_DIMENSIONAL, add_one_dimensional),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "RNN"), add_recurrent),
    "Bidirectional": add_bidirectional,
    **dict.fromkeys(("Attention", "AdditiveAttention"), add_attention),
    **dict.fromkeys(("MultiHeadAttention", "GroupedQueryAttention"), add_projected_attention),
}
