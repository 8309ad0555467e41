"""Bidirectional recurrent layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from ...kernels import Array
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..costs import elementwise_cost, known
from ..validation import check_choice, store_setting
from ..wrapping import add_prefix, check_layer, select_prefix, wrapped_group
from .recurrent import Recurrent


@dataclass(frozen=True)
class Bidirectional(Layer):
    """A recurrent layer, run along a sequence both ways, with parameters of their own for each way.

    The outputs of the backward layer are reversed, so that those of one step meet, and merged.

    Schuster and Paliwal, "Bidirectional recurrent neural networks" (1997).

    Attributes:
        layer: The recurrent layer that runs forward.
        merge_mode: How the outputs are merged: "concat" along the last axis, "sum", "mul", or "ave".
        backward_layer: The layer that runs backward. None is one with the settings of `layer`.
    """

    layer: Recurrent
    merge_mode: Literal["concat", "sum", "mul", "ave"] = "concat"
    backward_layer: Recurrent | None = None
    wraps: ClassVar[tuple[str, ...]] = ("layer", "backward_layer")
    takes_mask: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_layer(self, "layer", Recurrent)
        if self.backward_layer is None:
            backward: Any = replace(self.layer, go_backwards=not self.layer.go_backwards)  # type: ignore[type-var]
            store_setting(self, "backward_layer", backward)
        check_layer(self, "backward_layer", Recurrent)
        forward_layer, backward_layer = self.both_layers.values()
        if forward_layer.return_sequences != backward_layer.return_sequences:
            raise ValueError("layer and backward_layer must have the same return_sequences")
        if forward_layer.go_backwards == backward_layer.go_backwards:
            raise ValueError("layer and backward_layer must differ in go_backwards")
        if self.merge_mode is None:
            raise ValueError(
                "its merge_mode is None, which gives two outputs; supported are concat, sum, mul and ave"
            )
        check_choice(self, "merge_mode", ("concat", "sum", "mul", "ave"))

    @property
    def return_sequences(self) -> bool:
        """Whether the outputs of all steps are returned."""
        return self.layer.return_sequences

    @property
    def both_layers(self) -> dict[str, Recurrent]:
        """The two layers, by the prefix of their parameters."""
        assert self.backward_layer is not None
        return {"forward_layer": self.layer, "backward_layer": self.backward_layer}

    def accepts(self, count: int) -> bool:
        return count in (1, 2)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        parameters: dict[str, Parameter] = {}
        for prefix, layer in self.both_layers.items():
            parameters |= add_prefix(prefix, layer.parameters(*inputs))
        return parameters

    def variable_group(self, parameter: str) -> str:
        prefix = parameter.partition("/")[0]
        return wrapped_group(prefix, self.both_layers[prefix], parameter)

    def output_shape(self, *inputs: Shape) -> Shape:
        forward, backward = (layer.output_shape(*inputs) for layer in self.both_layers.values())
        if self.merge_mode == "concat":
            return (*forward[:-1], (forward[-1] or 0) + (backward[-1] or 0))
        if forward != backward:
            raise ValueError(f"cannot merge outputs of shapes {forward} and {backward} by {self.merge_mode}")
        return forward

    def cost(self, *inputs: Sizes) -> Cost:
        forward, backward = (layer.cost(*inputs) for layer in self.both_layers.values())
        return forward + backward + elementwise_cost(known(self.output_shape(*inputs)), 1)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        forward, backward = self.both_outputs(parameters, *inputs)
        if self.merge_mode == "concat":
            return np.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "mul":
            return forward * backward
        total = forward + backward
        return total / 2 if self.merge_mode == "ave" else total

    def both_outputs(self, parameters: Parameters, *inputs: Array) -> tuple[Array, Array]:
        """Return the outputs of the two layers, those of the backward layer reversed.

        Args:
            parameters: The arrays of this layer.
            *inputs: The sequence, and a mask or not.
        """
        forward, backward = (
            layer.run(select_prefix(prefix, parameters), inputs, zero=self.return_sequences)
            for prefix, layer in self.both_layers.items()
        )
        return forward, self.reverse(backward)

    def reverse(self, y: Array) -> Array:
        """Reverse the steps of an output of the backward layer."""
        return y[:, ::-1] if self.layer.return_sequences else y
