"""What happens to photographs that cannot be read: raise, or skip and keep a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

OnError = Literal["raise", "skip"]


class Failure(NamedTuple):
    """An input that could not be read.

    Attributes:
        index: Its position among the photographs; None for a folder or pattern without any.
        path: Its path; None if it did not come from a file.
        error: Why it could not be read.
    """

    index: int | None
    path: str | None
    error: Exception

    def __str__(self) -> str:
        return str(self.error)


class FailureLog:
    """Raises the error of the first input that cannot be read, or collects those of all.

    Args:
        on_error: "raise" or "skip".
        report: Called with each failure that is skipped.

    Attributes:
        failures: What was skipped.
    """

    def __init__(self, on_error: OnError, report: Callable[[Failure], object] | None = None) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error must be "raise" or "skip", got {on_error!r}')
        self.failures: list[Failure] = []
        self._on_error = on_error
        self._report = report

    def add(self, index: int | None, path: str | None, error: Exception) -> None:
        """Raise `error`, or record it."""
        if self._on_error == "raise":
            raise error
        failure = Failure(index, path, error)
        self.failures.append(failure)
        if self._report is not None:
            self._report(failure)
