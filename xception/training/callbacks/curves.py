"""Curves of training as an SVG picture, without matplotlib."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...console.tables import cut_middle
from ...errors import escape_controls

PANEL_WIDTH, PANEL_HEIGHT = 340, 210  #: pixels of the area between the axes
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 44, 40  #: pixels around it
COLUMNS = 2
MAX_TICKS = 6
SMALLEST_PLAIN = 0.001  #: what is smaller is written as 1.5e-4
LARGEST = 1e300  #: what is larger is a gap: differences of such numbers are infinite
#: A curve within this part of its values, or this difference, is a flat line: the rest is rounding.
FLAT_SHARE, FLAT = 1e-9, 1e-300
MAX_TITLE_COLUMNS = 24  #: beside the key

LIGHT = {"back": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#d8dee4",
         "training": "#4c78a8", "validation": "#d1495b"}  # fmt: skip
DARK = {"back": "#16191d", "ink": "#e6edf3", "soft": "#9198a1", "grid": "#333a42",
        "training": "#7fb0e6", "validation": "#ff8c9b"}  # fmt: skip
#: For the dark. Every rule names the class of the picture: a notebook applies it to its whole page. All else
#: is in attributes, since many programs that show SVG know no rules.
STYLE = """@media (prefers-color-scheme: dark) {{
.xception-curves .back {{ fill: {back}; }}
.xception-curves text {{ fill: {soft}; }}
.xception-curves .title {{ fill: {ink}; }}
.xception-curves .grid {{ stroke: {grid}; }}
.xception-curves .training {{ stroke: {training}; }}
.xception-curves .validation {{ stroke: {validation}; }}
}}""".format(**DARK)


def draw_curves(
    epochs: Sequence[int],
    history: Mapping[str, Sequence[float]],
    shown_from: int = 1,
    columns: int = COLUMNS,
    standalone: bool = False,
) -> str:
    """Draw a panel for each figure, with training and validation in one panel.

    Args:
        epochs: The epochs, from 0.
        history: {name: a number for each epoch}. "val_" stands before the names of validation figures. What
            is not finite is a gap.
        shown_from: The number under which epoch 0 is shown.
        columns: How many panels stand beside each other.
        standalone: Whether it is for a file, and not for a page that may be narrower.

    Returns:
        An SVG element, which shows itself light or dark as the reader's system is.
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    columns = max(1, min(columns, len(names)))
    width, height = PANEL_WIDTH + LEFT + RIGHT, PANEL_HEIGHT + TOP + BOTTOM
    full_width, full_height = width * columns, height * max(1, math.ceil(len(names) / columns))
    responsive = "" if standalone else ' style="max-width:100%;height:auto"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="xception-curves" role="img" width="{full_width}" '
        f'height="{full_height}" viewBox="0 0 {full_width} {full_height}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{LIGHT["soft"]}"{responsive}>',
        f"<title>{html.escape(_describe(epochs, history))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{full_width}" height="{full_height}" fill="{LIGHT["back"]}"/>',
    ]
    for i, name in enumerate(names):
        row, column = divmod(i, columns)
        curves = {
            kind: [value if abs(value) <= LARGEST else math.nan for value in history[key]]
            for kind, key in (("training", name), ("validation", f"val_{name}"))
            if key in history
        }
        parts.append(f'<g transform="translate({column * width + LEFT} {row * height + TOP})">')
        parts += _panel(name, [epoch + shown_from for epoch in epochs], curves)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"])


def _panel(name: str, epochs: Sequence[int], curves: Mapping[str, Sequence[float]]) -> Iterable[str]:
    """Yield the elements of a panel, whose area begins at (0, 0). Epochs are numbered as they are shown."""
    numbers = [value for values in curves.values() for value in values if math.isfinite(value)]
    y_ticks = ticks(min(numbers, default=0.0), max(numbers, default=1.0))
    # Not the ends: a history may hold two trainings.
    first, last = min(epochs, default=1), max(epochs, default=1)

    def x_of(epoch: float) -> float:
        return PANEL_WIDTH * ((epoch - first) / (last - first) if last > first else 0.5)

    def y_of(value: float) -> float:
        return PANEL_HEIGHT * (1 - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]))

    title = cut_middle(escape_controls(name), MAX_TITLE_COLUMNS)
    font = f'fill="{LIGHT["ink"]}" font-weight="600" font-size="13"'
    yield f'<text class="title" x="0" y="-24" {font}>{html.escape(title)}</text>'
    x_key = PANEL_WIDTH
    for kind in [*curves][::-1] if "validation" in curves else ():  # one curve needs no key
        x_key -= 78
        label = "training" if kind == "training" else "validation"
        yield (
            f'<line class="{kind}" x1="{x_key}" x2="{x_key + 14}" y1="-28" y2="-28" stroke="{LIGHT[kind]}" '
            'stroke-width="3"/>'
        )
        yield f'<text x="{x_key + 19}" y="-24">{label}</text>'
    for tick in y_ticks:
        y = y_of(tick)
        place = f'x1="0" x2="{PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"'
        yield f'<line class="grid" {place} stroke="{LIGHT["grid"]}"/>'
        yield f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{_tick_text(tick)}</text>'
    x_ticks = [t for t in ticks(first, last) if first <= t <= last and t == int(t)]
    for tick in x_ticks if first < last else [first]:
        yield f'<text x="{x_of(tick):.1f}" y="{PANEL_HEIGHT + 17}" text-anchor="middle">{tick:.0f}</text>'
    yield f'<text x="{PANEL_WIDTH / 2}" y="{PANEL_HEIGHT + 33}" text-anchor="middle">epoch</text>'
    for kind, values in curves.items():
        points = [(x_of(epoch), y_of(value)) for epoch, value in zip(epochs, values, strict=False)]
        yield (
            f'<path class="{kind}" fill="none" stroke="{LIGHT[kind]}" stroke-width="2" '
            f'stroke-linejoin="round" stroke-linecap="round" d="{_path(points)}"/>'
        )


def _tick_text(tick: float) -> str:
    """Return a number that fits left of the area: small ones as 1.5e-4."""
    if tick and abs(tick) < SMALLEST_PLAIN:
        mantissa, exponent = f"{tick:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{tick:.6g}"


def _path(points: Iterable[tuple[float, float]]) -> str:
    """Return the path through points. It begins anew after a gap; a point by itself is a dot."""
    parts, is_drawn = [], False
    for x, y in points:
        if math.isfinite(y):
            parts.append(f"L{x:.1f} {y:.1f}" if is_drawn else f"M{x:.1f} {y:.1f}h0")
        is_drawn = math.isfinite(y)
    return "".join(parts)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers, equally far apart, the first at most `low` and the last at least `high`.

    Examples:
        >>> ticks(0.13, 0.87)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    size = max(abs(low), abs(high))
    if not high - low > max(FLAT_SHARE * size, FLAT):
        margin = size / 2 if size > FLAT else 0.5
        low, high = low - margin, high + margin
    step = 10.0 ** math.floor(math.log10((high - low) / MAX_TICKS))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if (high - low) / (step * factor) <= MAX_TICKS - 1)
    count = np.arange(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)
    return [float(f"{tick:.12g}") for tick in count * step]


def _describe(epochs: Sequence[int], history: Mapping[str, Sequence[float]]) -> str:
    """Return the curves in words, for screen readers."""
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.items() if len(values))
    return f"Training over {len(epochs)} epochs. After the last one: {last or 'nothing'}"
