"""Augmentation of photographs for training: flips, crops, rotation, colors, erasing, and mixup.

What is drawn is a function of the seed, the epoch and the photograph. It depends neither on the order of the
photographs nor on what was drawn before, so that a run that is resumed goes on with the same pixels.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..layers.validation import as_float, as_int
from .pixel_changes import change_colors, change_geometry, draw_box, erase

#: What a name without a value stands for.
DEFAULTS: dict[str, float | None] = {
    "flip": True, "crop": 0.7, "rotation": 15.0, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2,
    "erasing": 0.25, "mixup": 0.2, "fresh": None,
}  # fmt: skip
NAMES = (*DEFAULTS, "variants")
NAMES_ALONE = ("flip", "fresh")  #: those that take no value
PIXEL_SETTINGS = ("crop", "rotation", "brightness", "contrast", "saturation", "erasing")

MIN_CROP = 0.01  #: share of the area; smaller crops of a photograph of 299×299 pixels are single pixels
MAX_VARIANTS = 1000  #: of a photograph; each takes a megabyte of a cache

#: Identifies a photograph in all runs: a digest of its content, or its index.
PhotographKey = int | str | bytes
#: What random numbers are drawn for.
_FOR_PIXELS, _FOR_MIXING = 0, 1


class Mixing(NamedTuple):
    """How mixup mixes the n examples of a batch: example i becomes w·x[i] + (1 − w)·x[partners[i]].

    Attributes:
        partners: (n,) the position of each example's partner; another one if there are several.
        weights: (n,) float32, the weight w of each example itself, 0.5…1.
    """

    partners: NDArray[np.intp]
    weights: NDArray[np.float32]

    def mix(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return the mixed rows of an array (n, …): pixels, activations, or one-hot labels."""
        weights = self.weights.reshape(-1, *(1,) * (values.ndim - 1))
        own = np.asarray(values, np.float32)
        return own + (1 - weights) * (own[self.partners] - own)


@dataclass(frozen=True)
class Augmentation:
    """Random changes to photographs in training. Each is off by default.

    A change that is turned on or off leaves the others as they are.

    Attributes:
        flip: Whether half of the photographs are mirrored, left to right.
        crop: The smallest share of a photograph's area that is cropped and enlarged to its size, 0.01…1. Its
            aspect ratio changes by up to 3/4 or 4/3.
        rotation: The largest angle in degrees, to either side, 0…180. Beyond its borders the photograph is
            reflected.
        brightness: Pixels are multiplied by 1 − brightness … 1 + brightness, 0…1.
        contrast: Differences from the mean gray are multiplied by 1 − contrast … 1 + contrast, 0…1.
        saturation: Differences from gray are multiplied by 1 − saturation … 1 + saturation, 0…1.
        erasing: The share of photographs of which a rectangle is replaced by noise, 0…1.
        mixup: Examples of a batch are mixed with weights from Beta(mixup, mixup); 0 for no mixup. It does not
            act on pixels: see `pair`.
        variants: How many variants there are of each photograph, which epochs take in turn, so that
            activations of frozen layers can be kept; None for a fresh one in each epoch.

    Raises:
        ValueError: A value is out of range.

    Examples:
        >>> augmentation = Augmentation.parse("flip,rotation=10,variants=8")
        >>> augmentation.flip, augmentation.rotation, augmentation.crop
        (True, 10.0, 1.0)
        >>> str(augmentation)
        'flip,rotation=10,variants=8'
    """

    flip: bool = False
    crop: float = 1.0
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    variants: int | None = 4

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise ValueError(f"flip must be True or False, got {self.flip!r}")
        limits = {
            "crop": (MIN_CROP, 1), "rotation": (0, 180), "brightness": (0, 1), "contrast": (0, 1),
            "saturation": (0, 1), "erasing": (0, 1), "mixup": (0, math.inf),
        }  # fmt: skip
        for name, (minimum, maximum) in limits.items():
            object.__setattr__(self, name, as_float(name, getattr(self, name), minimum, maximum))
        if self.variants is not None:
            variants = as_int("variants", self.variants)
            if variants > MAX_VARIANTS:
                raise ValueError(f"variants must be at most {MAX_VARIANTS}, got {variants}; or use fresh")
            object.__setattr__(self, "variants", variants)

    @classmethod
    def parse(cls, text: str) -> Augmentation:
        """Read what the command line takes, and `str` returns.

        Args:
            text: "none", or names joined by commas: "flip", "crop", "rotation", "brightness", "contrast",
                "saturation", "erasing" and "mixup", perhaps with values, as in "rotation=15"; "variants=8",
                or "fresh" for new variants in each epoch.

        Raises:
            TypeError: It is no text.
            ValueError: A name is unknown or given twice, or a value is not a number or out of range.
        """
        if not isinstance(text, str):
            raise TypeError(f'augmentation must be a text such as "flip,crop", got {type(text).__name__}')
        if text.strip() == "none":
            return cls()
        values: dict[str, Any] = {}
        for item in text.split(","):
            name, equals, value = (part.strip() for part in item.partition("="))
            _check_name(name, text)
            if name == "variants" and not equals:
                raise ValueError('augmentation "variants" needs a number, as in "variants=4"')
            if name in NAMES_ALONE and equals:
                raise ValueError(f'augmentation "{name}" takes no value, got {item.strip()!r}')
            field = "variants" if name == "fresh" else name
            if field in values:
                raise ValueError(f"augmentation {text!r} gives {field} twice")
            values[field] = _parse_value(name, value) if equals else DEFAULTS[name]
        try:
            return cls(**values)
        except ValueError as error:
            raise ValueError(f"augmentation {text!r}: {error}") from None

    def __str__(self) -> str:
        parts = [self.pixel_settings] if self.changes_pixels else []
        parts += [f"mixup={_number(self.mixup)}"] if self.mixup else []
        if self.variants != OFF.variants:
            parts.append("fresh" if self.variants is None else f"variants={self.variants}")
        return ",".join(parts) or "none"

    @property
    def pixel_settings(self) -> str:
        """What decides the pixels of a variant, as text: `str` without mixup and the number of variants."""
        values = {name: getattr(self, name) for name in PIXEL_SETTINGS}
        changed = [
            f"{name}={_number(value)}" for name, value in values.items() if value != getattr(OFF, name)
        ]
        return ",".join([*["flip"] * self.flip, *changed]) or "none"

    @property
    def changes_pixels(self) -> bool:
        """Whether anything but mixup is on."""
        return self.pixel_settings != "none"

    def variant(self, epoch: int) -> int:
        """Return the number of the variant that an epoch takes. Equal numbers stand for equal pixels.

        Args:
            epoch: The epoch, from 0.
        """
        epoch = as_int("epoch", epoch, 0)
        if not self.changes_pixels:
            return 0
        return epoch if self.variants is None else epoch % self.variants

    def apply(self, pixels: NDArray[Any], seed: int, epoch: int, photograph: PhotographKey) -> NDArray[Any]:
        """Return the pixels that an epoch takes of a photograph.

        Args:
            pixels: (h, w, c), 0…255, uint8 or floating-point. They are not changed.
            seed: A non-negative integer below 2**31.
            epoch: The epoch, from 0, or the number of the variant.
            photograph: What identifies the photograph: a digest of its content, or its index.

        Returns:
            (h, w, c), 0…255, uint8 or float32. It may be `pixels` itself if nothing changes.

        Raises:
            ValueError: They are no such pixels, saturation is on and there are not 3 or 4 channels, or the
                seed or epoch is out of range.
        """
        pixels = _check_pixels(pixels, self.saturation > 0)
        generator = _generator(seed, self.variant(epoch), _FOR_PIXELS, photograph)
        draws = generator.random(12).tolist()  # all of them, so that no change moves the draws of another
        mirrored = self.flip and draws[0] < 0.5
        box = draw_box(self.crop, (pixels.shape[1], pixels.shape[0]), *draws[1:5])
        angle = math.radians(self.rotation * (2 * draws[5] - 1))
        pixels = change_geometry(pixels, mirrored, box, angle)
        ranges = zip(draws[6:9], (self.brightness, self.contrast, self.saturation), strict=True)
        factors = [1 + limit * (2 * draw - 1) for draw, limit in ranges]
        if factors != [1, 1, 1]:
            pixels = change_colors(pixels, *factors)
        if draws[9] < self.erasing:
            pixels = erase(pixels, generator, *draws[10:12])
        return pixels

    def pair(self, seed: int, epoch: int, photographs: Sequence[PhotographKey]) -> Mixing | None:
        """Return how mixup mixes the examples of a batch: fresh in each epoch, since it costs nothing.

        Weights are at least 0.5, so that each example remains the larger part of itself, and no pair is mixed
        twice alike.

        Args:
            seed: A non-negative integer below 2**31.
            epoch: The epoch, from 0.
            photographs: What identifies each of the n photographs of the batch.

        Returns:
            Partners and weights; None without mixup, or if there are fewer than two photographs.

        Raises:
            ValueError: The seed or epoch is out of range.
        """
        if not self.mixup or len(photographs) < 2:
            return None
        generators = [_generator(seed, epoch, _FOR_MIXING, photograph) for photograph in photographs]
        order = np.argsort([generator.random() for generator in generators], kind="stable")
        partners = np.empty(len(photographs), np.intp)
        partners[order] = np.roll(order, 1)  # one cycle through all: no example is its own partner
        shares = np.array([generator.beta(self.mixup, self.mixup) for generator in generators], np.float32)
        return Mixing(partners, np.maximum(shares, 1 - shares))


OFF = Augmentation()  #: changes nothing


def _check_name(name: str, text: str) -> None:
    if name in NAMES:
        return
    if not name:
        raise ValueError(f"augmentation {text!r} has an empty name; expected {', '.join(NAMES)}, or none")
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown augmentation {name!r:.80}; expected {', '.join(NAMES)}, or none{hint}")


def _parse_value(name: str, value: str) -> float | int:
    try:
        return int(value) if name == "variants" else float(value)
    except ValueError:
        kind = "an integer" if name == "variants" else "a number"
        raise ValueError(f"augmentation {name!r} takes {kind}, got {value!r:.80}") from None


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _generator(seed: int, epoch: int, purpose: int, photograph: PhotographKey) -> np.random.Generator:
    if isinstance(photograph, str):
        photograph = photograph.encode("utf-8", "surrogateescape")
    if isinstance(photograph, bytes):
        photograph = int.from_bytes(b"\x01" + photograph)  # keeps leading zeros
    if photograph < 0:
        raise ValueError(f"a photograph is identified by a digest or an index from 0, got {photograph}")
    return np.random.default_rng((as_int("seed", seed, 0), as_int("epoch", epoch, 0), purpose, photograph))


def _check_pixels(pixels: NDArray[Any], has_saturation: bool) -> NDArray[Any]:
    if pixels.ndim != 3 or not pixels.size:
        raise ValueError(f"expected the pixels of a photograph (h, w, c), got the shape {pixels.shape}")
    if has_saturation and pixels.shape[-1] not in (3, 4):
        raise ValueError(f"saturation needs RGB, got {pixels.shape[-1]} channels: leave it out")
    if pixels.dtype == np.uint8:
        return pixels
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"expected pixels 0…255, uint8 or floating-point, got {pixels.dtype}")
    return pixels.astype(np.float32, copy=False)
