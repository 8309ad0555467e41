"""Faults of jobs: functions that fail, and photographs that cannot be read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_photographs(folder: Path, count: int) -> None:
    """Write small photographs of noise, in two folders by turns."""
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = random.integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("cat", "dog")[index % 2] / f"{index:03}.png")


def write_unreadable(folder: Path, other: Path, good: Path) -> list[str]:
    """Write five kinds of unreadable photographs into two folders; return their names.

    Args:
        folder: Where two of them are written.
        other: Where the others are written.
        good: A photograph that can be read.
    """
    content = good.read_bytes()
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])
    (other / "html.jpg").write_text("<!DOCTYPE html><html>not found</html>")
    (other / "random.jpg").write_bytes(np.random.default_rng(1).bytes(4000))
    (other / "link.jpg").symlink_to("nowhere.jpg")
    return ["cut.jpg", "empty.jpg", "html.jpg", "link.jpg", "random.jpg"]


def read_rows(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the names and features of all rows of a job's files, in order."""
    import pyarrow.parquet as pq  # only here: others can do without

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
