"""Failures: the photographs that cannot be read, raised or skipped and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


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

    Args:
        on_error: "raise", "skip", or a function that is called with each failure that is skipped.

    Attributes:
        failures: What was skipped.

    Raises:
        ValueError: `on_error` is none of these.
    """

    def __init__(self, on_error: OnError) -> None:
        if on_error not in ("raise", "skip") and not callable(on_error):
            raise ValueError(f'on_error must be "raise", "skip" or a function, got {on_error!r}')
        self.failures: list[Failure] = []
        self._on_error = on_error

    def add(self, index: int | None, path: str | None, error: Exception) -> None:
        """Raise `error`, or record it."""
        if self._on_error == "raise":
            try:
                raise error
            finally:
                del error  # its traceback holds this frame: a cycle, which would keep arrays
        _forget_tracebacks(error)
        failure = Failure(index, path, error)
        self.failures.append(failure)
        if callable(self._on_error):
            self._on_error(failure)


def _forget_tracebacks(error: BaseException | None) -> None:
    """Remove the tracebacks of an error that is kept.

    Their frames hold images, decoded in part, and through those that called them the model and the list of
    failures itself: a cycle.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
