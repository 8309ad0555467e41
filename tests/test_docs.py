"""Documentation: links lead somewhere, the reference is complete, and what no test runs can be parsed."""

import json
import re
import runpy
import shlex

import pytest
from page_code import PAGES, ROOT, read_blocks

import xception
from xception.cli.parser import COMMANDS, build_parser

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
REFERENCE_ENTRY = re.compile(
    r"^::: xception\.((?:(?:distributed|plot|server|sklearn|training)\.)?\w+)$", re.MULTILINE
)


def blocks_not_run(*languages: str) -> list:
    """Return the code in these languages that tests/test_pages.py does not run."""
    return [
        pytest.param(block.code, id=f"{page}-{block.line}")
        for page in PAGES
        for block in read_blocks(page)
        if block.language.split(" ")[0] in languages and not block.runs
    ]


def commands() -> list:
    """Return the lines "xception …" of these blocks, including those after a prompt or another command."""
    lines = []
    for block in blocks_not_run("sh", "console", ""):
        (code,) = block.values
        for line in code.replace("\\\n", " ").splitlines():
            lines += re.findall(r"(?:^|&& )(?:\$ )?(xception [^&]*)", line)
    return list(dict.fromkeys(lines))


@pytest.mark.parametrize("code", blocks_not_run("python"))
def test_code_that_is_not_run_compiles(code):
    compile(code, "page", "exec")


@pytest.mark.parametrize("command", commands())
def test_commands_that_are_not_run_are_understood(command):
    words = shlex.split(command, comments=True)[1:]
    if ">" in words:
        words = words[: words.index(">")]
    parser = build_parser(words)
    if "--print-completion" in words:
        pytest.importorskip("shtab")
    if {"--help", "--print-completion"} & set(words):
        with pytest.raises(SystemExit, match="0"):
            parser.parse_args(words)
    else:
        parser.parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    for target in LINK.findall((ROOT / page).read_text("utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.fixture
def report(monkeypatch):
    """The names of benchmarks/report.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks/report.py"))


def test_tables_and_chart_are_those_of_the_benchmark(report):
    results = report["read_results"]()
    page = report["PAGE"].read_text("utf-8")
    assert {name for _, name, _ in report["TABLE"].findall(page)} == set(report["TABLES"])
    assert report["fill"](page, results) == page, "run python benchmarks/report.py"
    times = report["times_of_one_image"](results)
    assert len(times) > 4
    assert report["CHART"].read_text("utf-8") == report["draw"](times), "run python benchmarks/report.py"
    assert f"![{report['describe'](times)}]" in (ROOT / "README.md").read_text("utf-8")


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 120
    assert lines.index("```sh") < 15


def test_the_reference_has_each_public_name_once():
    pages = sorted((ROOT / "docs/reference").glob("*.md"))
    entries = [name for page in pages for name in REFERENCE_ENTRY.findall(page.read_text("utf-8"))]
    rooms = {
        "distributed": xception.distributed, "plot": xception.plot, "server": xception.server,
        "training": xception.training,
    }  # fmt: skip
    names = [f"{room}.{name}" for room, module in rooms.items() for name in module.__all__]
    # scikit-learn may be missing.
    names += ["sklearn", "sklearn.XceptionClassifier", "sklearn.XceptionFeatures"]
    assert sorted(entries) == sorted([*xception.__all__, *names])


def test_the_reference_has_the_help_of_each_command():
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8")
    assert re.findall(r"^\$ xception ([\w-]+) --help$", page, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_their_outputs(path):
    """So that they can be read without being run; `.ci/notebooks.py` checks that they are today's."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    run = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in run] == list(range(1, len(run) + 1))
    assert sum(bool(cell["outputs"]) for cell in run) > len(run) / 2
    assert path.stat().st_size < 700_000


def test_a_page_shows_the_picture_that_its_code_ends_with():
    hooks = runpy.run_path(str(ROOT / "docs/site/hooks.py"))
    code = "from xception import architecture, plot\nplot.diagram(architecture.xception())"
    shown = hooks["draw_figure"](code, {}, "page.md", None)
    assert shown.startswith('<figure class="drawn">\n<svg ')
    assert "\n\n" not in shown  # Markdown would end the element there
    with pytest.raises(RuntimeError, match=r"page.md: the last line of a figure must be an expression"):
        hooks["draw_figure"]("a = 1", {}, "page.md", None)
    code = "from PIL import Image\nImage.new('RGB', (2, 3))"
    assert '<img class="drawn" alt="a &lt; b" src="data:image/webp' in hooks["draw_figure"](
        code, {}, "page.md", "a < b"
    )
    with pytest.raises(RuntimeError, match=r"page.md: a picture needs a text"):
        hooks["draw_figure"](code, {}, "page.md", None)
