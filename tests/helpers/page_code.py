"""The fenced code of the documentation's pages, and the marks of what is not to be run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for folder in (".", "benchmarks", "deploy", "docs", "examples", "notebooks", "weights", "xception")
    for page in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
    if page.name != "CHANGELOG.md"
)

RUN = {"console", "python", "sh"}  #: run by tests/test_pages.py, unless they are marked
#: Run by docs/site/hooks.py.
BY_SITE = {"console run", "layers", "python figure", "python output", "python run", "source"}
DATA = {"", "json", "text"}  #: what is there to be read

#: What is meant as a mark, also if it is not written as one.
MARK = re.compile(r"^\s*<!--\s*not\s+run", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(
    r"^(?:<!-- not run:(?P<reason>[^\n]*?)-->\n)?```(?P<language>[^\n`]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        line: Number of the line on which its code begins, from 1.
        language: What stands behind the opening fence.
        code: What it holds.
        reason: Why it is not to be run, or None if it has no mark.
    """

    line: int
    language: str
    code: str
    reason: str | None

    @property
    def runs(self) -> bool:
        return self.language in RUN and self.reason is None


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.start("code")) + 1,
            language=match["language"].partition(' "')[0],  # a figure has a text, too
            code=match["code"],
            reason=None if match["reason"] is None else match["reason"].strip(),
        )
        for match in _FENCE.finditer(text)
    ]


def read_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the number of each command line of a block and the line, those that "\\" continues in one."""
    number, line = block.line, ""
    for count, text in enumerate(block.code.splitlines(), start=block.line):
        if block.language == "console":
            if not text.startswith("$ "):
                continue  # what the command prints
            text = text.removeprefix("$ ")
        number = number if line else count
        line += text.removesuffix("\\")
        if not text.endswith("\\"):
            yield number, line
            line = ""
