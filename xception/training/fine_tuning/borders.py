"""Border activations: the output of the frozen part of a network, kept for each photograph and variant.

They are the same in every epoch. For Xception's exit flow a photograph of 299×299 pixels takes 1.05 MB, and
computing it takes two thirds of a training step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...data.photographs import Photograph
from ...data.pipeline import map_in_order
from ...engine.cpus import get_num_threads
from ...engine.plan import Plan
from ...graph import Graph, Node
from ...kernels import Array
from ...layers.costs import known
from ...limits import get_limits
from ...storage.budget import ACTIVATIONS
from ...storage.cache import RowCache

#: Kept activations may take a quarter of the memory limit, as a batch may: 300 photographs of 299×299 pixels.
#: The rest is for training. From the cache folder, a row takes a millisecond.
MEMORY_SHARE = 4


class Example(NamedTuple):
    """A variant of a photograph.

    Attributes:
        number: The photograph, among those of the run.
        variant: The number of the variant; None for the photograph as it is.
    """

    number: int
    variant: int | None = None


class Border:
    """The border of a trained part, as one row of numbers for each example.

    Activations that follow from others of the border without any parameter, such as a ReLU of a sum, are not
    part of the row.

    Args:
        graph: The graph.
        nodes: The nodes of the border.
        input_shape: (height, width, channels) of a photograph.

    Attributes:
        nodes: The nodes of the border.
        stored: The nodes whose activations a row holds.
        columns: The length of a row.
        pixels: The numbers of a photograph.
        is_pixels: Whether rows hold the pixels instead: no layer before the border has parameters, and the
            pixels are fewer numbers.
    """

    def __init__(self, graph: Graph, nodes: Sequence[str], input_shape: tuple[int, int, int]) -> None:
        self.nodes = tuple(nodes)
        self._chains = {name: _derivation(graph, name, self.nodes) for name in nodes}
        self.stored = tuple(name for name in nodes if not self._chains[name])
        shapes = graph.shapes({graph.inputs[0]: input_shape})
        self._shapes = [known(shapes[name]) for name in self.stored]
        self._ends = np.cumsum([0, *map(math.prod, self._shapes)]).tolist()
        self.columns: int = self._ends[-1]
        has_parameters = any(graph.nodes[name].parameters for name in graph.ancestors(self.stored))
        self.pixels = math.prod(input_shape)
        self.is_pixels = not has_parameters and self.columns >= self.pixels

    def row(self, values: Mapping[str, Array]) -> Array:
        """Return the row (columns,) of one example, from its activations (1, …) by node."""
        return np.concatenate([values[name].ravel() for name in self.stored])

    def values(self, rows: Array) -> dict[str, Array]:
        """Return the activations (n, …) of the border by node, from rows (n, columns)."""
        values = {
            name: rows[:, start:stop].reshape(len(rows), *shape)
            for name, shape, (start, stop) in zip(
                self.stored, self._shapes, pairwise(self._ends), strict=True
            )
        }
        return self.complete(values)

    def complete(self, stored: Mapping[str, Array]) -> dict[str, Array]:
        """Return the activations (n, …) of the border, from those that a row holds."""
        values = dict(stored)
        for name, chain in self._chains.items():
            if chain:
                x = values[chain[0].inputs[0]]
                for node in chain:
                    x = node.layer.forward({}, x)
                values[name] = x
        return values


def _derivation(graph: Graph, name: str, border: Sequence[str]) -> list[Node]:
    """Return the layers that compute a node from another node of the border; [] if none do."""
    chain: list[Node] = []
    node = graph.nodes[name]
    while len(node.inputs) == 1 and not node.parameters:
        chain.insert(0, node)
        node = graph.nodes[node.inputs[0]]
        if node.name in border:
            # Only from a node that is stored: a derived one is not in the row.
            return chain if not _derivation(graph, node.name, border) else []
    return []


class RowBudget:
    """Memory that several stores share for the rows that they keep.

    Args:
        max_bytes: The memory; by default a share of the memory limit.

    Attributes:
        remaining: The bytes that are free.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self.remaining = get_limits().max_memory_bytes // MEMORY_SHARE if max_bytes is None else max_bytes


class BorderStore:
    """Border activations of examples: kept in memory, else in the cache folder, else computed again.

    Use it as a context manager.

    Args:
        border: The border.
        plan: The plan of the starting model, which computes the border.
        photographs: The photographs of the run.
        load: Returns the pixels (h, w, c), 0…255, of an example. It is called on several threads.
        scale: Scales pixels (n, h, w, c) as the model takes them.
        fingerprint: Returns the digest of what computes a variant's rows, by which the cache knows them.
        keeps_variants: Whether later epochs use a variant again. They do not use fresh ones.
        threads: How many photographs may be computed at once; by default as many as there are threads.
        budget: The memory for kept rows.
    """

    def __init__(
        self,
        border: Border,
        plan: Plan,
        photographs: Sequence[Photograph],
        load: Callable[[Example], NDArray[Any]],
        scale: Callable[[NDArray[Any]], Array],
        fingerprint: Callable[[int | None], str],
        *,
        keeps_variants: bool = True,
        threads: int | None = None,
        budget: RowBudget | None = None,
    ) -> None:
        self.border, self._plan, self._photographs = border, plan, photographs
        self._load, self._scale, self._fingerprint = load, scale, fingerprint
        self._budget = budget or RowBudget()
        self._keeps_variants = keeps_variants
        self._threads = min(get_num_threads(), threads or get_num_threads())
        self._kept: dict[Example, NDArray[Any]] = {}
        self._caches: dict[int | None, RowCache] = {}
        self._opened = ExitStack()

    def __enter__(self) -> BorderStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        self._opened.close()

    @property
    def kept_bytes(self) -> int:
        """The memory of the rows that are kept."""
        return sum(row.nbytes for row in self._kept.values())

    def expected_bytes(self, count: int) -> int:
        """Return about how many bytes the rows of some examples will take in memory.

        Args:
            count: The number of examples.
        """
        row = self.border.pixels if self.border.is_pixels else 4 * self.border.columns
        return min(count * row, self.kept_bytes + self._budget.remaining)

    def forget(self, examples: Iterable[Example]) -> None:
        """Free the memory of examples that will not be needed again."""
        for example in examples:
            row = self._kept.pop(example, None)
            self._budget.remaining += 0 if row is None else row.nbytes

    def clear(self) -> None:
        """Free the memory of all rows."""
        self.forget(list(self._kept))

    def values(self, examples: Sequence[Example]) -> dict[str, Array]:
        """Return the activations (n, …) of the border by node.

        Args:
            examples: n examples.
        """
        rows: list[Any] = [self._look_up(example) for example in examples]
        missing = [i for i, row in enumerate(rows) if row is None]
        for i, row in map_in_order(lambda i: self._compute(examples[i]), missing, self._threads):
            rows[i] = self._keep(examples[i], row)
        if self.border.is_pixels:
            inputs = {self._plan.graph.inputs[0]: self._scale(np.stack(rows))}
            return self.border.complete(self._plan.run(inputs, self.border.stored))
        return self.border.values(np.stack(rows))

    def first_pass(
        self, examples: Sequence[Example], features: str
    ) -> Iterator[tuple[Example, Array | Exception]]:
        """Compute and keep the rows of examples, and the activations of another node.

        Args:
            examples: The examples.
            features: The node.

        Yields:
            Each example, in order, with the activation (d,) of the node; or why it could not be read.
        """

        def compute(example: Example) -> tuple[NDArray[Any], Array] | Exception:
            try:
                pixels = self._load(example)
            except Exception as error:  # any error concerns this photograph only
                return error
            stored = () if self.border.is_pixels else self.border.stored
            values = self._run(pixels, (*stored, features))
            return (self.border.row(values) if stored else pixels), values[features][0]

        for example, outcome in map_in_order(compute, examples, self._threads):
            if isinstance(outcome, Exception):
                yield example, outcome
            else:
                self._keep(example, outcome[0])
                yield example, outcome[1]

    def _compute(self, example: Example) -> NDArray[Any]:
        """Return the row of an example."""
        pixels = self._load(example)
        return pixels if self.border.is_pixels else self.border.row(self._run(pixels, self.border.stored))

    def _run(self, pixels: NDArray[Any], nodes: tuple[str, ...]) -> dict[str, Array]:
        return self._plan.run({self._plan.graph.inputs[0]: self._scale(pixels[np.newaxis])}, nodes)

    def _look_up(self, example: Example) -> NDArray[Any] | None:
        """Return the row of an example; None if it is not kept."""
        if example in self._kept:
            return self._kept[example]
        cache = self._cache(example)
        number = cache.find(self._photographs[example.number]) if cache else None
        return cache.row(number) if cache and number is not None else None

    def _keep(self, example: Example, row: NDArray[Any]) -> NDArray[Any]:
        """Keep the row of an example, and return it."""
        if example.variant is not None and not self._keeps_variants:
            return row
        if row.nbytes <= self._budget.remaining:
            self._kept[example] = row
            self._budget.remaining -= row.nbytes
        elif cache := self._cache(example):
            photograph = self._photographs[example.number]
            if cache.find(photograph) is None:  # `add` needs a look-up before
                cache.add([photograph], row[np.newaxis])
        return row

    def _cache(self, example: Example) -> RowCache | None:
        """Return the cache for an example, which is opened when memory is full; None if it is not cached."""
        variant = example.variant
        if variant not in self._caches:
            is_fresh = variant is not None and not self._keeps_variants
            if self.border.is_pixels or is_fresh or 4 * self.border.columns <= self._budget.remaining:
                return None
            cache = RowCache(self._fingerprint(variant), self.border.columns, kind=ACTIVATIONS)
            self._caches[variant] = self._opened.enter_context(cache)
        return self._caches[variant]
