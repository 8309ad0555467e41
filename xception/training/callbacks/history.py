"""History of a training: the figures of each epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.atomic import replace_file
from .base import Callback, Logs
from .curves import draw_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Epochs that the text shows; of longer histories the last ones.
MAX_EPOCHS_SHOWN = 20


class History(Callback):
    """The figures of each epoch. A notebook shows them as curves.

    Training figures are running means of an epoch, with dropout, augmentation and weights. Validation
    figures ("val_…") are those of the model after it.

    Args:
        shown_from: The number under which epoch 0 is shown: 1 as in Keras; 0 where epoch 0 is a state before
            training, as in `fine_tune`.

    Attributes:
        history: {name: a number for each epoch}; NaN for an epoch without this figure.
        epoch: The epochs, from 0.
        shown_from: See above.
    """

    is_recorder = True

    def __init__(self, shown_from: int = 1) -> None:
        self.shown_from = shown_from
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.append(epoch, logs or {})

    def append(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add an epoch.

        Args:
            epoch: The epoch.
            logs: Its figures by name.
        """
        count = len(self.epoch)
        self.epoch.append(epoch)
        for name in {**self.history, **logs}:
            values = self.history.setdefault(name, [float("nan")] * count)
            values.append(float(logs.get(name, "nan")))

    def to_svg(self, columns: int = 2, *, standalone: bool = False) -> str:
        """Return the curves as an SVG picture, which needs nothing else to be shown.

        Args:
            columns: How many panels stand beside each other; 1 is legible on a phone.
            standalone: Whether it is for a file of its own. Otherwise it is never wider than its page.
        """
        return draw_curves(self.epoch, self.history, self.shown_from, columns, standalone)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the curves into an SVG file. A former file is replaced when the new one is complete.

        Args:
            path: A path with the suffix `.svg`.

        Raises:
            ValueError: `path` has another suffix.
            OSError: The file cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise ValueError(f"{target}: curves are written as .svg")
        with replace_file(target) as temporary:
            temporary.write_text(self.to_svg(standalone=True), "utf-8")

    def plot(self) -> Figure:
        """Draw the curves with matplotlib, which writes other formats. See `xception.plot.history`.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
            ValueError: There are no epochs yet.
        """
        from ... import plot  # a higher room

        return plot.history(self)

    def __str__(self) -> str:
        names = list(self.history)
        rows = [["epoch", *names]]
        for i in range(len(self.epoch))[-MAX_EPOCHS_SHOWN:]:
            figures = (self.history[name][i] for name in names)
            rows.append(
                [str(self.epoch[i] + self.shown_from), *("–" if v != v else f"{v:.4g}" for v in figures)]
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<History: {len(self.epoch)} epochs of {', '.join(self.history) or 'nothing'}>"

    def _repr_html_(self) -> str:
        return self.to_svg()
