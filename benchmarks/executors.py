"""CPU time per photograph of each executor, with one worker and with two: `python benchmarks/executors.py`.

A job of photographs of 500×375 pixels is run by each executor in turn, several times. The CPU time is that of
the processes that compute, with all their threads, without their start and the first shard of each, in which
the model is loaded.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measured import Measured
from PIL import Image

import xception
from xception.distributed import DaskExecutor, Processes, prepare

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@contextmanager
def local_cluster() -> Iterator[DaskExecutor]:
    """Provide Dask's own cluster of one worker, as `LocalCluster` configures it."""
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
    ) as cluster:
        yield DaskExecutor(cluster)


@contextmanager
def given(executor: Any) -> Iterator[Any]:
    """Provide an executor that needs no preparation."""
    yield executor


EXECUTORS: dict[str, Callable[[], Any]] = {
    "this process": lambda: given(map),
    "Processes(1)": lambda: given(Processes(1)),
    "Processes(2)": lambda: given(Processes(2)),
    "DaskExecutor(workers=1)": lambda: given(DaskExecutor(workers=1)),
    "DaskExecutor(workers=2)": lambda: given(DaskExecutor(workers=2)),
    "Dask's LocalCluster, 1": local_cluster,
}


def measure(executor: Any, photos: Path, model: Path | None, shard: int) -> float:
    """Return the CPU milliseconds per photograph of a job."""
    with tempfile.TemporaryDirectory() as output, tempfile.TemporaryDirectory() as records:
        job = prepare(photos, output, model, shard=shard)
        job.run(lambda function, shards: executor(Measured(function, records), shards), verbose=0)
        shards = [json.loads(path.read_text()) for path in Path(records).iterdir()]
    by_process = defaultdict(list)
    for record in sorted(shards, key=lambda record: record["started"]):
        by_process[record["pid"]].append(record)
    warm = [record for records in by_process.values() for record in records[1:]]
    return 1e3 * sum(record["cpu"] for record in warm) / sum(record["count"] for record in warm)


def main() -> None:
    """Run all executors in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[150, 299])
    parser.add_argument("--photographs", type=int, default=60)
    parser.add_argument("--shard", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    xception.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        names = sorted(EXAMPLES.glob("*.jpg"))
        for index in range(arguments.photographs):
            image = Image.open(names[index % len(names)]).convert("RGB").resize((500, 375))
            image.rotate(index).save(photos / f"{index:03}.jpg", quality=88)
        for size in arguments.sizes:
            model = Path(folder, f"{size}.keras")
            xception.Xception(include_top=False, pooling="avg", input_shape=(size, size, 3)).save(model)
            results: dict[str, list[float]] = defaultdict(list)
            for turn in range(arguments.repeat):
                for name, prepared in EXECUTORS.items():
                    with prepared() as executor:
                        results[name].append(measure(executor, photos, model, arguments.shard))
                print(f"{size}×{size}, turn {turn + 1} at {time.strftime('%X')}", file=sys.stderr)
            plain = statistics.median(results["this process"])
            print(f"\n{size}×{size}: CPU ms per photograph, median (lowest), against this process")
            for name, values in results.items():
                median = statistics.median(values)
                print(f"{name:26} {median:6.1f} ({min(values):.1f})  {median / plain:.2f}")


if __name__ == "__main__":
    main()
