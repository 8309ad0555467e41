"""One step of training beside Keras and PyTorch: time and peak memory.

Each peer trains in a process of its own, and the peers take turns. README.md in this folder explains how.
"""

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from compare import (
    HERE,
    PeerError,
    Worker,
    describe_machine,
    markdown_table,
    median_and_quartiles,
    show_progress,
)
from training_worker import CLASSES

import xception

OURS, BATCH, BORDER, KERAS, TORCH = "xception", "xception-batch", "xception-border", "keras", "torch"
TITLES = {
    OURS: "**this library**, frozen statistics",
    BATCH: "**this library**, statistics of the batch",
    BORDER: "**this library**, stored border activations",
    KERAS: "Keras `train_on_batch`",
    TORCH: "PyTorch eager, timm's `legacy_xception`, channels_last",
}
#: Of each part that trains: the title, and the peers, that which the others are compared with first.
PARTS = {
    "all": ("everything", (OURS, BATCH, KERAS, TORCH)),
    "exit": ("blocks 13 and 14 and the head", (BORDER, OURS, KERAS, TORCH)),
}
#: Peers that compute the same: their losses before the first step may differ by `TOLERANCE`, relative.
SAME = {"all": (BATCH, KERAS), "exit": (BORDER, OURS)}
TOLERANCE = 1e-4
SIZES = (150, 299)
#: Examples in a batch, in the table of memory. It may not grow with them.
MEMORY_BATCHES = (8, 32)


@dataclass
class Case:
    """What trains, and on what.

    Attributes:
        part: One of `PARTS`.
        size: Height and width of the photographs.
        batch: Examples in a batch.
        threads: Number of threads.
        times: Milliseconds of every turn, by peer.
        memory: Peak MiB without the batch's own pixels, by peer.
        excluded: Why a peer did not take part.
    """

    part: str
    size: int
    batch: int
    threads: int
    times: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """A title for the table."""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{PARTS[self.part][0]}, {self.size}×{self.size}, batch {self.batch}, {threads}"

    def start(self, name: str, folder: Path) -> Worker:
        """Start the process of a peer."""
        arguments = (self.part, self.size, self.batch)
        return Worker(name, self.threads, folder, *arguments, script="training_worker.py")

    def measure(self, folder: Path, peers: Sequence[str], turns: int) -> None:
        """Let the peers take turns of random order.

        Raises:
            PeerError: This library failed, or two peers that compute the same have different losses.
        """
        order, losses = random.Random(0), {}
        workers: dict[str, Worker] = {}
        try:
            for name in PARTS[self.part][1]:
                if name not in peers:
                    continue
                worker = self.start(name, folder)
                try:
                    losses[name] = worker.receive()  # one after the other: warming up takes all threads
                    workers[name] = worker
                except PeerError as reason:
                    worker.kill()
                    if name.startswith(OURS):
                        raise
                    self.excluded[name] = str(reason)
            self._check(losses)
            for turn in range(turns):
                show_progress(f"{self.title}: turn {turn + 1} of {turns}")
                for name in order.sample(list(workers), len(workers)):
                    self.times.setdefault(name, []).append(workers[name].ask(""))
            self.memory = {name: worker.ask("memory") for name, worker in workers.items()}
        finally:
            for worker in workers.values():
                worker.kill()

    def _check(self, losses: dict[str, float]) -> None:
        first, second = (losses.get(name) for name in SAME[self.part])
        if first is not None and second is not None and not abs(first / second - 1) <= TOLERANCE:
            raise PeerError(f"{self.title}: losses before the first step are {first:.6f} and {second:.6f}")

    def report(self) -> str:
        """Return the table. Ratios are computed within each turn."""
        names = [name for name in PARTS[self.part][1] if name in self.times]
        ours, rows = names[0], []
        for name in names:
            times = self.times[name]
            ratio = "–" if name == ours else median_and_quartiles(np.divide(self.times[ours], times), 2)
            seconds = median_and_quartiles(np.divide(times, 1e3), 3)
            rows.append([TITLES[name], seconds, ratio, f"{self.memory[name]:.0f}"])
        notes = "".join(f"\n{TITLES[name]} is excluded: {reason}\n" for name, reason in self.excluded.items())
        header = ["", "seconds a step", "first row / this", "peak MiB"]
        return f"## {self.title[0].upper()}{self.title[1:]}\n\n{markdown_table(header, rows)}{notes}"


def prepare(folder: Path) -> None:
    """Write the weights, which are the shipped base and a random head, and the photographs."""
    model = xception.Xception(weights=None, classes=CLASSES, seed=0)
    base = xception.Xception(include_top=False).get_weights()
    model.set_weights([*base, *model.get_weights()[len(base) :]])
    model.save_weights(folder / "weights.h5")
    count = max(MEMORY_BATCHES)
    paths = (sorted((HERE.parent / "examples").glob("*.jpg")) * count)[:count]
    for size in SIZES:
        pixels = np.stack([xception.load_image(path, target_size=(size, size)) for path in paths])
        np.save(folder / f"input_{size}.npy", xception.preprocess_input(pixels).astype(np.float32))


def report_memory(folder: Path) -> str:
    """Return a table of this library's memory by the size of the batch."""
    rows = []
    for batch in MEMORY_BATCHES:
        show_progress(f"peak memory, batch {batch}")
        worker = Case("all", max(SIZES), batch, 1).start(OURS, folder)
        try:
            worker.receive()
            rows.append([str(batch), f"{worker.ask('memory'):.0f}"])
        finally:
            worker.kill()
    return (
        f"## Memory by the size of the batch\n\nEverything trains at {max(SIZES)}×{max(SIZES)}, with frozen "
        f"statistics, on one thread.\n\n{markdown_table(['batch', 'peak MiB'], rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9, help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="examples, at most 32 (%(default)s)")
    parser.add_argument("--threads", default="1,2", help="with commas (%(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="that train, with commas (%(default)s)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="with commas (%(default)s)")
    parser.add_argument("--peers", default=f"{KERAS},{TORCH}", help="with commas (%(default)s)")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    if not 1 <= options.batch <= max(MEMORY_BATCHES) or options.turns < 1:
        parser.error(f"--batch must be 1 to {max(MEMORY_BATCHES)}, and --turns at least 1")
    parts, sizes = options.parts.split(","), list(map(int, options.sizes.split(",")))
    peers = [name for name in options.peers.split(",") if name]
    if not set(parts) <= set(PARTS) or not set(sizes) <= set(SIZES) or not set(peers) <= {KERAS, TORCH}:
        parser.error("unknown part, size or peer; see --help")
    texts = [
        f"# One step of training\n\n{describe_machine()}\n\nAdam. Peak memory is that of the process, "
        f"without the pixels of the batch. Median (quartiles) of {options.turns} turns.\n"
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        show_progress("writing weights and photographs")
        prepare(folder)
        for threads in map(int, options.threads.split(",")):
            for part in parts:
                for size in sizes:
                    case = Case(part, size, options.batch, threads)
                    show_progress(f"{case.title}: the peers load and warm up")
                    case.measure(folder, [OURS, BATCH, BORDER, *peers], options.turns)
                    texts.append(case.report())
        texts.append(report_memory(folder))
    print("\n".join(texts))
    if options.output:
        options.output.write_text("\n".join(texts))


if __name__ == "__main__":
    main()
