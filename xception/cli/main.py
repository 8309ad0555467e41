"""Entry point of the command line: parse, run a command, turn errors into messages.

Exit status: 0 if all went well; 1 if something could not be done, such as a photograph that could not be
read; 2 for wrong use; 130 after an interrupt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from . import interrupts

TYPE_CHECKING = False  # see `xception/__init__.py`
if TYPE_CHECKING:
    from typing import TextIO


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The command and its arguments; by default those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: The arguments are wrong, or help was asked for.
    """
    # Both streams are None in a program without a console.
    sys.stdout, sys.stderr = sys.stdout or open(os.devnull, "w"), sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a file name may hold any bytes
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    try:
        try:
            return _run(argv)
        finally:
            _settle(sys.stdout, sys.stderr)
            if interrupts.arrived():  # and nobody has heard it yet
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        status = interrupts.report()
        _settle(sys.stdout, sys.stderr)
        return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        try:
            return _run_command(argv)
        finally:
            sys.stdout.flush()  # of --help, too: that it cannot be written is an error like others
    except Exception as error:
        if interrupts.arrived():  # and C code made another exception of it
            raise KeyboardInterrupt from None
        return _report(error)


def _run_command(argv: Sequence[str] | None) -> int:
    from .parser import build_parser

    arguments = build_parser(argv).parse_args(argv)  # --help ends here, and needs none of the following
    import warnings

    from ..console.progress import silenced
    from .common import warn
    from .limit_options import apply_limits

    with warnings.catch_warnings(), silenced(getattr(arguments, "quiet", False)):
        warnings.simplefilter("always", UserWarning)
        warnings.filterwarnings("ignore", module="PIL")  # about metadata, which pixels do not depend on
        warnings.showwarning = lambda message, *_: warn(str(message))
        apply_limits(arguments)
        status: int = arguments.run(arguments)
        return status


def _report(error: Exception) -> int:
    """Print a message about what ended a command; return the exit status."""
    if isinstance(error, BrokenPipeError):  # the reader closed the pipe, as `head` does
        return 1
    from ..errors import XceptionError
    from .common import complain

    if isinstance(error, OSError) and error.errno is not None:
        from .system_errors import describe

        return complain(describe(error))
    if isinstance(error, XceptionError | OSError | ValueError):
        return complain(str(error))
    if os.environ.get("XCEPTION_DEBUG"):
        raise error
    return complain(
        f"internal error, {type(error).__name__}: {error}. Please report it, with what "
        "XCEPTION_DEBUG=1 adds to this"
    )


def _settle(*streams: TextIO) -> None:
    """Drop what streams could not write. Python would try it again at its end, and exit with status 120."""
    for stream in streams:
        try:
            stream.flush()
        except (OSError, ValueError):  # a full disk, a closed pipe; or the stream is closed
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
