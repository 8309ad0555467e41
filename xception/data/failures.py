"""Failures: photographs that cannot be read, raised or skipped and recorded; notes on what is left out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..errors import MissingPackageError, RemoteError, printable

#: Errors that say nothing about a photograph: skipping them would leave out all that are behind one store.
NO_FAULTS = (RemoteError, MissingPackageError)


@dataclass(frozen=True)
class Failure:
    """An input that could not be read.

    Attributes:
        index: Its position among the photographs; None for a folder or pattern without any.
        path: Its path; None if it did not come from a file.
        error: Why it could not be read, without a traceback.
    """

    index: int | None
    path: str | None
    error: Exception

    def __str__(self) -> str:
        return str(self.error)


OnError = Literal["raise", "skip"] | Callable[[Failure], object]


class FailureLog:
    """Raises the error of the first input that cannot be read, or skips and collects all of them.

    A store that cannot be reached, and a package that is missing, are no faults of an input. Their errors are
    raised in any case.

    Args:
        on_error: "raise", "skip", or a function that is called with each failure that is skipped.

    Attributes:
        failures: What was skipped.
        notes: What was left out on purpose, as the warnings said.

    Raises:
        ValueError: `on_error` is none of these.
    """

    def __init__(self, on_error: OnError) -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(f'on_error must be "raise", "skip" or a function, got {on_error!r}')
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self._on_error = on_error

    def add(self, index: int | None, path: str | None, error: Exception) -> None:
        """Raise `error`, or record it."""
        if self._on_error == "raise" or isinstance(error, NO_FAULTS):
            try:
                raise error
            finally:
                del error  # its traceback holds this frame: a cycle, which would keep arrays
        _forget_tracebacks(error)
        failure = Failure(index, path, error)
        self.failures.append(failure)
        if callable(self._on_error):
            self._on_error(failure)

    def note(self, message: str) -> None:
        """Warn at the call of the library about what is left out on purpose; each message appears once."""
        message = printable(message)
        if message not in self.notes:
            self.notes.append(message)
            warnings.warn(message, stacklevel=_caller_level())


def _caller_level() -> int:
    """Return the `stacklevel` of the first caller outside this package, for a warning."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level


def _forget_tracebacks(error: BaseException | None) -> None:
    """Remove the tracebacks of an error that is kept.

    Their frames hold images, decoded in part, and through those that called them the model and the list of
    failures itself: a cycle.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
