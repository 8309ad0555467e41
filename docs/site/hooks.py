"""Code in the pages, run when the site is built, so that the output shown is real.

Kinds of fenced code, in addition to the usual ones:

    ```python run           run in one namespace per page; its output is shown below
    ```python output        the same, but only the output is shown
    ```python figure "…"    the same; its last line is a picture, which is shown: SVG, an object with
                            `to_svg()`, a figure of matplotlib, or a PIL image. "…" describes it for those
                            who do not see it
    ```console run          each line "$ xception …" is run, and shown with its output
    ```source               the source of the objects named, such as xception.architecture.middle_flow
    ```layers               reference entries for the layers of the modules named, such as core
"""

from __future__ import annotations

import ast
import base64
import contextlib
import importlib
import inspect
import io
import os
import re
import shlex
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^```(python run|python output|python figure|console run|source|layers)(?: \"(.*?)\")?\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
#: A notebook is a file of the repository beside docs/, and a page of the site within it.
NOTEBOOK_LINK = re.compile(r"\]\(\.\./((?:\.\./)*)notebooks/(\w+)\.ipynb\)")
os.environ["COLUMNS"] = "80"  # of a page on a narrow screen


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the fenced code of a page; MkDocs calls this for each page."""
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def replace(match: re.Match[str]) -> str:
        kind, text, code = match.groups()
        with contextlib.chdir(ROOT):
            if kind == "source":
                return fenced("python", "\n\n".join(map(source, code.split())))
            if kind == "layers":
                return "\n\n".join(map(layer_entries, code.split()))
            if kind == "console run":
                return fenced("console", "\n".join(map(run_command, code.splitlines())))
            if kind == "python figure":
                return f"{fenced('python', code)}\n\n{draw_figure(code, namespace, page.file.src_uri, text)}"
            output = fenced("text", run_python(code, namespace, page.file.src_uri))
            return output if kind == "python output" else f"{fenced('python', code)}\n\n{output}"

    return NOTEBOOK_LINK.sub(r"](\1notebooks/\2.md)", FENCE.sub(replace, markdown))


def run_python(code: str, namespace: dict[str, Any], page: str) -> str:
    """Run code, and return what it prints."""
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        exec(compile(code, page, "exec"), namespace)
    return stdout.getvalue()


def draw_figure(code: str, namespace: dict[str, Any], page: str, text: str | None) -> str:
    """Run code, and return the picture of its last expression as HTML.

    Raises:
        RuntimeError: The last line is no expression, or there is no text for a picture that has none within.
    """
    *statements, last = ast.parse(code, page).body
    if not isinstance(last, ast.Expr):
        raise RuntimeError(f"{page}: the last line of a figure must be an expression")
    exec(compile(ast.Module(statements, []), page, "exec"), namespace)
    value = eval(compile(ast.Expression(last.value), page, "eval"), namespace)
    if hasattr(value, "savefig"):
        stream = io.BytesIO()
        value.savefig(stream, format="png", dpi=120)
        value = Image.open(stream)
    if isinstance(value, Image.Image):
        if text is None:
            raise RuntimeError(f'{page}: a picture needs a text: ```python figure "…"')
        stream = io.BytesIO()
        value.convert("RGB").save(stream, "WEBP", quality=82)
        content = base64.b64encode(stream.getvalue()).decode()
        return f'<img class="drawn" alt="{escape(text)}" src="data:image/webp;base64,{content}">'
    svg = value if isinstance(value, str) else value.to_svg()
    lines = (line for line in svg.splitlines() if line.strip())  # an empty one would end the element
    return "\n".join(['<figure class="drawn">', *lines, "</figure>"])


def run_command(line: str) -> str:
    """Run a line "$ xception …", and return it with what the command prints.

    Raises:
        RuntimeError: The command failed.
    """
    from xception.cli.main import main

    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        try:
            status = main(shlex.split(line.removeprefix("$ xception ")))
        except SystemExit as stop:  # --help, or wrong arguments
            status = int(stop.code or 0)
    if status:
        raise RuntimeError(f"{line}: exit status {status}")
    return f"{line}\n{stdout.getvalue().rstrip()}"


def source(name: str) -> str:
    """Return the source of a function or class, given its full name."""
    module, _, attribute = name.rpartition(".")
    return inspect.getsource(getattr(importlib.import_module(module), attribute)).rstrip()


def layer_entries(module_name: str) -> str:
    """Return the reference entries of the public layers of a module of `xception.layers`."""
    from xception import layers

    module = importlib.import_module(f"xception.layers.{module_name}")
    names = [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, layers.Layer)
        and value.__module__ == module.__name__
        and name in layers.__all__
    ]
    options = "    options:\n      heading_level: 3\n      members: false"
    return "\n\n".join(f"::: {module.__name__}.{name}\n{options}" for name in names)


def fenced(language: str, text: str) -> str:
    """Return text as a fenced code block."""
    return f"```{language}\n{text.rstrip()}\n```"
