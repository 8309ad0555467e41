"""The quick forward pass: graph, parameters and input shape compiled once, then run many times.

`graph.Graph.evaluate` is the plain one, and this one's judge.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from ..graph import Graph, GraphParameters, Inputs
from ..kernels import Array
from ..layers import Shape
from .fusion import Plain, Stage, cut
from .schedule import Steps
from .team import Barrier, Step, Team, team

KEPT = 4  #: input shapes, and sets of wanted nodes, for which steps are kept ready
KEPT_BYTES = 160 << 20  #: and how much memory they may hold, the last used apart

#: Numbers for one example (1 GiB), and how many times as many as it is given, both of which an
#: activation must not exceed. Xception's largest is 10 times its image; a file may ask for anything.
MOST_NUMBERS, MOST_GROWTH = 1 << 28, 1000

Entering = dict[str, Array]  #: by the name of the input, (n, …)
Shapes = tuple[tuple[int, ...], ...]  #: of one example, for each input


class Plan:
    """A graph with its parameters, ready to run on images of any shape that it takes.

    The parameters must not change afterwards. Safe to run from several Python threads (each
    waits for its turn), and after a fork.
    """

    def __init__(self, graph: Graph, parameters: GraphParameters) -> None:
        self.graph, self.parameters = graph, parameters
        self._last_shapes: tuple[Shapes, dict[str, Shape]] | None = None
        self._stages: OrderedDict[tuple[str, ...], list[Stage | Plain]] = OrderedDict()
        self._steps: OrderedDict[tuple[object, ...], list[Steps]] = OrderedDict()

    def __reduce__(self) -> tuple[object, ...]:
        return Plan, (self.graph, self.parameters)  # what was prepared is prepared anew

    def run(self, x: Inputs, wanted: Iterable[str] | None = None) -> dict[str, Array]:
        """The wanted nodes' activations (the outputs', unless given): (n, h, w, c) -> (n, …).

        Computes nothing that the wanted nodes do not need. x: float32; for several inputs one
        array for each, by its name.
        """
        names = tuple(self.graph.outputs if wanted is None else wanted)
        entering = dict(self.graph.by_name(x))
        count = min(map(len, entering.values()))
        entered: Shapes = tuple(entering[name].shape[1:] for name in self.graph.inputs)
        shapes = self.shapes(*entered)
        y = {name: np.empty((count, *map(int, shapes[name])), np.float32) for name in names}  # type: ignore[arg-type]
        with team() as members:
            try:
                if count < members.size:  # too few for an image to each thread
                    for image in range(count):
                        (steps,) = self._ready(names, entered, members.size, 1)
                        _run_together(members, steps, entering, image, y)
                else:
                    workers = self._ready(names, entered, threads=1, count=members.size)
                    barrier = Barrier(len(workers))
                    programs = [
                        _program(worker, entering, range(first, count, len(workers)), y, barrier)
                        for first, worker in enumerate(workers)
                    ]
                    members.run(programs, barrier)
            except BaseException:
                self._steps.clear()  # half of what they were at may still stand in them
                raise
        return y

    def shapes(self, *entered: tuple[int, ...]) -> dict[str, Shape]:
        """Every node's output shape for inputs of these shapes, in their order. Raises ValueError."""
        last = self._last_shapes
        if last is None or last[0] != entered:
            by_name = dict(zip(self.graph.inputs, entered, strict=True))
            shapes = self.graph.shapes(by_name)
            _check_sizes(shapes, sum(map(math.prod, entered)))
            last = self._last_shapes = entered, shapes
        return last[1]

    def steps(self, input_shape: tuple[int, ...], threads: int) -> Steps:
        """The steps for one image of this shape: to be looked at, and timed."""
        return self._ready(self.graph.outputs, (input_shape,), threads, 1)[0]

    def _ready(self, wanted: tuple[str, ...], entered: Shapes, threads: int, count: int) -> list[Steps]:
        """`count` sets of steps, each with buffers of its own; built at the first call."""
        key = (wanted, entered, threads)
        if wanted not in self._stages:
            self._stages[wanted] = cut(self.graph, self.parameters, wanted)
        found = self._steps.setdefault(key, [])
        self._stages.move_to_end(wanted)
        self._steps.move_to_end(key)
        self._let_go()
        while len(found) < count:
            found.append(Steps(self._stages[wanted], self.shapes(*entered), wanted, threads))
        self._let_go()
        return found[:count]

    def _let_go(self) -> None:
        """Drop what has not been used for longest, as long as there is too much."""
        while len(self._stages) > KEPT:
            self._stages.popitem(last=False)
        while len(self._steps) > 1 and (len(self._steps) > KEPT or self._reserved() > KEPT_BYTES):
            self._steps.popitem(last=False)

    def _reserved(self) -> int:
        return sum(steps.buffers.reserved for kept in self._steps.values() for steps in kept)


def _check_sizes(shapes: dict[str, Shape], given: int) -> None:
    for name, shape in shapes.items():
        size = math.prod(map(int, shape))  # type: ignore[arg-type]
        if size > max(MOST_NUMBERS, MOST_GROWTH * given):
            raise ValueError(
                f"{name} would give {size:,} numbers for one example of {given:,}; more than {MOST_GROWTH} "
                "times as many are refused"
            )


def _program(
    steps: Steps, x: Entering, images: Iterable[int], y: dict[str, Array], barrier: Barrier
) -> Iterator[Step]:
    """One thread's images, one after the other, as long as nobody has failed."""
    for image in images:
        yield barrier.check
        yield partial(_run_alone, steps, x, image, y)


def _run_alone(steps: Steps, x: Entering, image: int, y: dict[str, Array]) -> None:
    steps.feed({name: array[image] for name, array in x.items()})
    for step in steps.programs[0]:
        step()
    _collect(steps, image, y)


def _run_together(members: Team, steps: Steps, x: Entering, image: int, y: dict[str, Array]) -> None:
    steps.feed({name: array[image] for name, array in x.items()})
    members.run(steps.programs, steps.barrier)
    _collect(steps, image, y)


def _collect(steps: Steps, image: int, y: dict[str, Array]) -> None:
    for name, value in steps.results().items():
        y[name][image] = value[0]
