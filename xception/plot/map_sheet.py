"""Sheet of the feature maps of a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..kernels import Array
from ..layers.validation import as_int
from ..models.layer import as_layer_names
from ..prediction.classifier import Classifier, ModelArgument, as_model
from ..prediction.preprocessing import Preprocessor
from .figures import (
    TILE_INCHES,
    TITLE_INCHES,
    as_figure,
    grid_size,
    make_tiles,
    plain,
    set_title,
    show_values,
    value_range,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from ..data.images import ImageLike

MAP_AXES = 4  #: of (n, h, w, c)


def activations(
    model: ModelArgument,
    photograph: ImageLike,
    layer: str | Sequence[str] | None = None,
    n: int = 16,
    *,
    fig: Figure | SubFigure | None = None,
) -> Figure:
    """Draw what layers compute of a photograph: the feature maps that vary most, beside the photograph.

    All maps of a layer are on one scale, from 0; if there are negative values, orange is negative and purple
    positive.

    Args:
        model: The model, a Classifier, or the path of a model file.
        photograph: One photograph, as `load_image` takes it. It is resized and scaled for the model.
        layer: One or more layers that give maps (h, w, c). None: the last one that does.
        n: How many maps of each layer.
        fig: A figure to draw in. None: a new one.

    Returns:
        The figure. A notebook shows it.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: An argument is of another type.
        ValueError: There is no such layer, it does not give maps, or `n` is not a positive integer.
        OSError: The photograph cannot be read.

    Examples:
        >>> import xception
        >>> base = xception.Xception(include_top=False)
        >>> figure = xception.plot.activations(base, "examples/chelsea.jpg", "block4_pool")  # doctest: +SKIP
    """
    n = as_int("n", n)
    network = as_model(model)
    names = network.feature_nodes(None) if layer is None else as_layer_names(layer)
    nodes = network.feature_nodes(names)
    preprocessor = model.preprocessor if isinstance(model, Classifier) else Preprocessor(network)
    for name, node in zip(names, nodes, strict=True):
        shape = network.graph.nodes[node].output_shape
        if len(shape) != MAP_AXES - 1:
            raise ValueError(f"{name} gives {(None, *shape)}, expected maps (None, height, width, channels)")
    pixels = preprocessor.load(photograph)
    maps = preprocessor.compute(pixels[None], lambda x: network.activations(x, nodes))
    counts = [min(n, maps[node].shape[-1]) for node in nodes]
    columns = max(grid_size(count)[1] for count in counts)
    rows = [-(-count // columns) for count in counts]
    inches = (TILE_INCHES + TITLE_INCHES) * sum(rows) + TITLE_INCHES * len(rows)
    figure = as_figure(fig, TILE_INCHES * (columns + 1) + 0.8, inches)
    tiles = make_tiles(figure, sum(rows), columns + 1)
    tiles[0][0].imshow(_as_shown(pixels), cmap="gray", vmin=0, vmax=255)
    set_title(tiles[0][0], "photograph")
    start = 0
    for name, node, count, height in zip(names, nodes, counts, rows, strict=True):
        own = [tile for row in tiles[start : start + height] for tile in row[1:]]
        values: Array = maps[node][0]  # (h, w, c)
        low, high = value_range(values)
        chosen = np.argsort(-values.std(axis=(0, 1)), kind="stable")[:count]
        for tile, channel in zip(own, chosen, strict=False):
            shown = show_values(tile, values[..., channel], low, high)
            set_title(tile, f"{channel}")
        set_title(own[0], f"{plain(name)}\n", side="left")
        figure.colorbar(shown, ax=own, shrink=0.8)
        start += height
    return figure


def _as_shown(pixels: Array) -> Array:
    """Return pixels (h, w, c) as `imshow` takes them: gray (h, w), or RGB as integers."""
    if pixels.shape[-1] not in (3, 4):
        return pixels.mean(axis=-1)
    return pixels[..., :3].round().clip(0, 255).astype(np.uint8)
