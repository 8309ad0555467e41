"""What stands in the pages is run when the site is built, so that it cannot go stale.

Three kinds of fenced code, besides the usual ones:

    ```python run           executed, all of a page's in one namespace; what it prints stands below
    ```console run          each line after "$ xception" is given to the command line, with its output
    ```source               the source of what is named in it, as xception.architecture.middle_flow
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
FENCE = re.compile(r"^```(python run|console run|source)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def replaced(match: re.Match[str]) -> str:
        kind, code = match.groups()
        with contextlib.chdir(ROOT):
            if kind == "source":
                return _block("python", "\n\n".join(map(source, code.split())))
            if kind == "console run":
                return _block("console", "\n".join(map(console, code.splitlines())))
            return _block("python", code) + "\n\n" + _block("text", run(code, namespace, page.file.src_uri))

    return FENCE.sub(replaced, markdown)


def run(code: str, namespace: dict[str, Any], name: str) -> str:
    """What code prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, name, "exec"), namespace)
    return printed.getvalue()


def console(line: str) -> str:
    """A line "$ xception …" with what the command prints."""
    from xception.cli import main

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


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
