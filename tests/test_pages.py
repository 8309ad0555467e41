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
    inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR") if name in os.environ}
    return {
        **inherited,
        "HOME": str(home), "USERPROFILE": str(home), "KERAS_HOME": str(home), "XCEPTION_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join(map(str, (site, ROOT, HELPERS))),
        "PYTHONUTF8": "1", "XCEPTION_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.runs for b in read_blocks(page))], ids=str)
def test_the_code_of_a_page_runs(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, HELPERS / "page_runner.py", page], cwd=tmp_path, env=environment,
        capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    if left_out := json.loads(result.stdout.splitlines()[-1]):
        pytest.skip(f"the rest of {page} ran, but not {'; '.join(left_out)}")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_block_is_run_or_marked_or_data(page: Path) -> None:
    blocks = read_blocks(page)
    for block in blocks:
        known = block.language in RUN | BY_SITE | DATA or block.reason
        assert known, f"{page}:{block.line}: {block.language} is not run: mark it"
    lines = (ROOT / page).read_text("utf-8").splitlines()
    assert sum(line.lstrip().startswith(("```", "~~~")) for line in lines) == 2 * len(blocks)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_mark_has_a_reason_and_stands_above_its_block(page: Path) -> None:
    marked = [block for block in read_blocks(page) if block.reason is not None]
    assert (ROOT / page).read_text("utf-8").count(MARK) == len(marked)
    for block in marked:
        assert block.reason, f"{page}:{block.line}: say why it is not run"
        assert block.language in RUN or block.language not in BY_SITE | DATA
