"""Batch normalization, and what other normalization has in common with it. Channels come last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..kernels import Array
from .base import Cost, Parameter, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_ELEMENT, elementwise_cost
from .penalized import Penalized
from .shapes import check_channel_axis
from .validation import check_bool, check_last_axis, check_number


@dataclass(frozen=True)
class BatchNormalization(Penalized):
    """Batch normalization by the moving statistics of each channel. The shape does not change.

    y = gamma · (x − moving_mean) / √(moving_variance + epsilon) + beta

    The parameters are `gamma`, `beta`, `moving_mean` and `moving_variance`, each (c,).

    Ioffe and Szegedy, "Batch normalization: Accelerating deep network training by reducing internal
    covariate shift" (ICML 2015), algorithm 2.

    Attributes:
        epsilon: Added to the variance, at least 0. Keras's default is 1e-3.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        axis: The channels' axis, which must be the last.
        momentum: Weight from 0 to 1 of the former statistics where training moves them:
            moving = momentum · moving + (1 − momentum) · batch. Only training reads it, so that layers which
            differ in nothing else are equal.
    """

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    axis: int = -1
    momentum: float = field(default=0.99, kw_only=True, compare=False, repr=False)
    penalized: ClassVar[tuple[str, ...]] = ("beta", "gamma")

    def __post_init__(self) -> None:
        check_normalization(self)
        check_number(self, "momentum", minimum=0, maximum=1)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        c = check_channel_axis(self.axis, inputs[0])
        return gamma_and_beta(c, self.scale, self.center) | {
            "moving_mean": Parameter((c,), "zeros", trainable=False),
            "moving_variance": Parameter((c,), "ones", trainable=False),
        }

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 1, 2 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        scale, offset = self.scale_and_offset(parameters)  # (c,)
        return inputs[0] * scale + offset

    def scale_and_offset(self, parameters: Parameters) -> tuple[Array, Array]:
        """Return (scale, offset), each (c,), such that the layer computes x · scale + offset.

        Args:
            parameters: The arrays of the layer. The result has their floating-point type.
        """
        scale = 1 / np.sqrt(parameters["moving_variance"] + self.epsilon)
        if self.scale:
            scale = scale * parameters["gamma"]
        offset = -parameters["moving_mean"] * scale
        return scale, offset + parameters["beta"] if self.center else offset


def check_normalization(layer: Penalized) -> None:
    """Check the settings of normalization with parameters for each channel."""
    check_number(layer, "epsilon", minimum=0)
    check_bool(layer, "center", "scale")
    check_last_axis(layer)
    layer.check_penalties()


def gamma_and_beta(c: int, scale: bool, center: bool) -> dict[str, Parameter]:
    """Return the specifications of the parameters `gamma` and `beta`, each (c,).

    Args:
        c: Number of channels.
        scale: Whether there is a `gamma`.
        center: Whether there is a `beta`.
    """
    gamma = {"gamma": Parameter((c,), "ones")} if scale else {}
    beta = {"beta": Parameter((c,), "zeros")} if center else {}
    return gamma | beta
