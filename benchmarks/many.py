"""Many photographs: time and memory of listing and gathering.

`python benchmarks/many.py listing|gather`. What is measured runs in processes of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from photographs import markdown_table

FOLDERS = 1000  #: that names are spread over


def run(*arguments: object) -> tuple[float, float, float]:
    """Run a part of this module.

    Returns:
        Seconds, processor seconds and peak memory in MiB.
    """
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--part", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, arguments))}: ended with status {status}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, peak


# --- parts, each in a process of its own ----------------------------------------------------


def make_names(folder: Path, count: int) -> None:
    """Make empty files."""
    for number in range(FOLDERS):
        inner = folder / f"{number:04}"
        inner.mkdir(parents=True)
        for index in range(number, count, FOLDERS):
            os.close(os.open(inner / f"{index:09}.jpg", os.O_CREAT | os.O_WRONLY))


def walk(folder: Path) -> None:
    """List a folder by `os.walk`."""
    print(sum(len(files) for _, _, files in os.walk(folder)), "files")


def small_model(size: int):
    import xception

    return xception.Xception(include_top=False, input_shape=(size, size, 3))


def list_job(folder: Path, output: Path) -> None:
    """List a folder as a job does."""
    from xception.distributed import prepare

    print(prepare(str(folder), str(output), small_model(71), verbose=0))


def fill_job(output: Path, count: int) -> None:
    """Write a job whose features are made up."""
    import numpy as np

    from xception.distributed import prepare
    from xception.jobs.listing import read_shard
    from xception.jobs.shard_files import write_part

    paths = [f"class{i % 10}/{i:09}.jpg" for i in range(count)]
    job = prepare(paths, str(output), small_model(71), verbose=0)
    rng = np.random.default_rng(0)

    def each(function, shards):
        for shard in shards:
            rows = (
                (photograph, rng.random(2048, np.float32))
                for photograph in read_shard(job.folder, job.record, shard)
            )
            yield write_part(job.folder, job.record, shard, rows)

    print(job.run(each=each, verbose=0))


def gather_job(output: Path, table: Path) -> None:
    """Gather a job."""
    from xception.distributed import gather

    print(gather(str(output), str(table), verbose=0).photographs, "rows")


# --- what is measured -----------------------------------------------------------------------


def measure_listing(folder: Path, count: int) -> str:
    run("make_names", folder / "names", count)
    rows = [
        [name, f"{seconds:.1f}", f"{cpu:.1f}", f"{peak:.0f}"]
        for name, (seconds, cpu, peak) in (
            ("`os.walk`", run("walk", folder / "names")),
            ("a job's list", run("list_job", folder / "names", folder / "job")),
        )
    ]
    return f"## Listing {count:,} names\n\n" + markdown_table(
        ["", "seconds", "processor seconds", "peak MiB"], rows
    )


def measure_gather(folder: Path, count: int) -> str:
    run("fill_job", folder / "job", count)
    rows = []
    for suffix in (".parquet", ".npy", ".csv"):
        seconds, _, peak = run("gather_job", folder / "job", folder / f"table{suffix}")
        size = (folder / f"table{suffix}").stat().st_size
        rows.append([suffix, f"{seconds:.1f}", f"{peak:.0f}", f"{size / 2**20:.0f}"])
    return f"## Gathering {count:,} rows of 2,048 features\n\n" + markdown_table(
        ["", "seconds", "peak MiB", "MiB of the file"], rows
    )


MEASURES = {
    "listing": (measure_listing, 1_000_000),
    "gather": (measure_gather, 100_000),
}
PARTS = {part.__name__: part for part in (make_names, walk, list_job, fill_job, gather_job)}


def main() -> None:
    if sys.argv[1:2] == ["--part"]:
        name, *arguments = sys.argv[2:]
        PARTS[name](*(int(a) if a.isdecimal() else Path(a) if "/" in a else a for a in arguments))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measures", nargs="*", default=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--count", type=int, help="of names or rows")
    options = parser.parse_args()
    for name in options.measures:
        measure, count = MEASURES[name]
        with tempfile.TemporaryDirectory() as folder:
            print(measure(Path(folder), options.count or count), flush=True)


if __name__ == "__main__":
    main()
