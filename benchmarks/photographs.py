"""Photographs from disk: `xception predict`, and what a user would write around ONNX Runtime.

Whole processes take turns: wall time, processor time and peak memory are measured. README.md in this
folder explains how.

This module imports nothing but the standard library, since a process counts its parent's memory as its own.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAUSE_SECONDS = 0.5
#: Scores of the same class may differ by this much: those of the user's script are computed in another order.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """A folder of photographs.

    Attributes:
        name: The folder's name.
        title: What is in it, for the table.
        count: The number of photographs.
        size: (width, height) of each.
        quality: Of JPEG; chosen for files as large as those of cameras.
    """

    name: str
    title: str
    count: int
    size: tuple[int, int]
    quality: int


CASES = (
    Case("large", "24 photographs of 12 megapixels", 24, (4000, 3000), 86),
    Case("small", "48 photographs of 500 pixels", 48, (500, 375), 90),
)
SCRIPT, OURS, FAST = "script", "xception", "fast"
TITLES = {
    SCRIPT: "a user's script: Pillow on two threads, ONNX Runtime",
    OURS: "`xception predict`",
    FAST: "`xception predict --decode fast`",
}


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


# --- photographs and weights ----------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write the photographs, the weights, and the ONNX file. Called in a process of its own."""
    from compare import Comparison, PeerError

    comparison = Comparison(["onnxruntime"], folder)
    comparison.prepare()
    if comparison.excluded:
        raise PeerError(f"onnxruntime: {comparison.excluded['onnxruntime']}")
    for case in CASES:
        (folder / case.name).mkdir()
        for number in range(case.count):
            draw_photograph(number, case.size).save(
                folder / case.name / f"{number:02}.jpg", quality=case.quality
            )


def draw_photograph(number: int, size: tuple[int, int]):
    """Return one of the example photographs in another size, with grain and texture, as a PIL image."""
    import numpy as np
    from PIL import Image

    sources = sorted((HERE.parent / "examples").glob("*.jpg"))
    rng = np.random.default_rng(number)
    with Image.open(sources[number % len(sources)]) as image:
        left, top = rng.uniform(0, 0.2, 2) * image.size
        right, bottom = (1 - rng.uniform(0, 0.2, 2)) * image.size
        pixels = np.array(image.resize(size, Image.Resampling.BICUBIC, (left, top, right, bottom)), np.int16)
    width, height = size
    for pixels_wide, deviation in ((1, 4), (2, 5), (4, 5), (8, 5)):
        grain = rng.normal(0, deviation, (height // pixels_wide + 1, width // pixels_wide + 1))
        grain = grain.round().astype(np.int16).repeat(pixels_wide, axis=0).repeat(pixels_wide, axis=1)
        pixels += grain[:height, :width, None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


# --- measuring ------------------------------------------------------------------------------


def command(name: str, folder: Path, case: Case) -> list[str]:
    """Return the command of a peer."""
    photographs = str(folder / case.name)
    if name == SCRIPT:
        return [sys.executable, str(HERE / "onnx_script.py"), str(folder / "model.onnx"), photographs]
    ours = [sys.executable, "-m", "xception", "predict", photographs, "--weights", str(folder / "weights.h5")]
    return [*ours, "--top", "1", "--format", "csv", *(["--decode", "fast"] if name == FAST else [])]


def measure(name: str, folder: Path, case: Case) -> Run:
    """Run a peer once. Its output is written to a file of its name."""
    # All modules are compiled to bytecode, as pip installs them; ours also in a source checkout.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with (folder / f"{case.name}_{name}.csv").open("w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command(name, folder, case), stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{name}: ended with status {status}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def check(folder: Path, case: Case) -> str:
    """Check that the script's scores are ours, and return how often fast decoding names the same class."""
    rows = {}
    for name in TITLES:
        lines = (folder / f"{case.name}_{name}.csv").read_text().splitlines()
        rows[name] = [line.split(",") for line in (lines if name == SCRIPT else lines[1:])]
        if len(rows[name]) != case.count:
            raise SystemExit(f"{name}: expected {case.count} lines, got {len(rows[name])}")
    for theirs, ours in zip(rows[SCRIPT], rows[OURS], strict=True):
        difference = abs(float(theirs[-1]) - float(ours[-1]))
        if theirs[0] != ours[0] or difference > TOLERANCE:
            raise SystemExit(f"{theirs[0]}: the scores differ by {difference:.1e}")
    pairs = list(zip(rows[FAST], rows[OURS], strict=True))
    same = sum(fast[2] == ours[2] for fast, ours in pairs)
    largest = max(abs(float(fast[-1]) - float(ours[-1])) for fast, ours in pairs)
    return f"`--decode fast` names the same class for {same} of {case.count}; scores differ by {largest:.1e}."


def measure_case(folder: Path, case: Case, turns: int) -> dict[str, list[Run]]:
    """Run all peers once to warm up, and then in turns of random order."""
    order = random.Random(0)
    runs: dict[str, list[Run]] = {name: [] for name in TITLES}
    for turn in range(turns + 1):
        for name in order.sample(list(runs), len(runs)):
            print(f"{case.title}: turn {turn} of {turns}, {name}", file=sys.stderr)
            run = measure(name, folder, case)
            if turn:
                runs[name].append(run)
            time.sleep(PAUSE_SECONDS)
    return runs


# --- report ---------------------------------------------------------------------------------


def report(case: Case, runs: dict[str, list[Run]], note: str, megabytes: float) -> str:
    """Return a table. Ratios are those of medians."""
    header = ("", "seconds", "processor seconds", "peak MiB", "seconds / script's", "memory / script's")
    rows: list[Sequence[str]] = []
    for name, own in runs.items():
        rows.append(
            (
                TITLES[name],
                middle([run.wall_seconds for run in own], 2),
                middle([run.cpu_seconds for run in own], 2),
                middle([run.peak_mib for run in own], 0),
                ratio([run.wall_seconds for run in own], [run.wall_seconds for run in runs[SCRIPT]]),
                ratio([run.peak_mib for run in own], [run.peak_mib for run in runs[SCRIPT]]),
            )
        )
    turns = len(runs[SCRIPT])
    title = (
        f"## {case.title}, {megabytes:.1f} MB each\n\nMedian (minimum to maximum) of {turns} turns. {note}"
    )
    return f"{title}\n\n{markdown_table(header, rows)}"


def middle(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    return f"{statistics.median(values) / statistics.median(others):.2f}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="that the processes may use (%(default)s)")
    parser.add_argument("--cases", default="large,small", help="with commas (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare(options.prepare)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    texts = ["# Photographs from disk\n"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("drawing photographs, writing weights and the ONNX file", file=sys.stderr)
        subprocess.run([sys.executable, __file__, "--prepare", name], check=True)
        for case in (case for case in CASES if case.name in options.cases.split(",")):
            runs = measure_case(folder, case, options.turns)
            sizes = [path.stat().st_size for path in (folder / case.name).iterdir()]
            texts.append(report(case, runs, check(folder, case), statistics.mean(sizes) / 1e6))
    print("\n".join(texts))
    if options.output:
        options.output.write_text("\n".join(texts))


if __name__ == "__main__":
    main()
