"""Batches of a model's input: as many examples at once as memory allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..console.progress import DELAY_SECONDS, ProgressBar, Verbose
from ..engine.plan import Plan
from ..graph.budget import check_memory
from ..kernels import Array
from ..layers.costs import count

#: Size of all results over the size of all inputs, up to which they are the caller's own concern: who has
#: room for ten thousand images has room for their maps.
MAX_RESULT_RATIO = 4


def run_batches(
    plan: Plan, arrays: Mapping[str, Array], nodes: tuple[str, ...], batch_size: int, verbose: Verbose
) -> Iterator[tuple[slice, int, dict[str, Array]]]:
    """Run a plan batch by batch.

    Args:
        plan: The plan.
        arrays: The inputs (n, …) by name.
        nodes: The nodes whose activations are returned.
        batch_size: Examples per batch. Where inputs and results are large, there are fewer.
        verbose: Progress bar, as for `Model.predict`.

    Yields:
        The slice of the input, the length of the whole input, and the activations by node.
    """
    total = len(next(iter(arrays.values())))
    size = plan.examples_at_once(nodes, _shapes(plan, arrays), batch_size)
    unit = "video" if any(x.ndim == 5 for x in arrays.values()) else "image"
    with ProgressBar(total, unit, verbose, DELAY_SECONDS) as bar:
        for start in range(0, max(total, 1), size):  # an empty input gives one empty batch
            part = slice(start, min(start + size, total))
            batch = {name: np.ascontiguousarray(x[part], np.float32) for name, x in arrays.items()}
            yield part, total, plan.run(batch, nodes)
            bar.advance(part.stop - part.start)


def check_results(plan: Plan, arrays: Mapping[str, Array], nodes: Sequence[str]) -> None:
    """Check the memory for the activations of all examples.

    Args:
        plan: The plan.
        arrays: The inputs (n, …) by name.
        nodes: The nodes whose activations are kept.

    Raises:
        LimitError: They are too large.
    """
    shapes = plan.shapes(*_shapes(plan, arrays))
    total = len(next(iter(arrays.values())))
    elements = total * sum(count(shapes[node]) for node in nodes)
    if elements > MAX_RESULT_RATIO * sum(x.size for x in arrays.values()):
        check_memory(plan.graph.name, 4 * elements)


def _shapes(plan: Plan, arrays: Mapping[str, Array]) -> tuple[tuple[int, ...], ...]:
    return tuple(arrays[name].shape[1:] for name in plan.graph.inputs)
