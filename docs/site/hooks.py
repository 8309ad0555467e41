"""What stands in the pages is run when the site is built, so that it cannot go stale.

Kinds of fenced code, besides the usual ones:

    ```python run           executed, all of a page's in one namespace; what it prints stands below
    ```python output        the same, of which only what it prints is shown
    ```console run          each line after "$ xception" is given to the command line, with its output
    ```source               the source of what is named in it, as xception.architecture.middle_flow
    ```layers               the layers of the families that are named in it, for the reference
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import re
import shlex
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
os.environ["COLUMNS"] = "96"  # in which help is laid out
FENCE = re.compile(
    r"^```(python run|python output|console run|source|layers)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def replaced(match: re.Match[str]) -> str:
        kind, code = match.groups()
        with contextlib.chdir(ROOT):
            if kind == "source":
                return _block("python", "\n\n".join(map(source, code.split())))
            if kind == "layers":
                return "\n\n".join(map(family, code.split()))
            if kind == "console run":
                return _block("console", "\n".join(map(console, code.splitlines())))
            printed = _block("text", run(code, namespace, page.file.src_uri))
            return printed if kind == "python output" else f"{_block('python', code)}\n\n{printed}"

    return FENCE.sub(replaced, markdown)


def run(code: str, namespace: dict[str, Any], name: str) -> str:
    """What code prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), namespace)
    return printed.getvalue()


def console(line: str) -> str:
    """A line "$ xception …" with what the command prints."""
    from xception.cli.main import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):  # as --help does
        status = main(shlex.split(line.removeprefix("$ xception ")))
        if status:
            raise RuntimeError(f"{line}: exit status {status}")
    return f"{line}\n{printed.getvalue().rstrip()}"


def source(path: str) -> str:
    """The source of a function or class, by its full name."""
    module, _, name = path.rpartition(".")
    return inspect.getsource(getattr(importlib.import_module(module), name)).rstrip()


def family(name: str) -> str:
    """What the reference shows of a family of layers: a class's settings are its signature."""
    from xception import layers

    module = importlib.import_module(f"xception.layers.{name}")
    heading, *_ = (module.__doc__ or name).split(".")
    kinds = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, layers.Layer) and kind.__module__ == module.__name__
    ]
    shown = (f"::: {kind.__module__}.{kind.__name__}" for kind in kinds if kind.__name__ in layers.__all__)
    options = "    options:\n      heading_level: 4\n      members: false\n      show_bases: false\n"
    options += "      merge_init_into_class: true"
    return "\n\n".join([f"### {heading}", *(f"{line}\n{options}" for line in shown)])


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
