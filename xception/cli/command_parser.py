"""A parser whose errors name the nearest word, and come with the usage of the command that was meant."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence

TYPE_CHECKING = False  # see `xception/__init__.py`
if TYPE_CHECKING:
    from typing import Any, NoReturn

#: More options than this that begin with a letter are no hint.
MAX_NEAREST = 4
MAX_COLUMNS_DIGITS = 5  #: of COLUMNS, as in `console/text_layout.py`, which a start for help does not import


class CommandParser(argparse.ArgumentParser):
    """As `argparse.ArgumentParser`, with other errors.

    A wrong option is reported before a missing one, since it is often the same, misspelt. It is reported by
    the command that does not know it. The usage names what has to be given; `--help` has the rest.
    """

    _words: Sequence[str] = ()
    _has_commands = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, **options})
        # From Python 3.14 on, argparse has colors, which follow other rules than `console/text_layout.py`,
        # and suggestions, which would be a second one. Before, nobody reads these attributes.
        self.color = False
        self.suggest_on_error = False

    def add_subparsers(self, **options: Any) -> Any:
        """Add commands, as the base class does."""
        self._has_commands = True
        return super().add_subparsers(**options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as the base class does; arguments that are left over are an error of this parser."""
        self._words = sys.argv[1:] if args is None else list(args)
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and a message, and exit with 2. A wrong option is told instead of the message."""
        lines = re.findall(r"^ +(-.*?)(?:  |$)", self.format_help(), re.MULTILINE)  # one for each option
        known = re.findall(r"(?<![\w-])--?[a-z][\w-]*", " ".join(lines))
        for word in self._words:
            name = word.partition("=")[0]
            if word == "--" or (self._has_commands and not word.startswith("-")):
                break  # what follows is no option, or a command's
            # argparse takes an option by its beginning, and -qh for -q -h.
            short = name if name.startswith("--") else name[:2]
            if re.match("--?[A-Za-z]", name) and not any(option.startswith(short) for option in known):
                message = f"there is no option {name}{nearest(name, known)}"
                break
        super().error(message)

    def format_usage(self) -> str:
        """Return the usage: what has to be given, on one line."""
        usage = re.sub(r"\[-([^][]|\[[^]]*\])*\] ?", "", " ".join(super().format_usage().split()))
        return usage.replace(self.prog, f"{self.prog} [options]", 1).rstrip() + "\n"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = nearest(str(value), choices)
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r}{hint} (choose from {', '.join(choices)})"
            )


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return a formatter that keeps the lines of an epilog.

    argparse, which makes one for each argument, would import `shutil` to learn the terminal's width.
    """
    columns = os.environ.get("COLUMNS", "")
    try:
        has_width = columns.isdecimal() and len(columns) <= MAX_COLUMNS_DIGITS
        width = int(columns) if has_width else os.get_terminal_size(1).columns
    except OSError:  # a pipe
        width = 0
    return argparse.RawDescriptionHelpFormatter(prog, width=(width or 80) - 2)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" if a known word is close, or begins with the only letter; else nothing."""
    from difflib import get_close_matches  # imported here: a start without an error does not need it

    names = {name.lstrip("-"): name for name in known}
    sought = word.lstrip("-")
    found = get_close_matches(sought, names, 1)
    if len(sought) == 1:
        found = [name for name in names if name.startswith(sought)]
    if not 0 < len(found) <= MAX_NEAREST:
        return ""
    return f"; did you mean {' or '.join(names[name] for name in found)}?"
