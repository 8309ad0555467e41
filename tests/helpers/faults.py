"""Faults of jobs: functions that fail, photographs that cannot be read, one that kills whoever reads it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

KILLER_SIZE = (31, 37)  #: of a photograph that kills the process that decodes it

#: Python runs it at its start, if its folder is first in the import path.
KILLING_DECODER = f"""
import os, PIL.Image
load = PIL.Image.Image.load
def kill(self):
    if self.size == {KILLER_SIZE}:
        os.kill(os.getpid(), 9)
    return load(self)
PIL.Image.Image.load = kill
import PIL.ImageFile
load_file = PIL.ImageFile.ImageFile.load
def kill_file(self):
    if self.size == {KILLER_SIZE}:
        os.kill(os.getpid(), 9)
    return load_file(self)
PIL.ImageFile.ImageFile.load = kill_file
"""


def write_photographs(folder: Path, count: int) -> None:
    """Write small photographs of noise, in two folders by turns."""
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = random.integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("cat", "dog")[index % 2] / f"{index:03}.png")


def write_unreadable(folder: Path) -> list[str]:
    """Write five kinds of unreadable photographs; return their names."""
    good = sorted((folder / "cat").glob("*.png"))[0].read_bytes()
    contents = {
        "empty.png": b"", "cut.png": good[: len(good) // 2], "page.jpg": b"<!DOCTYPE html><html></html>",
        "random.jpg": np.random.default_rng(1).bytes(4000),
    }  # fmt: skip
    for name, content in contents.items():
        (folder / "cat" / name).write_bytes(content)
    (folder / "dog" / "link.png").symlink_to(folder / "nowhere.png")
    return sorted([*contents, "link.png"])


def write_killer(folder: Path) -> str:
    """Write a photograph that kills the process that decodes it, where `KILLING_DECODER` runs."""
    path = folder / "cat" / "004-killer.png"
    Image.new("RGB", KILLER_SIZE).save(path)
    return path.name


def read_rows(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the names and features of all rows of a job's files, in order."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("part-*.parquet"))]
    names = [Path(path).name for table in tables for path in table["path"].to_pylist()]
    features = [np.array(table["features"].to_pylist(), np.float32) for table in tables if table.num_rows]
    return names, np.concatenate(features)


@dataclass(frozen=True)
class Faulty:
    """A function of a shard that calls another one, unless it is to fail.

    Args:
        function: What is called.
        folder: Where it is recorded which shards have been tried, and how often.
        shard: The shard that fails.
        times: How often it does.
        kill: Whether it kills its process, or raises OSError.
    """

    function: Any
    folder: str
    shard: int
    times: int
    kill: bool = False

    def __call__(self, shard: Any) -> Any:
        tried = Path(self.folder, f"{shard.index}")
        with tried.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        if shard.index == self.shard and len(tried.read_text().splitlines()) <= self.times:
            if self.kill:
                os.kill(os.getpid(), 9)
            raise ConnectionError("the store does not answer")
        return self.function(shard)


def attempts(folder: Path, shard: int) -> int:
    """Return how often a shard of a `Faulty` function was tried."""
    return len((folder / str(shard)).read_text().splitlines())
