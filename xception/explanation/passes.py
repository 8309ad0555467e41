"""Progress over photographs, counted in forward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from ..console.progress import DELAY_SECONDS, ProgressBar, Verbose


class PassProgress:
    """Progress over photographs, shown in forward passes where each photograph takes many.

    Passes are counted as they are done. When a photograph is done, the bar advances by the passes that
    it did not need, or all of them if it could not be read.
    """

    def __init__(self, photographs: int | None, passes: int, verbose: Verbose) -> None:
        total = None if photographs is None else photographs * passes
        delay = DELAY_SECONDS if photographs == 1 else 0.0  # the passes of a small photograph take no time
        self._bar = ProgressBar(total, "photo" if passes == 1 else "prediction", verbose, delay)
        self._passes, self._counted = passes, 0

    def __enter__(self) -> PassProgress:
        self._bar.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._bar.__exit__(*exception)

    def count(self, passes: int) -> None:
        """Count forward passes that are done."""
        self._counted += passes
        self._bar.advance(passes)

    def advance(self, steps: int) -> None:
        """Advance by photographs that are done, whose passes have been counted."""
        self._bar.advance(steps * self._passes - self._counted)
        self._counted = 0

    def paused(self) -> AbstractContextManager[object]:
        """Hide the bar while something else is printed."""
        return self._bar.paused()
