"""The layer vocabulary: one small frozen dataclass for each Keras layer.

A layer holds its settings and nothing else. It says which parameters it needs for an input of
a given shape, what shape it gives back, and how to compute it, plainly, in any floating-point
type. Where it stands in a network, and where its parameters come from, is not its business.

Shapes are those of one example, without the batch axis: (h, w, c) for maps, (c,) for vectors.
`None` stands for a size that is left open until an image arrives. Arrays do have the batch
axis: (n, h, w, c), (n, c).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import kernels
from .kernels import Array, Pair

Shape = tuple[int | None, ...]
Parameters = Mapping[str, Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": kernels.relu,
    "softmax": kernels.softmax,
    "sigmoid": kernels.sigmoid,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Parameter:
    """What a layer asks for under one name: a shape, and how training would begin."""

    shape: tuple[int, ...]
    initializer: str = "glorot_uniform"  # or "zeros", "ones"
    trainable: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def initial_value(self, rng: np.random.Generator) -> Array:
        """A fresh float32 array, distributed as Keras's initialiser of the same name."""
        if self.initializer == "zeros":
            return np.zeros(self.shape, np.float32)
        if self.initializer == "ones":
            return np.ones(self.shape, np.float32)
        # Glorot and Bengio (2010). The last two axes are the channels in and out, any axes
        # before them the window: Keras counts fans so for depthwise kernels (kh, kw, c, 1) too.
        window = math.prod(self.shape[:-2])
        limit = math.sqrt(6 / (window * (self.shape[-2] + self.shape[-1])))
        value = rng.random(self.shape, np.float32)
        value *= 2 * limit
        value -= limit
        return value


class Layer:
    """What every layer answers. Sub-classes are frozen dataclasses of settings."""

    arity: ClassVar[int | None] = 1  #: how many inputs it takes; None: two or more

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        """The parameters it needs for these input shapes, in Keras's order."""
        return {}

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape it gives back. Raises ValueError where the inputs do not suit it."""
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        """The plain computation, on arrays with a batch axis, in the inputs' own type."""
        raise NotImplementedError


# --- where data enters ----------------------------------------------------------------------


@dataclass(frozen=True)
class Input(Layer):
    """One example's shape. An open axis (None) takes any size from `minimum` on."""

    shape: Shape
    minimum: int = 1
    arity: ClassVar[int | None] = 0

    def __post_init__(self) -> None:
        sizes = self.shape[:-1] or self.shape
        if not self.shape or any(size is not None and size < self.minimum for size in sizes):
            raise ValueError(f"the input must measure at least {self.minimum} each way, got {self.shape}")
        if self.shape[-1] is not None and self.shape[-1] < 1:
            raise ValueError(f"the input needs at least one channel, got {self.shape}")

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape


# --- convolution ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Conv2D(Layer):
    """kernel (kh, kw, c_in, filters), bias (filters,): (h, w, c_in) -> (oh, ow, filters)."""

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        _check_window(self, "kernel_size")
        _check_activation(self.activation)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((*pair(self.kernel_size), _channels(inputs[0]), self.filters))
        return {"kernel": kernel} | _bias(self.use_bias, self.filters)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(inputs[0], self.kernel_size, self.strides, self.padding), self.filters)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        y = kernels.conv2d(inputs[0], parameters["kernel"], pair(self.strides), self.padding)
        return _finish(y, parameters, self.activation)


@dataclass(frozen=True)
class SeparableConv2D(Layer):
    """A convolution within each channel, then a 1×1 convolution across them.

    depthwise_kernel (kh, kw, c, depth_multiplier), pointwise_kernel
    (1, 1, c·depth_multiplier, filters), bias (filters,): (h, w, c) -> (oh, ow, filters).
    """

    filters: int
    kernel_size: int | Pair
    strides: int | Pair = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        _check_window(self, "kernel_size")
        _check_activation(self.activation)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        channels = _channels(inputs[0])
        depthwise = Parameter((*pair(self.kernel_size), channels, self.depth_multiplier))
        pointwise = Parameter((1, 1, channels * self.depth_multiplier, self.filters))
        return {"depthwise_kernel": depthwise, "pointwise_kernel": pointwise} | _bias(
            self.use_bias, self.filters
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(inputs[0], self.kernel_size, self.strides, self.padding), self.filters)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        x = kernels.depthwise_conv2d(
            inputs[0], parameters["depthwise_kernel"], pair(self.strides), self.padding
        )  # (n, oh, ow, c·depth_multiplier)
        y = kernels.conv2d(x, parameters["pointwise_kernel"])  # (n, oh, ow, filters)
        return _finish(y, parameters, self.activation)


# --- normalisation and activation -----------------------------------------------------------


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """gamma · (x − moving_mean) / √(moving_variance + epsilon) + beta, along the last axis."""

    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        shape = (_channels(inputs[0]),)
        found = {}
        if self.scale:
            found["gamma"] = Parameter(shape, "ones")
        if self.center:
            found["beta"] = Parameter(shape, "zeros")
        found["moving_mean"] = Parameter(shape, "zeros", trainable=False)
        found["moving_variance"] = Parameter(shape, "ones", trainable=False)
        return found

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        factor = 1 / np.sqrt(parameters["moving_variance"] + self.epsilon)  # (c,)
        if self.scale:
            factor = factor * parameters["gamma"]
        offset = -parameters["moving_mean"] * factor  # (c,)
        if self.center:
            offset = offset + parameters["beta"]
        return inputs[0] * factor + offset


@dataclass(frozen=True)
class Activation(Layer):
    activation: str

    def __post_init__(self) -> None:
        _check_activation(self.activation)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return ACTIVATIONS[self.activation](inputs[0])


@dataclass(frozen=True)
class Dropout(Layer):
    """Drops nothing: at inference it is the identity."""

    rate: float = 0.5

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0]


# --- pooling --------------------------------------------------------------------------------


@dataclass(frozen=True)
class MaxPooling2D(Layer):
    """(h, w, c) -> (oh, ow, c). Strides are the pool's own size unless given."""

    pool_size: int | Pair = 2
    strides: int | Pair | None = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        if self.strides is None:
            object.__setattr__(self, "strides", self.pool_size)
        _check_window(self, "pool_size")

    @property
    def geometry(self) -> tuple[Pair, Pair]:
        """(pool_size, strides), each down and along."""
        assert self.strides is not None  # __post_init__ saw to it
        return pair(self.pool_size), pair(self.strides)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*_slide(inputs[0], *self.geometry, self.padding), inputs[0][-1])

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return kernels.max_pool2d(inputs[0], *self.geometry, self.padding)


@dataclass(frozen=True)
class GlobalAveragePooling2D(Layer):
    """(h, w, c) -> (c,)"""

    def output_shape(self, *inputs: Shape) -> Shape:
        return _map(inputs[0])[-1:]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].mean(axis=(1, 2))


@dataclass(frozen=True)
class GlobalMaxPooling2D(Layer):
    """(h, w, c) -> (c,)"""

    def output_shape(self, *inputs: Shape) -> Shape:
        return _map(inputs[0])[-1:]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].max(axis=(1, 2))


# --- joining and reshaping ------------------------------------------------------------------


@dataclass(frozen=True)
class Add(Layer):
    """The sum of two or more inputs of one shape."""

    arity: ClassVar[int | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(set(inputs)) != 1:
            raise ValueError(f"adds inputs of one shape, got {' and '.join(map(str, inputs))}")
        return inputs[0]

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        total = inputs[0] + inputs[1]
        for x in inputs[2:]:
            total += x
        return total


@dataclass(frozen=True)
class Flatten(Layer):
    """(h, w, c) -> (h·w·c,)"""

    def output_shape(self, *inputs: Shape) -> Shape:
        sizes = [size for size in inputs[0] if size is not None]
        return (math.prod(sizes) if len(sizes) == len(inputs[0]) else None,)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0].reshape(len(inputs[0]), math.prod(inputs[0].shape[1:]))


@dataclass(frozen=True)
class Dense(Layer):
    """kernel (c, units), bias (units,): (…, c) -> (…, units)."""

    units: int
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units must be at least 1, got {self.units}")
        _check_activation(self.activation)

    def parameters(self, *inputs: Shape) -> dict[str, Parameter]:
        kernel = Parameter((_channels(inputs[0]), self.units))
        return {"kernel": kernel} | _bias(self.use_bias, self.units)

    def output_shape(self, *inputs: Shape) -> Shape:
        return (*inputs[0][:-1], self.units)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return _finish(inputs[0] @ parameters["kernel"], parameters, self.activation)


# --- what layers share ----------------------------------------------------------------------


def pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value


def _bias(wanted: bool, units: int) -> dict[str, Parameter]:
    return {"bias": Parameter((units,), "zeros")} if wanted else {}


def _finish(y: Array, parameters: Parameters, activation: str) -> Array:
    """What follows every matrix product: the bias, if there is one, and the activation."""
    if "bias" in parameters:
        y += parameters["bias"]
    return ACTIVATIONS[activation](y)


def _channels(shape: Shape) -> int:
    """The size of the last axis, which parameters depend on."""
    if not shape or shape[-1] is None:
        raise ValueError(f"needs a known number of channels, got an input of shape {shape}")
    return shape[-1]


def _map(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"takes maps (h, w, c), got an input of shape {shape}")
    return shape


def _slide(shape: Shape, window: int | Pair, strides: int | Pair, padding: str) -> Shape:
    """(h, w, c) -> (oh, ow): how many windows fit."""
    h, w, _ = _map(shape)
    sizes = []
    for size, along, stride in zip((h, w), pair(window), pair(strides), strict=True):
        fits = None if size is None else kernels.output_size(size, along, stride, padding)
        if fits == 0:
            raise ValueError(f"a window of {along} does not fit into an input of shape {shape}")
        sizes.append(fits)
    return tuple(sizes)


def _check_window(layer: Any, window: str) -> None:
    for setting in (window, "strides"):
        value = getattr(layer, setting)
        if isinstance(value, list):  # as JSON has it
            value = tuple(value)
            object.__setattr__(layer, setting, value)
        if len(pair(value)) != 2 or min(pair(value)) < 1:
            raise ValueError(f"{setting} must be one or two whole numbers from 1, got {value!r}")
    if layer.padding not in ("same", "valid"):
        raise ValueError(f"padding must be 'same' or 'valid', got {layer.padding!r}")
    for setting in ("filters", "depth_multiplier"):
        if getattr(layer, setting, 1) < 1:
            raise ValueError(f"{setting} must be at least 1, got {getattr(layer, setting)}")


def _check_activation(name: str) -> None:
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; known are {', '.join(ACTIVATIONS)}")
