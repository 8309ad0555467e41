"""Random flips, rotations, zooms and other moves of pixels. Keras 3.15, `layers/preprocessing/`."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ...kernels import Array
from ...layers.validation import as_float
from .projection import FILL_MODES, INTERPOLATIONS, FillMode, Interpolation, Matrix, project
from .rule import RandomImageRule
from .settings import Interval, as_choice, as_interval, store

FLIP_MODES = ("horizontal_and_vertical", "horizontal", "vertical")


@dataclass(frozen=True)
class FlipRule(RandomImageRule):
    """RandomFlip: one image in two is flipped; with both directions, turned by half a turn.

    Attributes:
        mode: "horizontal" (left and right), "vertical", or "horizontal_and_vertical".
    """

    mode: str = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        as_choice("mode", self.mode, FLIP_MODES)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> bool:
        """Return whether to flip."""
        return bool(rng.random() <= 0.5)

    def transform(self, image: Array, drawn: bool) -> Array:
        if not drawn:
            return image
        vertical = slice(None, None, 1 if self.mode == "horizontal" else -1)
        horizontal = slice(None, None, 1 if self.mode == "vertical" else -1)
        return image[vertical, horizontal]


@dataclass(frozen=True)
class _ProjectionRule(RandomImageRule):
    """A layer that resamples images through a matrix.

    Attributes:
        fill_mode: What lies beyond the edges.
        fill_value: The pixel there with "constant".
        interpolation: "bilinear" or "nearest".
    """

    fill_mode: str = "reflect"
    fill_value: float = 0.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        as_choice("fill_mode", self.fill_mode, FILL_MODES)
        as_choice("interpolation", self.interpolation, INTERPOLATIONS)
        store(self, fill_value=as_float("fill_value", self.fill_value))

    @abstractmethod
    def matrix(self, drawn: Any, height: int, width: int) -> Matrix:
        """Return where each output pixel reads the input."""

    def transform(self, image: Array, drawn: Any) -> Array:
        matrix = self.matrix(drawn, *image.shape[:2])
        return self._project(image, matrix)

    def _project(self, image: Array, matrix: Matrix) -> Array:
        return project(
            image, matrix, cast("FillMode", self.fill_mode), self.fill_value,
            cast("Interpolation", self.interpolation),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RotationRule(_ProjectionRule):
    """RandomRotation, about the center.

    Attributes:
        factor: Interval of the angle, in turns; a number f stands for −f … f.
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, factor=as_interval("factor", self.factor))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> float:
        """Return the angle in degrees."""
        return 360.0 * rng.uniform(*self.factor)

    def matrix(self, drawn: float, height: int, width: int) -> Matrix:
        cos, sin = math.cos(math.radians(drawn)), math.sin(math.radians(drawn))
        x, y = (width - 1) / 2, (height - 1) / 2
        return cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos, 0.0, 0.0


@dataclass(frozen=True, kw_only=True)
class ZoomRule(_ProjectionRule):
    """RandomZoom, about the center. A positive factor shows more of the image, smaller.

    Attributes:
        height_factor: Interval of the change of size; a number f stands for −f … f.
        width_factor: The same for the width; None keeps the aspect ratio.
    """

    height_factor: Interval
    width_factor: Interval | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, height_factor=as_interval("height_factor", self.height_factor))
        if self.width_factor is not None:
            store(self, width_factor=as_interval("width_factor", self.width_factor))

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[float, float]:
        """Return the (vertical, horizontal) distance of input pixels between output pixels."""
        vertical = 1 + rng.uniform(*self.height_factor)
        return vertical, vertical if self.width_factor is None else 1 + rng.uniform(*self.width_factor)

    def matrix(self, drawn: tuple[float, float], height: int, width: int) -> Matrix:
        vertical, horizontal = drawn
        x, y = (width - 1) / 2 * (1 - horizontal), (height - 1) / 2 * (1 - vertical)
        return horizontal, 0.0, x, 0.0, vertical, y, 0.0, 0.0


@dataclass(frozen=True, kw_only=True)
class TranslationRule(_ProjectionRule):
    """RandomTranslation.

    Attributes:
        height_factor: Interval of the shift downward, as a fraction of the height; a number f stands for
            −f … f.
        width_factor: Interval of the shift to the right, as a fraction of the width.
    """

    height_factor: Interval
    width_factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("height_factor", "width_factor"):
            store(self, **{name: as_interval(name, getattr(self, name))})

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[float, float]:
        """Return the shift (downward, to the right) in pixels."""
        return shape[0] * rng.uniform(*self.height_factor), shape[1] * rng.uniform(*self.width_factor)

    def matrix(self, drawn: tuple[float, float], height: int, width: int) -> Matrix:
        down, right = drawn
        return 1.0, 0.0, -right, 0.0, 1.0, -down, 0.0, 0.0


@dataclass(frozen=True, kw_only=True)
class ShearRule(_ProjectionRule):
    """RandomShear, about the top left corner.

    Attributes:
        x_factor: Interval of the shift to the left for each pixel downward; a number f stands for −f … f.
        y_factor: Interval of the shift upward for each pixel to the right.
    """

    x_factor: Interval = (0.0, 0.0)
    y_factor: Interval = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("x_factor", "y_factor"):
            store(self, **{name: as_interval(name, getattr(self, name))})

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[float, float]:
        """Return the shear (horizontal, vertical), both with the same random sign."""
        sign = -1 if rng.random() > 0.5 else 1
        return sign * rng.uniform(*self.x_factor), sign * rng.uniform(*self.y_factor)

    def matrix(self, drawn: tuple[float, float], height: int, width: int) -> Matrix:
        horizontal, vertical = drawn
        return 1.0, horizontal, 0.0, vertical, 1.0, 0.0, 0.0, 0.0


@dataclass(frozen=True, kw_only=True)
class PerspectiveRule(_ProjectionRule):
    """RandomPerspective: the corners move, each by a draw of its own.

    The corner at the origin stays, as in Keras, which multiplies the coordinates of the corners.

    Attributes:
        factor: Interval of the probability that the image is changed; a number f stands for 0 … f.
        scale: Twice the largest relative move of a corner, from 0 to 1.
    """

    fill_mode: str = "constant"
    factor: Interval = (0.0, 1.0)
    scale: float = 1.0

    def __post_init__(self) -> None:
        store(self, fill_mode="constant")  # Keras's layer has no such setting
        super().__post_init__()
        store(
            self,
            factor=as_interval("factor", self.factor, minimum=0),
            scale=as_float("scale", self.scale, 0, 1),
        )

    def draw(self, rng: np.random.Generator, shape: tuple[int, int, int]) -> Array | None:
        """Return the relative moves (x, y) of the corners (4, 2), row by row; None for no change."""
        if rng.random() >= rng.uniform(*self.factor):
            return None
        return rng.uniform(-0.5 * self.scale, 0.5 * self.scale, (4, 2))

    def matrix(self, drawn: Array, height: int, width: int) -> Matrix:
        corners = np.array([(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)], np.float64)
        moved = corners + corners * drawn
        rows = []
        for (x, y), (u, v) in zip(corners, moved, strict=True):
            rows.append((u, v, 1, 0, 0, 0, -x * u, -x * v))
            rows.append((0, 0, 0, u, v, 1, -y * u, -y * v))
        solution = np.linalg.solve(np.array(rows), corners.ravel())
        return cast("Matrix", tuple(solution.tolist()))

    def transform(self, image: Array, drawn: Array | None) -> Array:
        if drawn is None:
            return image
        try:
            return super().transform(image, drawn)
        except np.linalg.LinAlgError:  # an image of one row or column has no four corners
            return image
