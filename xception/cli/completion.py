"""Scripts by which shells complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ..errors import requires

MODEL_SUFFIXES = ("keras", "h5", "zip", "pth", "pt", "safetensors")
#: What names a model: an option, and arguments of some commands.
MODEL_DESTINATIONS = ("model", "source", "file")
FOLDER_METAVARS = ("DIR", "FOLDER", "FOLDER/")
FILE_METAVARS = ("FILE", "FILE.csv", "FILE.png", "IN", "OUT", "PATH", "PHOTO", "QUERY")

#: For bash: files of models, and folders, in which models may lie.
BASH_FUNCTION = "\n".join(
    [
        "_xception_models() {",
        *(f"  compgen -f -X '!*.{suffix}' -- \"$1\"" for suffix in MODEL_SUFFIXES),
        '  compgen -d -- "$1"',
        "}",
    ]
)
FISH_FUNCTION = "\n".join(
    [
        "function _xception_models",
        *(f"  __fish_complete_suffix .{suffix} | string match -r '.*(?:/|\\.{suffix})(?:\\t.*)?$'"
          for suffix in MODEL_SUFFIXES),
        "end",
    ]
)  # fmt: skip
MODELS = {
    "bash": "_xception_models",
    "zsh": f"_files -g '*.({'|'.join(MODEL_SUFFIXES)})'",
    "fish": "(_xception_models | sort -u)",
}


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell.

    Args:
        parser: The parser, with the arguments of every command.
        shell: "bash", "zsh" or "fish".

    Raises:
        MissingPackageError: shtab is not installed.
    """
    with requires("--print-completion", "the extra 'completion'", "'xception[completion]'"):
        import shtab

    for action in _actions(parser):
        if action.dest in MODEL_DESTINATIONS:
            action.complete = MODELS  # type: ignore[attr-defined]
        elif action.metavar in FOLDER_METAVARS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar in FILE_METAVARS:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(parser, shell=shell, preamble={"bash": BASH_FUNCTION, "fish": FISH_FUNCTION})
    return script


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a parser, its commands, and their actions."""
    for action in parser._actions:
        if action.nargs == argparse.PARSER and isinstance(action.choices, dict):  # its commands
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
