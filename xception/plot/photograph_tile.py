"""A photograph as a tile of a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.images import load_image
from ..kernels import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_TILE_PIXELS = 260  #: the longer side of a photograph as it is kept


def read_small(path: str | None) -> Array | None:
    """Return a photograph at MAX_TILE_PIXELS at most, with its aspect ratio; None if it cannot be read."""
    from PIL import Image

    try:
        image = None if path is None else Image.fromarray(load_image(path, None))
    except OSError:
        image = None
    if image is None:
        return None
    image.thumbnail((MAX_TILE_PIXELS, MAX_TILE_PIXELS))
    return np.asarray(image)


def show_photograph(tile: Axes, pixels: Array | None, index: int) -> None:
    """Show a photograph (height, width, 3), or its number where it could not be read."""
    if pixels is None:
        tile.text(0.5, 0.5, f"photograph {index}", ha="center", va="center", fontsize=8)
        tile.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    else:
        tile.imshow(pixels)
