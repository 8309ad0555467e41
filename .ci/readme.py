"""Render the README as PyPI does, with and without an address of the repository; fail on relative links."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from readme_renderer.markdown import render

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "weights", "xception")
RELATIVE = re.compile(r'(?:href|src)="(?!https?:|#|mailto:)[^"]*"')


def description(folder: Path) -> str:
    """Return the README that a package built from a folder carries."""
    command = [
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--ignore-installed",
        "--no-deps",
        "--report",
        "-",
        str(folder),
    ]
    (package,) = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[
        "install"
    ]
    assert package["metadata"]["description_content_type"].startswith("text/markdown")
    return package["metadata"]["description"]


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for part in NEEDED:
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
    project = folder / "pyproject.toml"
    own = description(folder)
    project.write_text(
        re.sub(r"\n\[project\.urls\]\n(.+\n)*", "\n", project.read_text("utf-8"))
        + '\n[project.urls]\nRepository = "https://example.org/us/xception"\n',
        "utf-8",
    )
    addressed = description(folder)

for text in (own, addressed):
    html = render(text)
    assert html is not None, "PyPI would not render the README"
    if found := RELATIVE.findall(html):
        sys.exit(f"README.md: broken on PyPI: {found}")
assert 'src="https://example.org/us/xception/raw/HEAD/docs/images/' in render(addressed)
assert 'href="https://example.org/us/xception/blob/HEAD/docs/' in render(addressed)
