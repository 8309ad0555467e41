"""Masks that Keras 2 passes on from layer to layer. Its configs name only the first reader of a mask.

A recurrent layer that is called with a mask hands it to the layers that read its sequence, and so on. In
configs of Keras 3, every reader of a mask names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ...graph import Network
from ...layers import Layer
from .config_calls import Reference

#: Layers that compute each step on its own, and pass the mask of their input on.
TRANSPARENT = frozenset(
    {"Activation", "BatchNormalization", "Dense", "Dropout", "ELU", "Identity", "LayerNormalization",
     "LeakyReLU", "PReLU", "ReLU", "Rescaling", "Softmax", "UnitNormalization"}
)  # fmt: skip


class ReadLayer(Protocol):
    """A layer, and the tensors that each of its uses reads."""

    layer: Layer | Network
    uses: list[list[Reference]]


def pass_on_masks(layers: Iterable[tuple[str, ReadLayer]], refuse: Callable[[str, str], Exception]) -> None:
    """Add the masks that readers do not name to the tensors that they read.

    Args:
        layers: The layers of a functional model by name, in the order of the file.
        refuse: Returns the error for a layer's name and a reason.
    """
    masks: dict[Reference, Reference] = {}
    for name, read in layers:
        for number, tensors in enumerate(read.uses):
            own = next((masks[tensor] for tensor in tensors if tensor in masks), None)
            output = Reference((name, number, 0))
            if isinstance(read.layer, Layer) and read.layer.takes_mask:
                if own is not None and len(tensors) == 1:
                    tensors.append(own)
                if len(tensors) == 2 and getattr(read.layer, "return_sequences", False):
                    masks[output] = tensors[1]
            elif own is not None and isinstance(read.layer, Layer) and read.layer.kind in TRANSPARENT:
                masks[output] = own
            elif own is not None:
                raise refuse(name, "reads a sequence that has a mask, which is supported in recurrent layers")
