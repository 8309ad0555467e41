"""Sheet of the filters of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..kernels import Array
from ..layers.validation import as_int
from ..models.model import Model
from ..prediction.classifier import ModelArgument, as_model
from .figures import (
    TILE_INCHES,
    TITLE_INCHES,
    as_figure,
    grid_size,
    listed,
    make_tiles,
    set_title,
    show_values,
    value_range,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

KERNELS = ("kernel", "depthwise_kernel")  #: parameters that are filters, (h, w, c, filters)
COLOR_CHANNELS = 3


def filters(
    model: ModelArgument,
    layer: str | None = None,
    n: int = 32,
    channel: int | None = None,
    *,
    fig: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the filters of a convolution, all on one scale.

    Filters that read colors, such as those of the first convolution, are shown in these colors, and gray
    is 0. Depthwise filters read one channel each. Of others, the weights of one input channel are shown:
    orange is negative, purple positive, and white 0.

    Args:
        model: The model, a Classifier, or the path of a model file.
        layer: A convolution whose windows are larger than 1×1. None: the first one.
        n: How many filters, the first ones.
        channel: The input channel, from 0. None: all three as colors if there are three, else 0. It has no
            effect on depthwise filters.
        fig: A figure to draw in. None: a new one.

    Returns:
        The figure. A notebook shows it.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: An argument is of another type.
        ValueError: There is no such layer, it has no filters, or a number is out of range.

    Examples:
        >>> import xception
        >>> base = xception.Xception(include_top=False)
        >>> figure = xception.plot.filters(base, "block2_sepconv1", n=16)  # doctest: +SKIP
    """
    n = as_int("n", n)
    node, name, kernel = _find_kernel(as_model(model), layer)
    if name == "depthwise_kernel":
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)  # (h, w, 1, c · multiplier)
        channel = 0
    channels = kernel.shape[2]
    if channel is not None:
        channel = as_int("channel", channel, minimum=0)
        if channel >= channels:
            raise ValueError(
                f"channel must be below {channels}, the channels that {node} reads, got {channel}"
            )
    elif channels != COLOR_CHANNELS:
        channel = 0
    n = min(n, kernel.shape[-1])
    rows, columns = grid_size(n)
    figure = as_figure(fig, TILE_INCHES * columns + 0.8, (TILE_INCHES + TITLE_INCHES) * rows + 0.3)
    low, high = value_range(kernel)
    axes = [each for row in make_tiles(figure, rows, columns) for each in row]
    shown = None
    for i, tile in enumerate(axes[:n]):
        if channel is None:
            tile.imshow(0.5 + kernel[..., i] / (2 * high), vmin=0, vmax=1, interpolation="nearest")
        else:
            shown = show_values(tile, kernel[:, :, channel, i], min(low, -high), high)
        set_title(tile, str(i))
    if shown is not None:
        figure.colorbar(shown, ax=axes, label="weight", shrink=0.8)
    of_channel = "" if channel is None or channels == 1 else f", input channel {channel}"
    figure.suptitle(
        f"{node}, {name}{of_channel}: {n} of {kernel.shape[-1]} filters", fontsize=9, parse_math=False
    )
    return figure


def _find_kernel(model: Model, layer: str | None) -> tuple[str, str, Array]:
    """Return the node, the name and the array of filters larger than 1×1."""
    candidates = [
        (node.name, name)
        for node in model.graph.topological_order()
        for name, parameter in node.parameters.items()
        if name in KERNELS and len(parameter.shape) == 4 and parameter.shape[:2] != (1, 1)
    ]
    if not candidates:
        raise ValueError(f"{model.name} has no convolution with filters larger than 1×1")
    if layer is not None:
        names = [name for name, _ in candidates]
        node = model.output_node(layer)
        candidates = [candidate for candidate in candidates if candidate[0] == node]
        if not candidates:
            raise ValueError(f"{layer} has no filters larger than 1×1, expected one of {listed(names)}")
    node, name = candidates[0]
    return node, name, np.asarray(model.parameters[model.graph.nodes[node].owner][name])
