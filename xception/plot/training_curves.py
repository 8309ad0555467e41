"""Curves of a training as a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..kernels import Array
from ..training.callbacks.history import History
from ..training.fine_tuning.report import FineTuning
from .figures import as_figure, expected, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

PANEL_WIDTH, PANEL_HEIGHT = 4.2, 2.9  #: inches
COLUMNS = 2
VALIDATION = "val_"
#: Apart in lightness, too, and the second is dashed.
STYLES = {"training": ("#26547c", "-"), "validation": ("#e07a1f", "--")}


def history(history: History | FineTuning, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the curves of a training: a panel for each figure, with training and validation in one panel.

    Args:
        history: What `Trainer.fit` or `fine_tune` returns. The best epoch of the latter is marked.
        fig: A figure to draw in. None: a new one.

    Returns:
        The figure. A notebook shows it. `History.save("curves.svg")` needs no matplotlib.

    Raises:
        MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        TypeError: `history` is neither.
        ValueError: It has no epochs.
    """
    curves = history.history if isinstance(history, FineTuning) else history
    if not isinstance(curves, History):
        raise expected("the History that Trainer.fit returns, or a FineTuning", history)
    names = list(dict.fromkeys(name.removeprefix(VALIDATION) for name in curves.history))
    if not curves.epoch or not names:
        raise ValueError("the history has no epochs yet, expected that of a training")
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = as_figure(fig, PANEL_WIDTH * columns, PANEL_HEIGHT * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    epochs = [epoch + curves.shown_from for epoch in curves.epoch]
    for panel, name in zip(panels, names, strict=False):
        for kind, key in (("training", name), ("validation", f"{VALIDATION}{name}")):
            if key in curves.history:
                color, dashes = STYLES[kind]
                values = np.array(curves.history[key])
                style = {"color": color, "marker": "o", "markevery": _find_alone(values), "label": kind}
                panel.plot(epochs, values, dashes, **style)
        if isinstance(history, FineTuning):
            panel.axvline(history.best_epoch, color="0.6", linewidth=1, zorder=0, label="best epoch")
        panel.set_title(plain(name), fontsize=10, parse_math=False)
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if len(set(epochs)) == 1:
            panel.set(xticks=epochs[:1], xlim=(epochs[0] - 1, epochs[0] + 1))
        panel.grid(color="0.9")
        if len(panel.lines) > 1:
            panel.legend(fontsize=8, frameon=False)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    return figure


def _find_alone(values: Array) -> list[int]:
    """Return the numbers (n,) that have no neighbor: a line shows none of them."""
    known = np.r_[False, np.isfinite(values), False]
    return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:]).tolist()
