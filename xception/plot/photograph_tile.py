"""A photograph as a tile of a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.images import load_image
from ..kernels import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_TILE_PIXELS = 260  #: the longer side of a photograph as it is kept


def show_photograph(tile: Axes, path: str | None, index: int) -> None:
    """Show a photograph, or its number where it cannot be read."""
    try:
        pixels = None if path is None else _read_small(path)
    except OSError:
        pixels = None
    if pixels is None:
        tile.text(0.5, 0.5, f"photograph {index}", ha="center", va="center", fontsize=8)
        tile.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    else:
        tile.imshow(pixels)


def _read_small(path: str) -> Array:
    """Return a photograph at MAX_TILE_PIXELS at most, with its aspect ratio."""
    from PIL import Image

    image = Image.fromarray(load_image(path, None))
    image.thumbnail((MAX_TILE_PIXELS, MAX_TILE_PIXELS))
    return np.asarray(image)
