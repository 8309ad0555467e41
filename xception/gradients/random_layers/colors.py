"""Random changes of brightness, contrast and colors. Keras 3.15, `layers/preprocessing/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels import Array
from ...layers.base import KERAS_EPSILON
from ...layers.validation import as_float
from .color_spaces import from_hsv, to_gray, to_hsv
from .rule import RandomImageRule
from .settings import Interval, as_interval, as_value_range, store

#: Share of a value range by which pixels may exceed it, and of which they must use more.
RANGE_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class PixelRule(RandomImageRule):
    """A layer that changes the values of pixels, whose range it has to know.

    Attributes:
        value_range: Smallest and largest pixel.
    """

    value_range: Interval = (0.0, 255.0)

    def __post_init__(self) -> None:
        store(self, value_range=as_value_range(self.value_range))

    def clip(self, image: Array) -> Array:
        """Clip an image to the value range."""
        return np.clip(image, *self.value_range)

    def rescale(self, image: Array, source: Interval, target: Interval) -> Array:
        """Map pixels of one range to another."""
        if source == target:
            return image
        return (image - source[0]) / (source[1] - source[0]) * (target[1] - target[0]) + target[0]

    def range_problem(self, low: float, high: float) -> str | None:
        smallest, largest = self.value_range
        margin = RANGE_TOLERANCE * (largest - smallest)
        if smallest - margin <= low and smallest + margin < high <= largest + margin:
            return None
        return (
            f"its value_range is {smallest:g}…{largest:g}, but its input is within {low:.3g}…{high:.3g}; "
            "place it where pixels have that range, or build it with value_range=(…) of its input"
        )


@dataclass(frozen=True, kw_only=True)
class BrightnessRule(PixelRule):
    """RandomBrightness: a number is added to all pixels.

    Attributes:
        factor: Interval of the number, as a fraction of the value range; a number f stands for −f … f.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the number that is added."""
        return rng.uniform(*self.factor) * (self.value_range[1] - self.value_range[0])

    def transform(self, image: Array, drawn: float) -> Array:
        return self.clip(image + image.dtype.type(drawn))


@dataclass(frozen=True, kw_only=True)
class ContrastRule(PixelRule):
    """RandomContrast: the distance of each pixel from its channel's mean is multiplied.

    Attributes:
        factor: (lower, upper): the contrast is multiplied by 1 − lower … 1 + upper. A number f stands for
            (0, f), as in Keras 3: contrast is never reduced then.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor, minimum=0))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the factor of the contrast."""
        return rng.uniform(1 - self.factor[0], 1 + self.factor[1])

    def transform(self, image: Array, drawn: float) -> Array:
        mean = image.mean(axis=0, keepdims=True).mean(axis=1, keepdims=True)
        return self.clip((image - mean) * image.dtype.type(drawn) + mean)


@dataclass(frozen=True, kw_only=True)
class SaturationRule(PixelRule):
    """RandomSaturation: the saturation is multiplied.

    The saturation is clipped to the value range, as in Keras 3. So it exceeds 1 where the range is
    0 … 255, and pixels become negative.

    Attributes:
        factor: Interval of f, from −1 to 1; the saturation is multiplied by f / (1 − f). A number f
            stands for −f … f.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the factor of the saturation."""
        factor = rng.uniform(*self.factor)
        return float(factor / (1 - factor + KERAS_EPSILON))

    def transform(self, image: Array, drawn: float) -> Array:
        hue, saturation, value = to_hsv(image)
        return from_hsv(hue, self.clip(saturation * image.dtype.type(drawn)), value)

    def range_problem(self, low: float, high: float) -> str | None:
        if low >= 0:
            return None
        return f"it takes pixels of at least 0, but its input is within {low:.3g}…{high:.3g}"


@dataclass(frozen=True, kw_only=True)
class HueRule(PixelRule):
    """RandomHue: the hue is turned.

    Attributes:
        factor: Interval of the angle, in half turns; a number f stands for 0 … f. The sign is random.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor, minimum=0))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the angle, in turns."""
        sign = -1 if rng.random() > 0.5 else 1
        return sign * rng.uniform(*self.factor) * 0.5

    def transform(self, image: Array, drawn: float) -> Array:
        hue, saturation, value = to_hsv(self.rescale(image, self.value_range, (0, 1)))
        hue = hue + image.dtype.type(drawn)
        hue = np.where(hue > 1, hue - 1, hue)
        hue = np.where(hue < 0, hue + 1, hue)
        turned = np.clip(from_hsv(hue, saturation, value), 0, 1)
        return self.rescale(turned, (0, 1), self.value_range)


@dataclass(frozen=True, kw_only=True)
class ColorDegenerationRule(PixelRule):
    """RandomColorDegeneration: colors are blended with gray.

    Attributes:
        factor: Interval of the share of gray; a number f stands for −f … f.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the share of gray."""
        return rng.uniform(*self.factor)

    def transform(self, image: Array, drawn: float) -> Array:
        return self.clip(image + image.dtype.type(drawn) * (to_gray(image) - image))


@dataclass(frozen=True, kw_only=True)
class GrayscaleRule(RandomImageRule):
    """RandomGrayscale: an image becomes gray.

    Attributes:
        factor: The probability.
    """

    factor: float = 0.5

    def __post_init__(self) -> None:
        store(self, factor=as_float("factor", self.factor, 0, 1))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> bool:
        """Return whether the image becomes gray."""
        return bool(rng.random() < self.factor)

    def transform(self, image: Array, drawn: bool) -> Array:
        return np.broadcast_to(to_gray(image), image.shape) if drawn else image


@dataclass(frozen=True, kw_only=True)
class ColorJitterRule(PixelRule):
    """RandomColorJitter: brightness, contrast, saturation and hue, in this order.

    Attributes:
        brightness_factor: Factor of `BrightnessRule`; None leaves brightness alone.
        contrast_factor: Factor of `ContrastRule`, or None.
        saturation_factor: Factor of `SaturationRule`, or None.
        hue_factor: Factor of `HueRule`, or None.
    """

    brightness_factor: Interval | None = None
    contrast_factor: Interval | None = None
    saturation_factor: Interval | None = None
    hue_factor: Interval | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for rule in self.rules:  # makes them, so that their factors are checked
            assert isinstance(rule, PixelRule)

    @property
    def rules(self) -> list[PixelRule]:
        """The rules that are applied, one after the other."""
        parts: list[tuple[type[Any], Interval | None]] = [
            (BrightnessRule, self.brightness_factor),
            (ContrastRule, self.contrast_factor),
            (SaturationRule, self.saturation_factor),
            (HueRule, self.hue_factor),
        ]
        return [
            rule(factor=factor, value_range=self.value_range) for rule, factor in parts if factor is not None
        ]

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> list[float]:
        """Return a draw for each of the rules."""
        return [rule.draw(rng, shape) for rule in self.rules]

    def transform(self, image: Array, drawn: list[float]) -> Array:
        for rule, number in zip(self.rules, drawn, strict=True):
            image = rule.transform(image, number)
        return image
