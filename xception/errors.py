"""Exceptions of the library, all of them.

    XceptionError
    ├ ModelFileError    (ValueError)  a model or weights file that cannot be read, or does not fit
    ├ GraphError        (ValueError)  a node that does not fit where it was put
    │ └ NoGradientError               a layer without a gradient rule
    ├ LimitError        (ValueError)  more memory or work than the limits allow
    ├ JobError          (ValueError)  a job's folder that is damaged, or another job's
    ├ TrainingError     (ArithmeticError)  a loss or gradient that stays infinite or NaN
    ├ ImageError        (OSError)     a photograph that cannot be read
    ├ DownloadError     (OSError)     weights that are neither on this machine nor available
    ├ RemoteError       (OSError)     a store behind a URL that does not answer, or refuses to
    └ MissingPackageError (ImportError)  a Python package that is needed for this is not installed

Arguments of the wrong type or value raise Python's own TypeError and ValueError, missing files
FileNotFoundError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

#: A message may quote names from a hostile file, which can be megabytes long.
MAX_MESSAGE_CHARACTERS = 4000


class XceptionError(Exception):
    """Base class of all exceptions of this library."""


class ModelFileError(XceptionError, ValueError):
    """A model or weights file is damaged, malicious, or does not fit the model.

    A model that was to load the file is unchanged. The message is safe to print on a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class GraphError(XceptionError, ValueError):
    """A node does not fit where it was put in a graph. The message begins with the node's name."""


class NoGradientError(GraphError):
    """A layer has no gradient rule."""


class LimitError(XceptionError, ValueError):
    """A model needs more memory or work than the limits allow. The message says which limit would do."""


class JobError(XceptionError, ValueError):
    """A folder holds another job than the one that is to be run, or a damaged one. The message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class TrainingError(XceptionError, ArithmeticError):
    """The loss or the gradient of several batches in a row is infinite or NaN. The message says what to try.

    The model has the weights of the last good epoch.
    """


class ImageError(XceptionError, OSError):
    """A photograph cannot be read. The message begins with its name."""


class DownloadError(XceptionError, OSError):
    """Weights are neither on this machine nor available. The message says how to provide them."""


class RemoteError(XceptionError, OSError):
    """A store behind a URL cannot be reached, does not know the credentials, or fails.

    What was asked of it may succeed later: it says nothing about a photograph. A file that does not exist
    raises FileNotFoundError, one that may not be read PermissionError. The message begins with the URL.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class MissingPackageError(XceptionError, ImportError):
    """A Python package that is needed for this is not installed. The message says how to install it."""


@contextmanager
def requires(activity: str, package: str, requirement: str | None = None) -> Iterator[None]:
    """Import an optional package within a `with` block.

    Args:
        activity: What needs it, such as "writing .parquet".
        package: Its name.
        requirement: The argument of `pip install`, if it differs from the name.

    Raises:
        MissingPackageError: The package, or one that it imports itself, is not installed.
    """
    try:
        yield
    except ModuleNotFoundError:
        raise MissingPackageError(
            f"{activity} needs {package}, which is not installed: pip install {requirement or package}"
        ) from None


def raise_first(errors: list[BaseException]) -> NoReturn:
    """Raise the first of some errors, and forget all of them.

    Its traceback holds the frames that it passes, and they hold the list. If the list still held the error,
    only the garbage collector would free it, and with it every array that these frames refer to.
    """
    try:
        raise errors[0]
    finally:
        errors.clear()


def printable(message: str) -> str:
    """Return `message` truncated to MAX_MESSAGE_CHARACTERS, with control characters escaped."""
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = f"{message[:MAX_MESSAGE_CHARACTERS]}…"
    return escape_controls(message)


def escape_controls(text: str, keep: str = "") -> str:
    """Return `text` with every unprintable character escaped, except those in `keep`.

    Text from a file could otherwise move a terminal's cursor or clear its window.
    """
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
