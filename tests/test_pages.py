"""Documentation: every block of code runs, or is marked as not to be run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from page_code import BY_SITE, DATA, MARK, PAGES, ROOT, RUN, read_blocks

import xception
from xception.models.pretrained import CLASSIFIER, shipped_base

HELPERS = ROOT / "tests/helpers"
TIMEOUT_SECONDS = 600  # of a page, on a busy machine

#: What every process of a page runs first. It sees all files that are opened, and all connections.
GUARD = """
import os, sys

def guard(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        address = str(arguments[1][0])
        if not (address.startswith("127.") or address in ("::1", "localhost")):
            raise PermissionError(f"a page reaches for the network: {address}")
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "", "127.0.0.1", "::1", "localhost"):
        raise PermissionError(f"a page reaches for the network: {arguments[0]}")
    elif event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        path = os.path.realpath(arguments[0])
        if path.startswith(ROOT) and "__pycache__" not in path:
            raise PermissionError(f"a page writes into the repository: {path}")

sys.addaudithook(guard)
"""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a page's process: folders of its own, and a stand-in for the ImageNet classifier."""
    folder = tmp_path_factory.mktemp("pages")
    site, home, cache = folder / "site", folder / "home", folder / "cache"
    for made in (site, home, cache):
        made.mkdir()
    (site / "sitecustomize.py").write_text(f"ROOT = {str(ROOT) + os.sep!r}\n{GUARD}", "utf-8")
    network = xception.Xception(weights=None, seed=0)
    with pytest.warns(UserWarning, match="no weights for predictions"):
        network.load_weights(shipped_base(), by_name=True)
    network.save_weights(cache / CLASSIFIER.name)
    inherited = {"PATH", "SYSTEMROOT", "TEMP", "TMPDIR"} & os.environ.keys()
    return {
        **{name: os.environ[name] for name in inherited},
        "HOME": str(home), "USERPROFILE": str(home), "KERAS_HOME": str(home),
        "XCEPTION_CACHE_DIR": str(cache), "XCEPTION_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (site, ROOT, HELPERS))), "PYTHONUTF8": "1",
    }  # fmt: skip


def run_page(page: Path, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HELPERS / "page_runner.py", page], cwd=folder, env=environment,
        capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_SECONDS,
    )  # fmt: skip


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.runs for b in read_blocks(page))], ids=str)
def test_the_code_of_a_page_runs(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    result = run_page(page, environment, tmp_path)
    assert result.returncode == 0, result.stderr
    if left_out := json.loads(result.stdout.splitlines()[-1]):
        pytest.skip(f"{page} ran, but not {'; '.join(left_out)}")


@pytest.mark.parametrize(
    ("language", "code", "message"),
    [
        ("python", "import xception\nxception.predikt", 'page.md", line 5'),
        (
            "sh",
            "xception predict \\\n    missing.jpg --model my.keras",
            "page.md:4: xception predict missing.jpg",
        ),
        ("console", "$ rm -r photos", "page.md:4: 'rm': mark this block"),
        ("python", "import socket; socket.create_connection(('192.0.2.1', 80))", "reaches for the network"),
        ("python", "import socket; socket.getaddrinfo('example.org', 80)", "reaches for the network"),
        ("python", f"open({str(ROOT / 'README.md')!r}, 'a')", "writes into the repository"),
    ],
)
def test_what_a_page_may_not_do_is_found(
    language: str, code: str, message: str, environment: dict[str, str], tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"A page.\n\n```{language}\n{code}\n```\n", "utf-8")
    result = run_page(page, environment, tmp_path)
    assert result.returncode != 0
    assert message in result.stderr


def test_a_block_is_run_or_marked_or_data() -> None:
    blocks = {page: read_blocks(page) for page in PAGES}
    assert not [
        f"{page}:{block.line}: {block.language} is not run: mark it"
        for page in PAGES
        for block in blocks[page]
        if block.language not in RUN | BY_SITE | DATA and block.reason is None
    ]
    for page in PAGES:
        lines = (ROOT / page).read_text("utf-8").splitlines()
        fences = [line for line in lines if line.lstrip().startswith(("```", "~~~"))]
        assert len(fences) == 2 * len(blocks[page]), f"{page}: a block is not recognized: do not indent it"


def test_a_mark_has_a_reason_and_stands_above_code() -> None:
    for page in PAGES:
        marked = [block for block in read_blocks(page) if block.reason is not None]
        marks = MARK.findall((ROOT / page).read_text("utf-8"))
        assert len(marks) == len(marked), f"{page}: expected '<!-- not run: WHY -->' straight above a block"
        for block in marked:
            assert block.reason, f"{page}:{block.line}: say why it is not run"
            assert block.language not in BY_SITE | DATA, f"{page}:{block.line}: a mark that means nothing"
