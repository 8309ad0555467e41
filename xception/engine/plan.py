"""Plan of the quick forward pass: a graph compiled once per input shape, then run many times.

`graph.Graph.evaluate` is the plain forward pass, and the reference for this one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from ..graph import Graph, GraphParameters, Inputs
from ..graph.limits import MAX_ACTIVATION_ELEMENTS
from ..kernels import NUMPY, Array, Backend, Step
from ..layers import Shape
from .fusion import Stage, fuse
from .schedule import Schedule, build_schedule
from .team import Barrier, Team, acquire_team

#: Schedules are cached by outputs, input shapes and number of threads. Both limits bound the memory of a
#: program that sees many shapes. The schedules used last are kept, whatever they reserve.
MAX_CACHED_KEYS = 4
MAX_CACHED_BYTES = 160 << 20

#: Elements of an activation over elements of the input, for inputs so large that this exceeds
#: MAX_ACTIVATION_ELEMENTS. Bounds memory, as that does. Xception's largest ratio is 10.
MAX_GROWTH_RATIO = 1000

InputArrays = dict[str, Array]  #: (n, ...), by the name of the input
InputShapes = tuple[tuple[int, ...], ...]  #: without the batch axis, for each input


class Plan:
    """A graph with its parameters, ready to run on inputs of any shape that it accepts.

    It may be used from several threads, of which one at a time runs and the others wait, and after a
    fork. A copy of a plan prepares its own schedules.

    Args:
        graph: The graph.
        parameters: Its parameters. They must not change afterwards.
        backend: What computes the fused stages.

    Attributes:
        graph: The graph.
        parameters: Its parameters.
        backend: What computes the fused stages.
    """

    def __init__(self, graph: Graph, parameters: GraphParameters, backend: Backend = NUMPY) -> None:
        self.graph, self.parameters, self.backend = graph, parameters, backend
        self._last_shapes: tuple[InputShapes, dict[str, Shape]] | None = None
        self._stages: OrderedDict[tuple[str, ...], list[Stage]] = OrderedDict()
        self._schedules: OrderedDict[tuple[object, ...], list[Schedule]] = OrderedDict()

    def __reduce__(self) -> tuple[object, ...]:
        return Plan, (self.graph, self.parameters, self.backend)

    def run(self, x: Inputs, outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """Compute activations.

        Nodes that the outputs do not depend on are not computed. A batch of at least as many examples
        as threads is split by examples. In a smaller one, the threads share the work of each example.

        Args:
            x: The input, float32 (n, ...). For several inputs, a mapping from their names to arrays.
            outputs: Names of the nodes whose activations are returned. By default the graph's outputs.

        Returns:
            The activations by node, float32 (n, ...).

        Raises:
            ValueError: An activation would be too large.
        """
        names = tuple(self.graph.outputs if outputs is None else outputs)
        inputs = dict(self.graph.by_input_name(x))
        count = min(map(len, inputs.values()))
        input_shapes: InputShapes = tuple(inputs[name].shape[1:] for name in self.graph.inputs)
        shapes = self.shapes(*input_shapes)
        y = {name: np.empty((count, *map(int, shapes[name])), np.float32) for name in names}  # type: ignore[arg-type]
        with acquire_team() as team:
            try:
                if count < team.size:
                    for i in range(count):
                        (schedule,) = self._prepare(names, input_shapes, team.size, 1)
                        _run_together(team, schedule, inputs, i, y)
                else:
                    schedules = self._prepare(names, input_shapes, threads=1, count=team.size)
                    barrier = Barrier(len(schedules))
                    programs = [
                        _batch_program(schedule, inputs, range(first, count, len(schedules)), y, barrier)
                        for first, schedule in enumerate(schedules)
                    ]
                    team.run(programs, barrier)
            except BaseException:
                self._schedules.clear()  # an interrupted run may have left anything in them
                raise
        return y

    def shapes(self, *input_shapes: tuple[int, ...]) -> dict[str, Shape]:
        """Return every node's output shape.

        Args:
            *input_shapes: The inputs' shapes without the batch axis, in the order of `graph.inputs`.

        Returns:
            The output shapes by node, without the batch axis.

        Raises:
            ValueError: The graph does not accept these shapes, or an activation would be too
                large.
        """
        last = self._last_shapes
        if last is None or last[0] != input_shapes:
            by_name = dict(zip(self.graph.inputs, input_shapes, strict=True))
            shapes = self.graph.shapes(by_name)
            _check_sizes(shapes, sum(map(math.prod, input_shapes)))
            last = self._last_shapes = input_shapes, shapes
        return last[1]

    def schedule_for(self, input_shape: tuple[int, ...], threads: int) -> Schedule:
        """Return the schedule for one example, for tests and profiles.

        Args:
            input_shape: The input's shape without the batch axis.
            threads: Number of threads that share the work.

        Returns:
            The schedule that `run` uses for the graph's outputs.
        """
        return self._prepare(self.graph.outputs, (input_shape,), threads, 1)[0]

    @property
    def cached_keys(self) -> int:
        """Number of cached combinations of outputs, input shapes and threads."""
        return len(self._schedules)

    @property
    def reserved_bytes(self) -> int:
        """Bytes that the cached schedules have reserved for activations."""
        return sum(each.buffers.reserved for schedules in self._schedules.values() for each in schedules)

    def _prepare(
        self, outputs: tuple[str, ...], input_shapes: InputShapes, threads: int, count: int
    ) -> list[Schedule]:
        """Return `count` schedules with separate memory, from the cache or built now."""
        key = (outputs, input_shapes, threads)
        if outputs not in self._stages:
            self._stages[outputs] = fuse(self.graph, self.parameters, outputs)
        schedules = self._schedules.setdefault(key, [])
        self._stages.move_to_end(outputs)
        self._schedules.move_to_end(key)
        self._evict()
        while len(schedules) < count:
            shapes = self.shapes(*input_shapes)
            schedules.append(build_schedule(self._stages[outputs], shapes, outputs, threads, self.backend))
        self._evict()
        return schedules[:count]

    def _evict(self) -> None:
        """Drop the least recently used stages and schedules while there are too many."""
        while len(self._stages) > MAX_CACHED_KEYS:
            self._stages.popitem(last=False)
        while self.cached_keys > 1 and (
            self.cached_keys > MAX_CACHED_KEYS or self.reserved_bytes > MAX_CACHED_BYTES
        ):
            self._schedules.popitem(last=False)


def _check_sizes(shapes: dict[str, Shape], input_elements: int) -> None:
    for name, shape in shapes.items():
        elements = math.prod(map(int, shape))  # type: ignore[arg-type]
        if elements > max(MAX_ACTIVATION_ELEMENTS, MAX_GROWTH_RATIO * input_elements):
            raise ValueError(
                f"{name} would have {elements:,} elements for an input of {input_elements:,}; the maximum is "
                f"{MAX_ACTIVATION_ELEMENTS:,}, or {MAX_GROWTH_RATIO} times the input"
            )


def _batch_program(
    schedule: Schedule, inputs: InputArrays, examples: Iterable[int], y: dict[str, Array], barrier: Barrier
) -> Iterator[Step]:
    """Yield one thread's examples, as long as no other thread has failed."""
    for i in examples:
        yield barrier.check
        yield partial(_run_alone, schedule, inputs, i, y)


def _run_alone(schedule: Schedule, inputs: InputArrays, i: int, y: dict[str, Array]) -> None:
    schedule.feed({name: array[i] for name, array in inputs.items()})
    for step in schedule.programs[0]:
        step()
    _store(schedule, i, y)


def _run_together(team: Team, schedule: Schedule, inputs: InputArrays, i: int, y: dict[str, Array]) -> None:
    schedule.feed({name: array[i] for name, array in inputs.items()})
    team.run(schedule.programs, schedule.barrier)
    _store(schedule, i, y)


def _store(schedule: Schedule, i: int, y: dict[str, Array]) -> None:
    for name, value in schedule.results().items():
        y[name][i] = value[0]
