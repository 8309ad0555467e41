"""Figures of matplotlib, made without pyplot, and what all of them need."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..console.text import list_some
from ..errors import escape_controls, requires
from ..explanation.lettering import path_for
from ..kernels import Array
from .text_width import shorten, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.font_manager import FontProperties
    from matplotlib.image import AxesImage

TILE_INCHES = 1.3  #: the width of a tile of a sheet
TITLE_INCHES = 0.22  #: of height, for a line above a tile
MAX_COLUMNS = 8
TEXT_POINTS = 8  #: of the letters above a tile
MAX_TEXT_CHARACTERS = 60  #: of a name in a figure

#: Their lightness grows evenly with the value; PuOr's falls evenly on both sides of 0.
POSITIVE, SIGNED = "viridis", "PuOr"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, which a notebook shows.

    Args:
        width: In inches.
        height: In inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    return _figure_class()(figsize=(width, height), layout="constrained")


@functools.cache
def _figure_class() -> type[Figure]:
    """Return matplotlib's figure with a picture of itself, which notebooks show even without pyplot."""
    with requires("a figure", "matplotlib", "'xception[plots]'"):
        from matplotlib.figure import Figure

    def as_png(figure: Figure) -> bytes:
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        return stream.getvalue()

    names: dict[str, Any] = {"__module__": __name__, "__doc__": Figure.__doc__, "_repr_png_": as_png}
    return type("NotebookFigure", (Figure,), names)


def __getattr__(name: str) -> Any:
    if name == "NotebookFigure":  # pickle looks for the class here
        return _figure_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def as_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw in: those that were given, or those of a new figure of this size in inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
        TypeError: `ax` is something else.
    """
    if ax is None:
        return new_figure(width, height).subplots()
    if not hasattr(ax, "imshow"):
        raise TypeError(f"ax must be the axes of a matplotlib figure, got {type(ax).__name__}")
    return ax


def as_figure(fig: Figure | SubFigure | None, width: float, height: float) -> Any:
    """Return the figure to draw in: that which was given, or a new one of this size in inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
        TypeError: `fig` is something else.
    """
    if fig is None:
        return new_figure(width, height)
    if not hasattr(fig, "subplots") or not hasattr(fig, "colorbar"):
        raise TypeError(f"fig must be a matplotlib figure, got {type(fig).__name__}")
    return fig


def make_tiles(fig: Any, rows: int, columns: int) -> list[list[Axes]]:
    """Return axes without ticks and frames, as rows of a grid."""
    grid = fig.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return [list(row) for row in grid]


def grid_size(count: int) -> tuple[int, int]:
    """Return (rows, columns) for a number of tiles."""
    columns = min(count, MAX_COLUMNS)
    return math.ceil(count / columns), columns


def show_values(axes: Axes, values: Array, low: float, high: float) -> AxesImage:
    """Show values (h, w) as colors, from `low` to `high`; around 0 if `low` is negative."""
    colors = SIGNED if low < 0 else POSITIVE
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():  # white maps need an edge
        spine.set_edgecolor("0.75")
    return axes.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="nearest")


def value_range(values: Array) -> tuple[float, float]:
    """Return the range of the colors of some values: symmetric if any is negative, else from 0."""
    high = float(abs(values).max(initial=0)) or 1.0
    return (-high if values.min(initial=0) < 0 else 0.0), high


def set_title(
    axes: Axes, title: str, side: Literal["left", "center"] = "center", points: float = TEXT_POINTS
) -> None:
    """Write lines above axes, in which "$" begins no formula, in a font that has their letters."""
    axes.set_title(title, loc=side, parse_math=False, fontproperties=font_for(title, points))


def font_for(text: str, points: float) -> FontProperties:
    """Return a font that has the letters of a text. Matplotlib's own draws boxes for what it lacks."""
    from matplotlib.font_manager import FontProperties

    path = None if text.isascii() else path_for(text)
    return FontProperties(size=points) if path is None else FontProperties(fname=path, size=points)


def plain(name: str, maximum: int = MAX_TEXT_CHARACTERS) -> str:
    """Return a name that can be drawn: without control characters, and not too long."""
    shown = escape_controls(name[: maximum + 1])  # a name from a file may have megabytes
    return shown if len(shown) <= maximum else f"{shown[: maximum - 1]}…"


def wrapped(text: str, points: float, inches: float) -> str:
    """Return a text in lines that fit a width, without control characters.

    Matplotlib's own wrapping takes "$" for a formula whatever it is told.
    """
    lines = wrap(escape_controls(text), points, 72 * inches)
    return "\n".join(shorten(line, points, 72 * inches) for line in lines)


def legible(name: str, number: int, points: float, inches: float) -> str:
    """Return the name of a class that fits a width; its number if no font here has its letters."""
    shown = plain(name) if name.isascii() or path_for(name) else f"class {number}"
    return shorten(shown, points, 72 * inches)


def expected(what: str, value: object, hint: str = "") -> TypeError:
    """Return the error for an argument of another type."""
    return TypeError(f"expected {what}, got {type(value).__name__}{f'; {hint}' if hint else ''}")


def listed(names: Sequence[str], maximum: int = 5) -> str:
    """Return the first few names for a message."""
    return list_some(names, maximum)
