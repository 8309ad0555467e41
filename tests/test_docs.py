"""README and docs: code compiles, commands are understood, links lead somewhere."""

import json
import re
import shlex
from pathlib import Path

import pytest

from xception.cli import main as cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def blocks(*languages: str) -> list:
    """The fenced code of these languages, in any page."""
    return [
        pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, (language, code) in enumerate(FENCE.findall(page.read_text("utf-8")), start=1)
        if language.split(" ")[0] in languages
    ]


def commands() -> list:
    """The lines "xception …", also those behind a prompt or after another command."""
    found = []
    for block in blocks("sh", "console", ""):
        (code,) = block.values
        for line in code.replace("\\\n", " ").splitlines():
            found += re.findall(r"(?:^|&& )(?:\$ )?(xception [^&]*)", line)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("code", blocks("python"))
def test_code_compiles(code):
    compile(code, "page", "exec")


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command):
    words = shlex.split(command, comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    if "--help" in words:
        with pytest.raises(SystemExit, match="0"):
            cli._parser().parse_args(words[1:])
    else:
        cli._parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
