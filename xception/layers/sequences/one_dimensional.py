"""Layers for sequences (t, c), computed by the two-dimensional layers on maps of height 1."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from ...kernels import Array, Pair
from ..base import Cost, Layer, Parameter, Parameters, Shape, Sizes
from ..convolutional import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from ..costs import elementwise_cost, known
from ..penalized import Penalized
from ..pooling import AveragePooling2D, MaxPooling2D
from ..reshaping import Cropping2D, UpSampling2D, ZeroPadding2D
from ..shapes import as_sequence_shape
from ..validation import check_pair, check_single, store_setting

#: Values of settings for the single row of the map, other than 1.
VERTICAL = {"output_padding": 0}

CausalPadding = Literal["same", "valid", "causal"]


class Sequential1D(Layer):
    """Base class of layers for sequences, which a layer for maps of height 1 computes: (t, c) -> (t', c').

    Attributes:
        counterpart: The layer for maps, whose settings have the same names.
        along_time: The settings that are one integer for time, where the counterpart takes a pair.
    """

    counterpart: ClassVar[type[Layer]]
    along_time: ClassVar[tuple[str, ...]] = ("kernel_size", "strides", "dilation_rate")

    def __post_init__(self) -> None:
        for name in self.along_time:
            check_single(self, name, minimum=VERTICAL.get(name, 1), optional=name in VERTICAL)
        # The counterpart checks the other settings, and converts them to the form that is stored.
        for name in self._other_settings():
            if name != "padding":
                store_setting(self, name, getattr(self.counterpart_layer, name))

    @cached_property
    def counterpart_layer(self) -> Layer:
        """The layer for maps of height 1 that computes this one."""
        settings: dict[str, Any] = {name: getattr(self, name) for name in self._other_settings()}
        if self.causal:
            settings["padding"] = "valid"
        for name in self.along_time:
            value = getattr(self, name)
            settings[name] = None if value is None else (VERTICAL.get(name, 1), value)
        return self.counterpart(**settings)

    @property
    def causal(self) -> bool:
        """Whether no output depends on a later input."""
        return False

    @property
    def leading_zeros(self) -> int:
        """Number of zeros before the sequence."""
        return 0

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        parameters = self.counterpart_layer.parameters(self._map_shape(inputs[0]))
        return {
            name: replace(parameter, shape=parameter.shape[1:]) if _is_kernel(name) else parameter
            for name, parameter in parameters.items()
        }

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.counterpart_layer.output_shape(self._map_shape(inputs[0]))[1:]

    def cost(self, *inputs: Sizes) -> Cost:
        shape = known(self._map_shape(inputs[0]))
        cost = self.counterpart_layer.cost(shape)
        return cost + elementwise_cost(shape) if self.leading_zeros else cost

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return self.counterpart_layer.forward(self.as_kernels(parameters), self.as_map(inputs[0]))[:, 0]

    def as_map(self, x: Array) -> Array:
        """Return sequences (n, t, c) as maps (n, 1, leading zeros + t, c)."""
        if self.leading_zeros:
            x = np.pad(x, ((0, 0), (self.leading_zeros, 0), (0, 0)))
        return x[:, None]

    def as_kernels(self, parameters: Parameters) -> dict[str, Array]:
        """Return the counterpart's parameters: kernels (k, …) become (1, k, …)."""
        return {name: x[None] if _is_kernel(name) else x for name, x in parameters.items()}

    def _map_shape(self, shape: Shape) -> Shape:
        t, c = as_sequence_shape(shape)
        return 1, None if t is None else t + self.leading_zeros, c

    def _other_settings(self) -> list[str]:
        return [field.name for field in fields(self) if field.name not in self.along_time]  # type: ignore[arg-type]


def _is_kernel(name: str) -> bool:
    return name.endswith("kernel")


# --- convolution ----------------------------------------------------------------------------


class CausalConvolution(Sequential1D):
    """Base class of convolutions that may be causal."""

    kernel_size: int
    dilation_rate: int
    padding: CausalPadding

    @property
    def causal(self) -> bool:
        return self.padding == "causal"

    @property
    def leading_zeros(self) -> int:
        return (self.kernel_size - 1) * self.dilation_rate if self.causal else 0


@dataclass(frozen=True)
class Conv1D(CausalConvolution, Penalized):
    """One-dimensional convolution: (t, c_in) -> (ot, filters).

    The parameters are `kernel` (k, c_in / groups, filters) and `bias` (filters,).

    Attributes:
        filters: Number of output channels.
        kernel_size: Length of the window, in taps.
        strides: Step between windows.
        padding: "valid" or "same", as in `Conv2D`; or "causal", which puts all zeros before the
            sequence, so that no output depends on a later input.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: Step between taps.
        groups: Number of groups of filters. Each reads its own c_in / groups channels.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int
    strides: int = 1
    padding: CausalPadding = "valid"
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int = 1
    groups: int = 1
    data_format: Literal["channels_last"] | None = None
    counterpart: ClassVar[type[Layer]] = Conv2D


@dataclass(frozen=True)
class SeparableConv1D(CausalConvolution, Penalized):
    """Depthwise separable convolution of a sequence: (t, c) -> (ot, filters).

    The parameters are `depthwise_kernel` (k, c, depth_multiplier), `pointwise_kernel`
    (1, c · depth_multiplier, filters) and `bias` (filters,).

    Attributes:
        filters: Number of output channels.
        kernel_size: Length of the depthwise window, in taps.
        strides: Step between windows.
        padding: "valid", "same" or "causal", as in `Conv1D`.
        depth_multiplier: Depthwise outputs for each input channel.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias, after the convolution across channels.
        dilation_rate: Step between taps.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int
    strides: int = 1
    padding: CausalPadding = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int = 1
    data_format: Literal["channels_last"] | None = None
    counterpart: ClassVar[type[Layer]] = SeparableConv2D
    penalized: ClassVar[tuple[str, ...]] = ("depthwise", "pointwise", "bias")


@dataclass(frozen=True)
class DepthwiseConv1D(Sequential1D, Penalized):
    """Depthwise convolution of a sequence, within each channel: (t, c) -> (ot, c · depth_multiplier).

    The parameters are `kernel` (k, c, depth_multiplier) and `bias` (c · depth_multiplier,).

    Attributes:
        kernel_size: Length of the window, in taps.
        strides: Step between windows.
        padding: "valid" or "same", as in `Conv2D`.
        depth_multiplier: Outputs for each input channel.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: Step between taps.
        data_format: "channels_last", the only supported format.
    """

    kernel_size: int
    strides: int = 1
    padding: Literal["same", "valid"] = "valid"
    depth_multiplier: int = 1
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int = 1
    data_format: Literal["channels_last"] | None = None
    counterpart: ClassVar[type[Layer]] = DepthwiseConv2D
    penalized: ClassVar[tuple[str, ...]] = ("depthwise", "bias")


@dataclass(frozen=True)
class Conv1DTranspose(Sequential1D, Penalized):
    """Transposed convolution of a sequence: (t, c_in) -> (ot, filters). See `Conv2DTranspose`.

    The parameters are `kernel` (k, filters, c_in) and `bias` (filters,).

    Attributes:
        filters: Number of output channels.
        kernel_size: Length of the window, in taps.
        strides: Factor by which the sequence is lengthened.
        padding: "valid" or "same": the padding of the convolution that is transposed.
        output_padding: Steps added to the smallest output length, less than the strides. None
            chooses the length as `Conv2DTranspose` does.
        activation: A name in `ACTIVATIONS`, or an activation layer without parameters.
        use_bias: Whether to add a bias.
        dilation_rate: 1, the only supported rate.
        data_format: "channels_last", the only supported format.
    """

    filters: int
    kernel_size: int
    strides: int = 1
    padding: Literal["same", "valid"] = "valid"
    output_padding: int | None = None
    activation: str | Layer = "linear"
    use_bias: bool = True
    dilation_rate: int = 1
    data_format: Literal["channels_last"] | None = None
    along_time: ClassVar[tuple[str, ...]] = (*Sequential1D.along_time, "output_padding")
    counterpart: ClassVar[type[Layer]] = Conv2DTranspose


# --- pooling --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pooling1D(Sequential1D):
    """Base class of pooling over windows of a sequence: (t, c) -> (ot, c)."""

    pool_size: int = 2
    strides: int | None = None
    padding: Literal["same", "valid"] = "valid"
    data_format: Literal["channels_last"] | None = None
    along_time: ClassVar[tuple[str, ...]] = ("pool_size", "strides")

    def __post_init__(self) -> None:
        if self.strides is None:
            store_setting(self, "strides", self.pool_size)
        super().__post_init__()


@dataclass(frozen=True)
class MaxPooling1D(Pooling1D):
    """Maximum of each window: (t, c) -> (ot, c). Padding is excluded.

    Attributes:
        pool_size: Length of the window.
        strides: Step between windows. None stands for `pool_size`.
        padding: "valid" or "same", as in `Conv2D`.
        data_format: "channels_last", the only supported format.
    """

    counterpart: ClassVar[type[Layer]] = MaxPooling2D


@dataclass(frozen=True)
class AveragePooling1D(Pooling1D):
    """Mean of each window: (t, c) -> (ot, c). Padding is excluded from the mean, as in TensorFlow.

    Attributes:
        pool_size: Length of the window.
        strides: Step between windows. None stands for `pool_size`.
        padding: "valid" or "same", as in `Conv2D`.
        data_format: "channels_last", the only supported format.
    """

    counterpart: ClassVar[type[Layer]] = AveragePooling2D


# --- reshaping ------------------------------------------------------------------------------


class Border1D(Sequential1D):
    """Base class of layers that change both ends of a sequence: (t, c) -> (t', c)."""

    border: ClassVar[str]
    along_time: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_pair(self, self.border, minimum=0)

    @cached_property
    def counterpart_layer(self) -> Layer:
        return self.counterpart(**{self.border: ((0, 0), getattr(self, self.border))})


@dataclass(frozen=True)
class ZeroPadding1D(Border1D):
    """Padding with zeros: (t, c) -> (before + t + after, c).

    Attributes:
        padding: Number of zeros at each end: one integer, or (before, after).
    """

    padding: int | Pair = 1
    border: ClassVar[str] = "padding"
    counterpart: ClassVar[type[Layer]] = ZeroPadding2D


@dataclass(frozen=True)
class Cropping1D(Border1D):
    """Removal of both ends: (t, c) -> (t − before − after, c).

    Attributes:
        cropping: Number of steps removed at each end: one integer, or (before, after).
    """

    cropping: int | Pair = 1
    border: ClassVar[str] = "cropping"
    counterpart: ClassVar[type[Layer]] = Cropping2D


@dataclass(frozen=True)
class UpSampling1D(Sequential1D):
    """Repetition of each step: (t, c) -> (t · size, c).

    Attributes:
        size: Number of repetitions.
    """

    size: int = 2
    along_time: ClassVar[tuple[str, ...]] = ("size",)
    counterpart: ClassVar[type[Layer]] = UpSampling2D
