"""Contact sheet of similar photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.images import load_image
from ..feature_extraction.similarity import SimilarPhotographs
from ..kernels import Array
from ..layers.validation import as_int
from .figures import TILE_INCHES, TITLE_INCHES, as_figure, expected, make_tiles, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MAX_QUERIES = 16  #: rows of a sheet; more could not be told apart
MAX_TILE_PIXELS = 260  #: the longer side of a photograph as it is kept


def similar(result: SimilarPhotographs, n: int = 6, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw a contact sheet: each query photograph, and beside it those that are most similar to it.

    The number above a photograph is the cosine. Photographs are read again from their paths; those that did
    not come from a file, or cannot be read any more, are empty tiles.

    Args:
        result: What `similar` returns. Of more than 16 query photographs, the first 16 are shown.
        n: How many neighbors of each.
        fig: A figure to draw in. None: a new one.

    Returns:
        The figure; an empty one if there are no query photographs. A notebook shows it.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: `result` is something else.
        ValueError: `n` is not a positive integer.
    """
    if not isinstance(result, SimilarPhotographs):
        raise expected("what xception.similar returns", result)
    n = as_int("n", n)
    rows = min(len(result), MAX_QUERIES)
    columns = 1 + max((min(n, len(neighbors)) for neighbors in result[:MAX_QUERIES]), default=0)
    height = max((TILE_INCHES + TITLE_INCHES) * rows, TILE_INCHES)
    figure = as_figure(fig, TILE_INCHES * columns + 0.2, height)
    if not rows:
        return figure
    for tiles, path, index, neighbors in zip(
        make_tiles(figure, rows, columns), result.paths, result.indices, result[:MAX_QUERIES], strict=False
    ):
        _show(tiles[0], path, index)
        set_title(tiles[0], "query")
        for tile, neighbor in zip(tiles[1:], neighbors, strict=False):
            _show(tile, neighbor.path, neighbor.index)
            set_title(tile, f"{neighbor.cosine:.3f}")
    return figure


def _show(tile: Axes, path: str | None, index: int) -> None:
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
