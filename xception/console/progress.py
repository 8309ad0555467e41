"""Progress bar on stderr, for work that takes long."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tqdm import tqdm

#: "auto": a bar that appears when the work takes long; 0: none; 1 or 2: a bar at once.
Verbose = Literal["auto", 0, 1, 2]

DELAY_SECONDS = 2.0  #: before an "auto" bar appears: shorter work needs none


class ProgressBar:
    """A progress bar that by default appears only when the work takes long. Use it as a context manager.

    Args:
        total: Number of steps; None if unknown.
        unit: What a step is, shown behind the count: "image".
        verbose: "auto" for a bar that appears after two seconds, 0 for none, 1 or 2 for one at once.

    Raises:
        ValueError: `verbose` is none of these.
    """

    def __init__(self, total: int | None, unit: str, verbose: Verbose = "auto") -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f'verbose must be "auto", 0, 1 or 2, got {verbose!r}')
        self._total, self._unit = total, unit
        self._start, self._done = time.time(), 0
        self._delay = {"auto": DELAY_SECONDS, 0: float("inf")}.get(verbose, 0.0)
        if sys.stderr is None:  # a program without a console
            self._delay = float("inf")
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> ProgressBar:
        self.advance(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, steps: int) -> None:
        """Add to the number of finished steps."""
        self._done += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif time.time() - self._start >= self._delay:
            self._bar = open_bar(self._total, self._unit)
            if self._bar is None:
                self._delay = float("inf")
            else:
                self._bar.start_t = self._start
                self._bar.update(self._done)

    def paused(self) -> AbstractContextManager[object]:
        """Clear the bar from the screen within a `with` block, which may print something else."""
        return nullcontext() if self._bar is None else self._bar.external_write_mode()


def open_bar(total: int | None, unit: str, **settings: Any) -> tqdm[Any] | None:
    """Return a tqdm bar, or None if tqdm is not installed.

    Args:
        total: Number of steps; None if unknown.
        unit: Name of a step.
        **settings: Further arguments of tqdm.
    """
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm(total=total, unit=unit, **settings)
