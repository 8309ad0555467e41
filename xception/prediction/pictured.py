"""What results of an evaluation have in common: their worst mistakes as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class WithMistakes:
    """A result whose worst mistakes can be drawn."""

    def plot_mistakes(self: Any, n: int = 12) -> Figure:
        """Draw the photographs with the worst mistakes, or the largest errors. See `xception.plot.mistakes`.

        Args:
            n: How many at most, 48 or fewer.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
            ValueError: `n` is not an integer from 1 to 48.
        """
        from .. import plot  # a higher room

        return plot.mistakes(self, n)
