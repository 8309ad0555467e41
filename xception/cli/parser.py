"""The parser: which commands there are, and what each takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from ..version import __version__
from .command_parser import CommandParser
from .examples import EXAMPLES

#: Each command is a module of this package with `add_arguments(parser)` and `run(arguments) -> status`, which
#: calls `arguments.fail(message)` for arguments that do not go together.
COMMANDS = {
    "predict": "predict what photographs show",
    "features": "write the features of each photograph to a file",
    "gather": "make one file of what a folder of shards holds",
    "similar": "find the most similar photographs",
    "explain": "show which parts of a photograph support a class",
    "evaluate": "measure how often a model is right",
    "fit": "train a model on your own classes",
    "fine-tune": "train the layers of a network on your own classes, labels or numbers",
    "summary": "print the table of a network's layers",
    "inspect": "show what a model file contains, and whether it runs here",
    "convert": "convert a model into a file of another framework",
    "serve": "answer over HTTP, with a page to drop a photograph on",
    "weights": "locate, download or verify the ImageNet weights",
    "cache": "show or clear computed features that are kept for later calls",
}
SHELLS = ("bash", "zsh", "fish")
#: Commands that compute nothing.
WITHOUT_LIMITS = ("cache", "gather", "weights")
#: Commands that go through photographs, and take --quiet; `weights download` does, too.
WITH_PROGRESS = ("predict", "features", "similar", "explain", "evaluate", "fit", "fine-tune", "gather")


def build_parser(argv: Sequence[str] | None = None, every_command: bool = False) -> CommandParser:
    """Return the parser for a command line.

    Args:
        argv: The command and its arguments; by default those of the process. Only the module of the
            command that is named is imported: that keeps the start quick.
        every_command: Whether to import all of them, and add their arguments.
    """
    parser = CommandParser(
        prog="xception",
        description="The complete Xception network in pure Python on NumPy.",
        epilog="xception COMMAND --help shows the options of a command, and examples.",
    )
    parser.add_argument("--version", action="version", version=f"xception {__version__}")
    parser.add_argument(
        "--print-completion", action=_PrintCompletion, metavar="SHELL", choices=SHELLS,
        help="print a script that completes commands, options and files in bash, zsh or fish; needs the "
        "extra 'completion'",
    )  # fmt: skip
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    words = sys.argv[1:] if argv is None else argv
    for name, text in COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_epilog(name)
        )
        if every_command or name in words[:1]:
            _add_arguments(command, name)
    return parser


def _add_arguments(command: argparse.ArgumentParser, name: str) -> None:
    """Import the module of a command, and add its arguments."""
    from .common import add_quiet
    from .limit_options import add_limits

    module = import_module(f".{name.replace('-', '_')}", __package__)
    module.add_arguments(command)
    if name in WITH_PROGRESS:
        add_quiet(command)
    if name not in WITHOUT_LIMITS:
        add_limits(command)
    command.set_defaults(run=module.run, fail=command.error)


def _epilog(name: str) -> str:
    return "\n".join(["examples:", *(f"  xception {example}" for example in EXAMPLES[name])])


class _PrintCompletion(argparse.Action):
    """Print the script of a shell, and exit."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, _: object = None
    ) -> None:
        from ..errors import MissingPackageError
        from .completion import completion_script

        try:
            script = completion_script(build_parser((), every_command=True), str(values))
        except MissingPackageError as error:
            parser.exit(1, f"xception: {error}\n")
        print(script)
        parser.exit()
