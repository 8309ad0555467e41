"""Runs the notebooks, and checks that the outputs that they hold are those of today's code.

Processors differ in the last digits, after a training in more than that. So numbers are left out, half of a
cell's distinct words must be the same, and pictures are not compared. With --write the outputs are stored:

    python .ci/notebooks.py --write
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"-?\d+(?:[.,]\d*)*(?:e[+-]?\d+)?")
MIN_SHARE_OF_EQUAL_WORDS = 0.5
TEMPORARY_FOLDER = re.compile(r"/tmp/tmp\w+")  # has another name each time
PICTURES = ("image/jpeg", "image/png", "image/svg+xml")
MAX_PNG_CHARACTERS = 60_000


def execute(path: Path) -> Any:
    """Run a notebook in its folder, and return it with what its cells gave, without progress and times."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                compress(output)
                if "text" in output:
                    output.text = TEMPORARY_FOLDER.sub("…", output.text)
    return notebook


def compress(output: Any) -> None:
    """Make a JPEG of a large PNG: a repository keeps every version of a picture."""
    data = output.get("data", {})
    if len(data.get("image/png", "")) < MAX_PNG_CHARACTERS:
        return
    picture = Image.open(io.BytesIO(base64.b64decode(data.pop("image/png"))))
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=80, optimize=True)
    data["image/jpeg"] = base64.b64encode(stream.getvalue()).decode()
    metadata = output.get("metadata", {})
    if "image/png" in metadata:  # its text for those who do not see it
        metadata["image/jpeg"] = metadata.pop("image/png")


def is_stale(held: Any, given: Any) -> bool:
    """Return whether a cell holds other outputs than it gives."""
    if kinds(held) != kinds(given):
        return True
    before, now = words(held), words(given)
    return len(before & now) < MIN_SHARE_OF_EQUAL_WORDS * len(before | now)


def kinds(cell: Any) -> list[tuple[str, ...]]:
    """Return what kinds of outputs a cell has, one after the other.

    A stream may come in several parts, and a picture is a PNG or a JPEG by its size.
    """
    found: list[tuple[str, ...]] = []
    for output in cell.get("outputs", []):
        names = {"picture" if kind in PICTURES else kind for kind in output.get("data", {})}
        kind = (output.output_type, *sorted(names))
        if found[-1:] != [kind]:
            found.append(kind)
    return found


def words(cell: Any) -> set[str]:
    """Return the distinct words of a cell's text, with # in place of numbers."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {"text/plain": output.get("text", "")})
        if not any(kind in data for kind in PICTURES):
            texts.append(data.get("text/plain", ""))
    return {word for text in texts for word in NUMBER.sub("#", text).split()}


def main() -> int:
    """Run all notebooks; return 1 if one holds other outputs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="store the outputs")
    parser.add_argument("names", nargs="*", help="of notebooks, without .ipynb (all)")
    arguments = parser.parse_args()
    stale = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if arguments.names and path.stem not in arguments.names:
            continue
        stored, run = nbformat.read(path, as_version=4), execute(path)
        if arguments.write:
            nbformat.write(run, path)
            continue
        for number, (old, new) in enumerate(zip(stored.cells, run.cells, strict=True)):
            if is_stale(old, new):
                stale += 1
                print(f"{path.name}, cell {number}: holds {kinds(old)}\n{words(old) - words(new)}")
                print(f"and gives {kinds(new)}\n{words(new) - words(old)}")
    if stale:
        print("run python .ci/notebooks.py --write", file=sys.stderr)
    return int(stale > 0)


if __name__ == "__main__":
    raise SystemExit(main())
