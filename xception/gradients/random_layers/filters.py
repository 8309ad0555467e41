"""Random erasing, sharpness, blur, and changes of the tones. Keras 3.15, `layers/preprocessing/`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from ...kernels import Array
from ...layers.validation import as_float, as_int
from .colors import PixelRule
from .settings import Interval, as_interval, store

#: Bounds the work of a blur that a file asks for. Keras's own default is 3.
MAX_BLUR_PIXELS = 101

BYTE_RANGE = (0.0, 255.0)


@dataclass(frozen=True)
class Patch:
    """A part of an image that is erased: a rectangle, and what fills it.

    Attributes:
        left: First column, which may be a fraction: pixels from `left` to below `right` are erased.
        right: End of the columns.
        top: First row.
        bottom: End of the rows.
        fill: A pixel, or an image of noise (h, w, c).
    """

    left: float
    right: float
    top: float
    bottom: float
    fill: Array


@dataclass(frozen=True, kw_only=True)
class ErasingRule(PixelRule):
    """RandomErasing: a rectangle is filled with a color or noise.

    Attributes:
        factor: Interval of the probability; a number f stands for 0 … f.
        scale: Interval of the squares of the relative height and width.
        fill_value: A number, three numbers, or None for normal noise times the largest pixel. It is
            clipped to the value range.
    """

    factor: Interval = (0.0, 1.0)
    scale: Interval = (0.02, 0.33)
    fill_value: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        store(
            self,
            factor=as_interval("factor", self.factor, minimum=0),
            scale=as_interval("scale", self.scale, minimum=0),
        )
        if self.scale[0] < 0:
            raise ValueError(f"scale must be at least 0, got {self.scale[0]}")
        value = self.fill_value
        if isinstance(value, list | tuple):
            if len(value) != 3:
                raise ValueError(f"fill_value must be a number or three of them, got {len(value)}")
            store(self, fill_value=tuple(as_float("fill_value", number) for number in value))
        elif value is not None:
            store(self, fill_value=as_float("fill_value", value))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> Patch | None:
        """Return what is erased; None for nothing."""
        if rng.random() >= rng.uniform(*self.factor):
            return None
        left, right = self._draw_side(rng, shape[1])
        top, bottom = self._draw_side(rng, shape[0])
        if self.fill_value is None:
            fill = rng.standard_normal(shape, np.float32) * np.float32(self.value_range[1])
        else:
            fill = np.asarray(self.fill_value, np.float32)
        return Patch(left, right, top, bottom, np.clip(fill, *self.value_range))

    def _draw_side(self, rng: np.random.Generator, size: int) -> tuple[float, float]:
        length = size * math.sqrt(rng.uniform(*self.scale))
        start = rng.random() * (size - length)
        return start, start + length

    def transform(self, image: Array, drawn: Patch | None) -> Array:
        if drawn is None:
            return image
        # Larger than the image, where the scale exceeds 1.
        rows = slice(max(0, math.ceil(drawn.top)), math.ceil(drawn.bottom))
        columns = slice(max(0, math.ceil(drawn.left)), math.ceil(drawn.right))
        erased = image.copy()
        erased[rows, columns] = np.broadcast_to(drawn.fill, image.shape)[rows, columns]
        return erased


@dataclass(frozen=True, kw_only=True)
class SharpnessRule(PixelRule):
    """RandomSharpness: an image is blended with its smoothed copy.

    Attributes:
        factor: Interval; 0 gives the smoothed image, 0.5 the image, 1 a sharpened one. A number f stands
            for 0 … f.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor, minimum=0))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the share of the image; above 1 it is sharpened."""
        return 2 * rng.uniform(*self.factor)

    def transform(self, image: Array, drawn: float) -> Array:
        kernel = np.full((3, 3), 1 / 13)
        kernel[1, 1] = 5 / 13
        smoothed = correlate(image, kernel)
        return self.clip(image + image.dtype.type(1 - drawn) * (smoothed - image))


@dataclass(frozen=True, kw_only=True)
class GaussianBlurRule(PixelRule):
    """RandomGaussianBlur.

    The strength is drawn for each image; Keras draws one for a batch.

    Attributes:
        factor: Interval of the probability; a number f stands for 0 … f.
        kernel_size: Odd size of the kernel, or a pair of them.
        sigma: Interval of the standard deviation in pixels; a number s stands for 0 … s.
    """

    factor: Interval = (0.0, 1.0)
    kernel_size: tuple[int, int] = (3, 3)
    sigma: Interval = (0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.kernel_size
        sizes = size if isinstance(size, list | tuple) else (size, size)
        checked = [as_int("kernel_size", each) for each in sizes]
        if len(checked) != 2 or not all(each % 2 and each <= MAX_BLUR_PIXELS for each in checked):
            raise ValueError(
                f"kernel_size must be one or two odd numbers of at most {MAX_BLUR_PIXELS}, got {size!r:.80}"
            )
        store(
            self,
            kernel_size=tuple(checked),
            factor=as_interval("factor", self.factor, minimum=0),
            sigma=as_interval("sigma", self.sigma, minimum=0),
        )

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[float, float] | None:
        """Return the (horizontal, vertical) standard deviation; None for no blur."""
        if rng.random() >= rng.uniform(*self.factor):
            return None
        return rng.uniform(*self.sigma) + 1e-6, rng.uniform(*self.sigma) + 1e-6

    def transform(self, image: Array, drawn: tuple[float, float] | None) -> Array:
        if drawn is None:
            return self.clip(image)
        weights = []
        for size, sigma in zip(self.kernel_size, drawn, strict=True):
            bell = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
            weights.append(bell / bell.sum())
        if len(weights[0]) == len(weights[1]):
            blurred = correlate(correlate(image, weights[1][:, None]), weights[0][None, :])
        else:  # Keras reshapes the kernel where it should transpose it
            blurred = correlate(image, np.outer(weights[1], weights[0]).reshape(self.kernel_size))
        return self.clip(blurred)


@dataclass(frozen=True, kw_only=True)
class InvertRule(PixelRule):
    """RandomInvert: pixels are subtracted from the largest one.

    Attributes:
        factor: Interval of the probability; a number f stands for 0 … f.
    """

    factor: Interval = (0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor, minimum=0))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> bool:
        """Return whether to invert."""
        return bool(rng.random() < rng.uniform(*self.factor))

    def transform(self, image: Array, drawn: bool) -> Array:
        return image.dtype.type(self.value_range[1]) - image if drawn else image


@dataclass(frozen=True, kw_only=True)
class PosterizationRule(PixelRule):
    """RandomPosterization: only the highest bits of pixels are kept.

    Attributes:
        factor: Interval (lowest, end) of the number of bits, the end excluded unless both are equal; a
            number f stands for (1, f).
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor, minimum=1, maximum=8))
        if not 1 <= int(self.factor[0]) <= self.factor[1] <= 8:
            raise ValueError(f"factor must be from 1 to 8 bits, got {self.factor}")

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> int:
        """Return the number of bits."""
        lowest, end = (int(bits) for bits in self.factor)
        return lowest if lowest == end else int(rng.integers(lowest, end))

    def transform(self, image: Array, drawn: int) -> Array:
        levels = np.clip(self.rescale(image, self.value_range, BYTE_RANGE), 0, 255).astype(np.uint8)
        levels &= np.uint8(256 - (1 << (8 - drawn)))
        return self.rescale(levels.astype(image.dtype), BYTE_RANGE, self.value_range)


@dataclass(frozen=True, kw_only=True)
class SolarizationRule(PixelRule):
    """Solarization: a number is added, then pixels above a threshold are inverted.

    Attributes:
        addition_factor: Interval (lower, upper): `lower` … 255 · `upper` is added to pixels of 0 … 255.
            A number f stands for (0, f). That the lower end is not multiplied is Keras's rule.
        threshold_factor: The same for the threshold.
    """

    addition_factor: Interval = (0.0, 0.0)
    threshold_factor: Interval = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("addition_factor", "threshold_factor"):
            store(self, **{name: as_interval(name, getattr(self, name), minimum=0)})

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[float, float]:
        """Return what is added, and the threshold."""
        intervals = ((low, 255 * high) for low, high in (self.addition_factor, self.threshold_factor))
        addition, threshold = (low + (high - low) * rng.random() for low, high in intervals)
        return addition, threshold

    def transform(self, image: Array, drawn: tuple[float, float]) -> Array:
        addition, threshold = drawn
        pixels = self.rescale(image, self.value_range, BYTE_RANGE)
        pixels = np.clip(pixels + image.dtype.type(addition), 0, 255)
        pixels = np.where(pixels < image.dtype.type(threshold), pixels, 255 - pixels)
        return self.rescale(pixels, BYTE_RANGE, self.value_range)


def correlate(image: Array, kernel: Array) -> Array:
    """Apply a kernel of odd size to each channel, with zeros beyond the edges.

    Args:
        image: (h, w, c).
        kernel: (kh, kw).
    """
    height, width, channels = image.shape
    above, before = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = np.zeros((height + 2 * above, width + 2 * before, channels), image.dtype)
    padded[above : above + height, before : before + width] = image
    total = np.zeros_like(image)
    for row, column in product(range(kernel.shape[0]), range(kernel.shape[1])):
        weight = image.dtype.type(kernel[row, column])
        total += weight * padded[row : row + height, column : column + width]
    return total
