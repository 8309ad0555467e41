"""Contact sheet of similar photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..feature_extraction.similarity import SimilarPhotographs
from ..layers.validation import as_int
from .figures import TILE_INCHES, TITLE_INCHES, as_figure, expected, make_tiles, set_title
from .photograph_tile import read_small, show_photograph

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

MAX_QUERIES = 16  #: rows of a sheet; more could not be told apart


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
        show_photograph(tiles[0], read_small(path), index)
        set_title(tiles[0], "query")
        for tile, neighbor in zip(tiles[1:], neighbors, strict=False):
            show_photograph(tile, read_small(neighbor.path), neighbor.index)
            set_title(tile, f"{neighbor.cosine:.3f}")
    return figure
