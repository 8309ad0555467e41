"""Layers of Deeplearning4j that Keras has no counterpart of.

Models read from its zips have them. They run here, and are refused by name in the files of Keras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .. import kernels
from ..kernels import Array, Pair
from .base import Cost, Layer, Parameters, Shape, Sizes
from .costs import OPERATIONS_PER_CALL, OPERATIONS_PER_ELEMENT, OPERATIONS_PER_TAP, count, elementwise_cost
from .reshaping import Border, sides
from .shapes import as_map_shape, pair
from .validation import check_bool, check_border, check_choice, check_int, check_number, check_pair

PoolingMode = Literal["max", "avg", "sum", "pnorm"]
#: A power takes up to 20 ns for an element where a product takes 1.
OPERATIONS_PER_POWER = 8000


@dataclass(frozen=True)
class PaddedPooling2D(Layer):
    """Pooling over windows that may reach into padding: (h, w, c) -> (oh, ow, c).

    Attributes:
        pool_size: Height and width of the window, in pixels; one integer for both.
        strides: Vertical and horizontal step between windows, in pixels; one integer for both.
        padding: "same" as in `Conv2D`; or the width of the border in pixels, as in `ZeroPadding2D`.
        mode: "max", "avg", "sum", or "pnorm", the root (Σ |x|ᵖ)^(1/p).
        counts_padding: Whether padding counts as zeros. If not, "max" and "avg" exclude it. It makes no
            difference to "sum" and "pnorm".
        pnorm: The exponent p of "pnorm".
    """

    pool_size: int | Pair
    strides: int | Pair
    padding: Literal["same"] | int | Pair | Border = 0
    mode: PoolingMode = "max"
    counts_padding: bool = False
    pnorm: int = 2

    def __post_init__(self) -> None:
        check_pair(self, "pool_size", "strides")
        if self.padding != "same":
            check_border(self, "padding")
        check_choice(self, "mode", ("max", "avg", "sum", "pnorm"))
        check_bool(self, "counts_padding")
        check_int(self, "pnorm")

    def output_shape(self, *inputs: Shape) -> Shape:
        h, w, c = as_map_shape(inputs[0])
        sizes: list[int | None] = []
        for axis, size in enumerate((h, w)):
            windows = None if size is None else self._windows(size, axis)
            if windows is not None and windows < 1:
                raise ValueError(f"a window of {self.pool_size} does not fit an input of shape {inputs[0]}")
            sizes.append(windows)
        return (*sizes, c)

    def cost(self, *inputs: Sizes) -> Cost:
        outputs = count(self.output_shape(*inputs))
        h, w, c = inputs[0]
        padded = (h + sum(self.border(h, 0))) * (w + sum(self.border(w, 1))) * c
        taps = math.prod(pair(self.pool_size))
        work = OPERATIONS_PER_POWER if self.mode == "pnorm" else 2 * OPERATIONS_PER_ELEMENT
        per_tap = OPERATIONS_PER_TAP + 2 * outputs * OPERATIONS_PER_ELEMENT
        return Cost(OPERATIONS_PER_CALL + padded * work + taps * per_tap, 3 * padded + 3 * outputs)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        (x,) = inputs
        if self.mode == "max":
            return self.reduce(x, np.maximum, 0 if self.counts_padding else -np.inf)
        if self.mode == "pnorm":
            return self.reduce(np.abs(x) ** self.pnorm, np.add, 0) ** (1 / self.pnorm)
        total = self.reduce(x, np.add, 0)
        return total if self.mode == "sum" else total / self.divisors(x)

    def reduce(self, x: Array, operation: np.ufunc, fill: float) -> Array:
        """Combine the elements of each window.

        Args:
            x: An input (n, h, w, c).
            operation: `np.maximum` or `np.add`.
            fill: The value of padding.

        Returns:
            (n, oh, ow, c).
        """
        _, h, w, _ = x.shape
        widths = ((0, 0), self.border(h, 0), self.border(w, 1), (0, 0))
        x = np.pad(x, widths, constant_values=np.asarray(fill, x.dtype))
        (oh, ow), (sh, sw) = (self._windows(h, 0), self._windows(w, 1)), pair(self.strides)
        y: Array | None = None
        for i, j in np.ndindex(*pair(self.pool_size)):
            tap = x[:, i : i + oh * sh : sh, j : j + ow * sw : sw][:, :oh, :ow]
            y = tap.copy() if y is None else operation(y, tap, out=y)
        assert y is not None  # a window has an element
        return y

    def divisors(self, x: Array) -> Array:
        """Return what an average divides the sum of each window by.

        Args:
            x: An input (n, h, w, c).

        Returns:
            (oh, ow, 1), the pixels inside the map; or (), those of the window.
        """
        if self.counts_padding:
            return np.asarray(math.prod(pair(self.pool_size)), x.dtype)
        return self.reduce(np.ones((1, *x.shape[1:3], 1), x.dtype), np.add, 0)[0]

    def border(self, size: int, axis: int) -> Pair:
        """Return the padding before and after an axis.

        Args:
            size: Pixels along the axis.
            axis: 0 for the height, 1 for the width.
        """
        if self.padding == "same":
            return kernels.same_padding(size, pair(self.pool_size)[axis], pair(self.strides)[axis])
        return sides(self.padding)[axis]

    def _windows(self, size: int, axis: int) -> int:
        padded = size + sum(self.border(size, axis))
        return (padded - pair(self.pool_size)[axis]) // pair(self.strides)[axis] + 1


@dataclass(frozen=True)
class GlobalPNormPooling2D(Layer):
    """p-norm of each channel, (Σ |x|ᵖ)^(1/p): (h, w, c) -> (c,), or (1, 1, c) with `keepdims`.

    Attributes:
        pnorm: The exponent p.
        keepdims: Whether the spatial axes stay, with size 1.
    """

    pnorm: int = 2
    keepdims: bool = False

    def __post_init__(self) -> None:
        check_int(self, "pnorm")
        check_bool(self, "keepdims")

    def output_shape(self, *inputs: Shape) -> Shape:
        _, _, c = as_map_shape(inputs[0])
        return (1, 1, c) if self.keepdims else (c,)

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 2, OPERATIONS_PER_POWER)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        powers = np.abs(inputs[0]) ** self.pnorm
        return powers.sum(axis=(1, 2), keepdims=self.keepdims) ** (1 / self.pnorm)


@dataclass(frozen=True)
class LocalResponseNormalization(Layer):
    """Division by a power of the squares in neighboring channels. The shape does not change.

    y = x / (k + alpha · Σ x²)ᵝ, where the sum is over the n channels around each, as far as there are any.
    alpha is not divided by n.

    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (NeurIPS 2012).

    Attributes:
        k: Added to the sum.
        n: Number of channels of the sum, odd.
        alpha: Factor of the sum.
        beta: Exponent.
    """

    k: float = 2.0
    n: int = 5
    alpha: float = 1e-4
    beta: float = 0.75

    def __post_init__(self) -> None:
        check_number(self, "k", "alpha", "beta")
        check_int(self, "n")
        if self.n % 2 == 0:
            raise ValueError(f"n must be odd, got {self.n}")

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 4, OPERATIONS_PER_POWER + 10 * OPERATIONS_PER_ELEMENT)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0] * self.bases(inputs[0]) ** -self.beta

    def bases(self, x: Array) -> Array:
        """Return k + alpha · Σ x².

        Args:
            x: An input, with a batch axis.
        """
        return self.k + self.alpha * self.sum_neighbors(np.square(x))

    def sum_neighbors(self, x: Array) -> Array:
        """Return the sum over the n channels around each.

        Args:
            x: An array whose last axis are the channels.
        """
        channels, reach = x.shape[-1], self.n // 2
        y = x.copy()
        for offset in range(1, min(reach, channels - 1) + 1):
            y[..., offset:] += x[..., :-offset]
            y[..., :-offset] += x[..., offset:]
        return y


@dataclass(frozen=True)
class Cube(Layer):
    """The cube, x³. The shape does not change."""

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 1, 2 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        return inputs[0] * inputs[0] * inputs[0]


@dataclass(frozen=True)
class RationalTanh(Layer):
    """A rational approximation of 1.7159 · tanh(2x / 3). The shape does not change.

    With u = |2x / 3|: 1.7159 · sign(x) · (1 − 1 / (1 + u + u² + 1.41645 · u⁴)).
    """

    def cost(self, *inputs: Sizes) -> Cost:
        return elementwise_cost(inputs[0], 4, 20 * OPERATIONS_PER_ELEMENT, 2)

    def forward(self, parameters: Parameters, *inputs: Array) -> Array:
        u = np.abs(inputs[0]) * (2 / 3)
        denominators = 1 + u + np.square(u) + 1.41645 * np.square(np.square(u))
        return 1.7159 * np.sign(inputs[0]) * (1 - 1 / denominators)
