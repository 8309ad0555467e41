"""A bar on stderr for what takes long."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

PATIENCE = 2.0  #: seconds before a bar shows itself


class ProgressBar:
    """A bar that stays away as long as there is little to wait for.

    verbose: 0 for no bar, 1 for one at once, "auto" for one that appears after two seconds.
    """

    def __init__(self, total: int, unit: str, verbose: str | int = "auto") -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f'verbose must be "auto", 0, 1 or 2, got {verbose!r}')
        self._total, self._unit = total, unit
        self._begun, self._done = time.time(), 0
        self._patience = {"auto": PATIENCE, 0: float("inf")}.get(verbose, 0.0)
        if sys.stderr is None:  # a windowed program has none
            self._patience = float("inf")
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> ProgressBar:
        self.advance(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, done: int) -> None:
        """`done` more of the total are finished."""
        self._done += done
        if self._bar is not None:
            self._bar.update(done)
        elif time.time() - self._begun >= self._patience:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=self._unit)
            self._bar.start_t = self._begun
            self._bar.update(self._done)

    def aside(self) -> AbstractContextManager[object]:
        """Take the bar off the screen while something else is printed."""
        return nullcontext() if self._bar is None else self._bar.external_write_mode()
