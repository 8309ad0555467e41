"""The quick forward pass: graph, parameters and input shape compiled once, then run many times.

`graph.Graph.evaluate` is the plain one, and this one's judge.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..graph import Graph, GraphParameters
from ..kernels import Array
from ..layers import Shape
from .stages import Plain, Stage, cut
from .steps import Steps
from .threads import Barrier, Team, team

Key = TypeVar("Key")

KEPT = 4  #: input shapes, and sets of wanted nodes, for which steps are kept ready


class Plan:
    """A graph with its parameters, ready to run on images of any shape that it takes.

    The parameters must not change afterwards. Safe to run from several Python threads (each
    waits for its turn), and after a fork.
    """

    def __init__(self, graph: Graph, parameters: GraphParameters) -> None:
        self.graph, self.parameters = graph, parameters
        self._shapes: OrderedDict[tuple[int, ...], dict[str, Shape]] = OrderedDict()
        self._stages: OrderedDict[tuple[str, ...], list[Stage | Plain]] = OrderedDict()
        self._steps: OrderedDict[tuple[object, ...], list[Steps]] = OrderedDict()

    def run(self, x: Array, wanted: Iterable[str] | None = None) -> dict[str, Array]:
        """The wanted nodes' activations (the outputs', unless given): (n, h, w, c) -> (n, …).

        Computes nothing that the wanted nodes do not need. x: float32.
        """
        names = tuple(self.graph.outputs if wanted is None else wanted)
        shapes = self.shapes(x.shape[1:])
        y = {name: np.empty((len(x), *map(int, shapes[name])), np.float32) for name in names}  # type: ignore[arg-type]
        with team() as members:
            # Whole images to each thread need no waiting; what is left over is shared by all.
            shared = len(x) % members.size if members.size > 1 else 0
            alone = range(len(x) - shared)
            if alone:
                workers = self._ready(names, x.shape[1:], threads=1, count=min(members.size, len(alone)))
                programs = [
                    [partial(_run_alone, worker, x, alone[i :: len(workers)], y)]
                    for i, worker in enumerate(workers)
                ]
                members.run(programs, Barrier(len(programs)))
            for image in range(len(alone), len(x)):
                (steps,) = self._ready(names, x.shape[1:], members.size, 1)
                _run_together(members, steps, x, image, y)
        return y

    def shapes(self, input_shape: tuple[int, ...]) -> dict[str, Shape]:
        """Every node's output shape for an input of this shape. Raises ValueError."""
        if input_shape not in self._shapes:
            self._shapes[input_shape] = self.graph.shapes(input_shape)
        _keep_recent(self._shapes, input_shape)
        return self._shapes[input_shape]

    def steps(self, input_shape: Sequence[int], threads: int) -> Steps:
        """The steps for one image of this shape: to be looked at, and timed."""
        return self._ready(self.graph.outputs, tuple(input_shape), threads, 1)[0]

    def _ready(
        self, wanted: tuple[str, ...], shape: tuple[int, ...], threads: int, count: int
    ) -> list[Steps]:
        """`count` sets of steps, each with buffers of its own; built at the first call."""
        key = (wanted, shape, threads)
        found = self._steps.setdefault(key, [])
        if wanted not in self._stages:
            self._stages[wanted] = cut(self.graph, self.parameters, wanted)
        _keep_recent(self._stages, wanted)
        _keep_recent(self._steps, key)
        while len(found) < count:
            found.append(Steps(self._stages[wanted], self.shapes(shape), wanted, threads))
        return found[:count]


def _keep_recent(kept: OrderedDict[Key, Any], recent: Key) -> None:
    """Let go of what has not been used for longest."""
    kept.move_to_end(recent)
    while len(kept) > KEPT:
        kept.popitem(last=False)


def _run_alone(steps: Steps, x: Array, images: Iterable[int], y: dict[str, Array]) -> None:
    for image in images:
        steps.feed(x[image])
        for step in steps.programs[0]:
            step()
        _collect(steps, image, y)


def _run_together(members: Team, steps: Steps, x: Array, image: int, y: dict[str, Array]) -> None:
    steps.feed(x[image])
    members.run(steps.programs, steps.barrier)
    _collect(steps, image, y)


def _collect(steps: Steps, image: int, y: dict[str, Array]) -> None:
    for name, value in steps.results().items():
        y[name][image] = value[0]
