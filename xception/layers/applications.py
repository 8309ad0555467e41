"""Layers that Keras's published models define for themselves: ConvNeXt and Inception-ResNet v2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels import Array
from .base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from .core import Identity
from .costs import OPERATIONS_PER_ELEMENT, elementwise_cost
from .shapes import broadcast_shapes, channel_count
from .validation import check_int, check_number


@dataclass(frozen=True)
class LayerScale(Layer):
    """Multiplication by a number for each channel, in ConvNeXt. The shape does not change.

    The parameter is `gamma` (projection_dim,).

    Touvron et al., "Going deeper with image transformers" (ICCV 2021).

    Attributes:
        init_values: Initial value of `gamma`.
        projection_dim: Number of channels.
    """

    init_values: float
    projection_dim: int

    def __post_init__(self) -> None:
        check_number(self, "init_values")
        check_int(self, "projection_dim")

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        if channel_count(inputs[0]) != self.projection_dim:
            raise ValueError(f"takes {self.projection_dim} channels, got an input of shape {inputs[0]}")
        return {"gamma": Parameter((self.projection_dim,), self.init_values)}

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0] * parameters["gamma"]


@dataclass(frozen=True)
class StochasticDepth(Identity):
    """Dropping of whole residual branches in ConvNeXt, during training only. The shape does not change.

    Huang et al., "Deep networks with stochastic depth" (ECCV 2016).

    Attributes:
        drop_path_rate: Fraction of examples whose branch training drops, from 0 to 1.
    """

    drop_path_rate: float

    def __post_init__(self) -> None:
        check_number(self, "drop_path_rate", minimum=0, maximum=1)


@dataclass(frozen=True)
class CustomScaleLayer(Layer):
    """Scaled residual sum in Inception-ResNet v2, of the inputs x and r: x + scale · r.

    Szegedy et al., "Inception-v4, Inception-ResNet and the impact of residual connections on learning"
    (AAAI 2017), section 3.3.

    Attributes:
        scale: Factor of the second input.
    """

    scale: float
    arity: ClassVar[int | None] = 2

    def __post_init__(self) -> None:
        check_number(self, "scale")

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = broadcast_shapes(*inputs)
        if shape is None or len(inputs[0]) != len(inputs[1]):
            raise ValueError(f"inputs must have compatible shapes, got {inputs[0]} and {inputs[1]}")
        return shape

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(self.output_shape(*inputs), 1, 2 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0] + inputs[1] * self.scale
