"""Pages that are made of other files: the notebooks with their outputs, the changelog, how to contribute.

MkDocs reads only files in docs/. These pages are made when the site is built: nothing is written twice.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)]+)\)")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the pages; MkDocs calls this once."""
    for name in REPOSITORY_PAGES:
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, name.lower(), content=LINK.sub(relink, text)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=notebook_page(path)))
    return files


def relink(match: re.Match[str]) -> str:
    """Turn a link within the repository into one within the site, or into text if it leads out of docs/."""
    text, target = match.groups()
    return f"[{text}]({target.removeprefix('docs/')})" if target.startswith("docs/") else text


# --- notebooks ------------------------------------------------------------------------------


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its text, its code, and the outputs that it holds."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    title, *rest = (part for cell in cells for part in cell_parts(cell))
    note = f"*This page is the notebook `notebooks/{path.name}` of the repository, with what it printed.*"
    return "\n\n".join([title, note, *rest])


def cell_parts(cell: dict[str, Any]) -> list[str]:
    """Return a cell as Markdown: itself, and each of its outputs."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [re.sub(r"\]\((\w+)\.ipynb", r"](\1.md", source.replace("](../docs/", "](../"))]
    return [fenced("python", source), *filter(None, map(output_part, cell.get("outputs", [])))]


def output_part(output: dict[str, Any]) -> str:
    """Return an output as Markdown: a picture, HTML, or text."""
    if output["output_type"] == "stream":
        return fenced("text", ANSI.sub("", "".join(output["text"])))
    data, metadata = output.get("data", {}), output.get("metadata", {})
    for kind in ("image/svg+xml", "text/html"):
        if kind in data:
            # An empty line would end the element.
            lines = (line for line in "".join(data[kind]).splitlines() if line.strip())
            return "\n".join(['<div class="notebook-output">', *lines, "</div>"])
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            alt = escape(metadata.get(kind, {}).get("alt", "what the code above shows"), quote=True)
            content = "".join(data[kind]).replace("\n", "")
            return f'<img class="notebook-output" alt="{alt}" src="data:{kind};base64,{content}">'
    return fenced("text", "".join(data.get("text/plain", "")))


def fenced(language: str, text: str) -> str:
    """Return text as a fenced code block."""
    return f"```{language}\n{text.rstrip()}\n```"
