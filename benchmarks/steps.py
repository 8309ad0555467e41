"""Where this library's time goes: `python benchmarks/steps.py THREADS FOLDER RUNS` prints it as JSON."""

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


def products(graph: Graph) -> list[tuple[int, int, int]]:
    """Every matrix product of one image: (rows, depth, columns)."""
    shapes = []
    for node in graph.nodes.values():
        if node.kind in ("Conv2D", "SeparableConv2D", "Dense"):
            kernel = node.parameters.get("pointwise_kernel") or node.parameters["kernel"]
            *window, depth, columns = kernel.shape
            shapes.append((prod(node.output_shape[:-1]), prod(window) * depth, columns))
    return shapes


def depthwise_maps(graph: Graph) -> list[tuple[int, int, int]]:
    """What every depthwise convolution of one image reads: (h, w, c). All are 3×3, and give as much."""
    separable = [node for node in graph.nodes.values() if node.kind == "SeparableConv2D"]
    return [graph.nodes[node.inputs[0]].output_shape for node in separable]


def blocks(graph: Graph) -> dict[str, str]:
    """The block of every node. Projections have no names; each stands before the block it belongs to."""
    found, block = {}, "classifier"
    for node in reversed(graph.nodes.values()):
        place = re.match(r"block\d+", node.inputs[0] if node.kind == "Add" else node.name)
        block = place[0] if place else block
        found[node.name] = "input" if not node.inputs else block
    return dict(reversed(found.items()))


def timed(step: Callable[[], object], times: np.ndarray, place: int) -> None:
    start = time.perf_counter()
    step()
    times[place] = time.perf_counter() - start


def measure(folder: Path, threads: int, runs: int) -> dict[str, dict[str, float]]:
    """Milliseconds by kind of work and by block, a step's median over runs, the mean of the threads."""
    import xception
    from xception.engine.plan import Plan
    from xception.engine.team import acquire_team

    xception.set_num_threads(threads)
    model = xception.Xception(weights=folder / "weights.h5")
    image = np.load(folder / "input.npy")[0]
    steps = Plan(model.graph, model.parameters).schedule_for(image.shape, threads)
    times = [np.zeros((runs + 3, len(program))) for program in steps.programs]
    with acquire_team() as team:
        for run in range(runs + 3):
            clocked = [
                [partial(timed, step, taken[run], place) for place, step in enumerate(program)]
                for program, taken in zip(steps.programs, times, strict=True)
            ]
            steps.feed({model.graph.inputs[0]: image})
            team.run(clocked, steps.barrier)
            steps.results()
    block_of = blocks(model.graph)
    found = {"kind of work": defaultdict(float), "block": defaultdict(float)}
    for labels, taken in zip(steps.labels, times, strict=True):
        for (node, kind), median in zip(labels, np.median(taken[3:], axis=0) * 1e3 / threads, strict=True):
            found["kind of work"][kind] += median
            found["block"][block_of[node]] += median
    found["kind of work"] = dict(sorted(found["kind of work"].items(), key=lambda item: -item[1]))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[1]), int(sys.argv[3]))))
