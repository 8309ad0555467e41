"""Time of each step of this library's forward pass: `python benchmarks/steps.py THREADS FOLDER RUNS`.

Prints JSON.
"""

import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from xception.graph import Graph

WARMUP_RUNS = 3


def matrix_products(graph: Graph) -> list[tuple[int, int, int]]:
    """Return (rows, depth, columns) of every matrix product of one image."""
    shapes = []
    for node in graph.nodes.values():
        if node.kind in ("Conv2D", "SeparableConv2D", "Dense"):
            kernel = node.parameters.get("pointwise_kernel") or node.parameters["kernel"]
            *window, depth, columns = kernel.shape
            shapes.append((prod(node.output_shape[:-1]), prod(window) * depth, columns))
    return shapes


def depthwise_inputs(graph: Graph) -> list[tuple[int, int, int]]:
    """Return the input shape (h, w, c) of every depthwise convolution. All are 3×3 and keep the shape."""
    separable = [node for node in graph.nodes.values() if node.kind == "SeparableConv2D"]
    return [graph.nodes[node.inputs[0]].output_shape for node in separable]


def blocks_of_nodes(graph: Graph) -> dict[str, str]:
    """Return the block of every node. Unnamed projections belong to the block that is created after them."""
    block_of, block = {}, "classifier"
    for node in reversed(graph.nodes.values()):
        match = re.match(r"block\d+", node.inputs[0] if node.kind == "Add" else node.name)
        block = match[0] if match else block
        block_of[node.name] = "input" if not node.inputs else block
    return dict(reversed(block_of.items()))


def run_timed(step: Callable[[], object], times: np.ndarray, index: int) -> None:
    """Run a step, and write its seconds to `times[index]`."""
    start = time.perf_counter()
    step()
    times[index] = time.perf_counter() - start


def measure(folder: Path, threads: int, runs: int) -> dict[str, dict[str, float]]:
    """Measure the milliseconds of one image by kind of work and by block.

    Args:
        folder: Holds `weights.h5` and `input.npy`.
        threads: Number of threads.
        runs: Number of runs.

    Returns:
        Sums over steps. Of each step the median over runs counts, and of several threads the mean.
    """
    import xception
    from xception.engine.lanes import acquire_team
    from xception.engine.plan import Plan

    xception.set_num_threads(threads)
    model = xception.Xception(weights=folder / "weights.h5")
    image = np.load(folder / "input.npy")[0]
    schedule = Plan(model.graph, model.parameters).schedule_for(image.shape, threads)
    times = [np.zeros((runs + WARMUP_RUNS, len(program))) for program in schedule.programs]  # per thread
    with acquire_team() as team:
        for run in range(runs + WARMUP_RUNS):
            timed_programs = [
                [partial(run_timed, step, seconds[run], index) for index, step in enumerate(program)]
                for program, seconds in zip(schedule.programs, times, strict=True)
            ]
            schedule.feed({model.graph.inputs[0]: image[None]})
            team.run(timed_programs, schedule.barrier)
            schedule.results()
    block_of = blocks_of_nodes(model.graph)
    sums = {"kind of work": defaultdict(float), "block": defaultdict(float)}
    for labels, seconds in zip(schedule.labels, times, strict=True):
        medians = np.median(seconds[WARMUP_RUNS:], axis=0) * 1e3 / threads
        for (node, kind), median in zip(labels, medians, strict=True):
            sums["kind of work"][kind] += median
            sums["block"][block_of[node]] += median
    sums["kind of work"] = dict(sorted(sums["kind of work"].items(), key=lambda item: -item[1]))
    return sums


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[1]), int(sys.argv[3]))))
