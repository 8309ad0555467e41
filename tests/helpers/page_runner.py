"""Runs the code of a page in the current folder: python page_runner.py PAGE.

The last line of stdout is a JSON list of what was left out, because a package of an extra is not installed.
"""

import ast
import contextlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import page_files
from page_code import Block, read_blocks, read_lines

import xception
from xception.cli.main import main as run_xception
from xception.models import pretrained
from xception.prediction import preprocessing

#: Programs of others. A line that begins with one of them is not run.
OTHERS = {
    "apt-get", "curl", "dask", "docker", "export", "gcloud", "git", "gunicorn", "java", "kubectl",
    "lint-imports", "mypy", "pip", "pytest", "ruff",
}  # fmt: skip

SIZE = 71  #: pixels each way of photographs, where a model takes any size: the smallest

_missing: list[str] = []  # what each MissingPackageError said, also if a command made a message of it


class FailedError(Exception):
    """A command of a page failed."""


def main(page: Path) -> None:
    blocks = needed(read_blocks(page))
    text = "".join(block.code for block in blocks)
    page_files.make_files(text, Path())
    stand_in()
    be_quick(text)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    left_out: list[str] = []
    with contextlib.redirect_stdout(sys.stderr):
        for block in blocks:
            for line, step in steps(block, page, namespace):
                start = time.perf_counter()
                if reason := missing_package(step, is_first=not left_out):
                    left_out.append(f"line {line}: {reason}")
                print(f"{page}:{line}: {time.perf_counter() - start:.1f} s")
    print(json.dumps(left_out))


def missing_package(step: Callable[[], None], is_first: bool) -> str | None:
    """Run a step; return None, or the reason if it needs a package that is not installed.

    Args:
        step: What is run.
        is_first: False if a step before was left out, whose names and files this one may use.
    """
    _missing.clear()
    try:
        step()
    except ModuleNotFoundError as error:
        if str(error.name).startswith("xception"):
            raise
        return str(error)
    except (FailedError, NameError, OSError, xception.XceptionError) as error:
        if not _missing and is_first:
            raise
        return _missing[0] if _missing else str(error)
    return None


def needed(blocks: list[Block]) -> list[Block]:
    """Return the blocks that run, and those run by the site that define a name which a later one uses."""
    chosen: list[Block] = []
    wanted: set[str] = set()
    for block in reversed(blocks):
        if not block.language.startswith("python") or block.reason is not None:
            defined, used = set(), set()
        else:
            defined, used = names_of(block)
        if block.runs or defined & wanted:
            chosen.insert(0, block)
            wanted = (wanted - defined) | used
    return chosen


def names_of(block: Block) -> tuple[set[str], set[str]]:
    """Return the names that Python code defines, and those that it uses and does not define."""
    defined, used = set(), set()
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.alias):
            defined.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
    return defined, used - defined


def stand_in() -> None:
    """Let a file of any content be the ImageNet weights, and note packages that are missing."""
    pretrained.WeightsFile.is_whole = lambda self, path: path.is_file()  # type: ignore[method-assign]
    xception.MissingPackageError.__init__ = (  # type: ignore[method-assign]
        lambda self, message: _missing.append(message)
    )


def be_quick(text: str) -> None:
    """Make what takes minutes quick: smaller photographs, a tiny base to tune, two channels of Score-CAM.

    Args:
        text: The code of the page. The modules of what it does not name are not imported.
    """
    preprocessing.DEFAULT_SIZE = SIZE
    if "fit" in text:
        from xception.training import pixel_models

        pixel_models.build_pixel_network.__defaults__ = ((SIZE, SIZE), None)
    if "fine-tune" in text or "fine_tune" in text:
        from xception.training.fine_tuning import starting_model

        starting_model.pixel_base = lambda _: page_files.tiny_base()
    if "explain" in text:
        from xception.explanation.explainer import Explainer

        set_defaults(xception.explain, channels=2)
        set_defaults(Explainer.__init__, channels=2)


def set_defaults(function: Callable[..., Any], **defaults: int) -> None:
    """Change the defaults of keyword-only arguments."""
    assert function.__kwdefaults__.keys() >= defaults.keys()
    function.__kwdefaults__.update(defaults)


def steps(block: Block, page: Path, namespace: dict[str, Any]) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield the number of a line, and what runs there: Python code as a whole, and each command."""
    if block.language.startswith("python"):
        # Blank lines before it give its lines the numbers that they have in the page.
        code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
        yield block.line, partial(exec, code, namespace)
        return
    for number, line in read_lines(block):
        for words in split_commands(line):
            yield number, partial(run_command, words, f"{page}:{number}")


def split_commands(line: str) -> list[list[str]]:
    """Split a line into the words of each of its commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def run_command(words: list[str], place: str) -> None:
    """Run a command of xception; pass over those of others.

    Raises:
        FailedError: Its exit status is not 0; or it is none that this program knows.
    """
    if words[0] in OTHERS:
        return
    if words[0] != "xception":
        raise FailedError(f"{place}: {words[0]!r}: mark this block as not to be run, or add it to OTHERS")
    arguments, output = words[1:], sys.stdout
    with contextlib.ExitStack() as stack:
        if ">" in arguments:
            arguments, (path,) = arguments[: arguments.index(">")], arguments[arguments.index(">") + 1 :]
            output = stack.enter_context(open(path, "w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(output))
        try:
            status = run_xception(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
    if status:
        raise FailedError(f"{place}: {shlex.join(words)}: exit status {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
