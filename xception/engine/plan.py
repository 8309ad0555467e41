"""Plan of the quick forward pass: a graph compiled once per input shape, then run many times.

`graph.Graph.evaluate` is the plain forward pass, and the reference for this one.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..graph import Graph, GraphParameters, Inputs
from ..graph.budget import check_memory, check_work, count_frames, node_costs, parameter_bytes
from ..kernels import NUMPY, Array, Backend, Step
from ..layers import Shape
from ..layers.costs import known
from ..limits import get_limits
from .buffers import Buffers, OverBudget
from .fusion import Stage, fuse
from .measuring import bytes_of_copies, measure_schedule
from .schedule import Schedule, build_schedule
from .team import Barrier, Team, acquire_team

#: Schedules are cached by outputs, input shapes and number of threads. Both limits bound the memory of a
#: program that sees many shapes. The schedules used last are kept, whatever they reserve.
MAX_CACHED_KEYS = 4
MAX_CACHED_BYTES = 160 << 20

#: Examples without maps are computed together, up to this memory: a product of matrices then reads the
#: weights once for all of them. More examples would not stay in the cache.
MAX_BYTES_TOGETHER = 8 << 20

#: The inputs and results of one batch, or its photographs, may take a quarter of the memory limit. Above it,
#: batches are made smaller.
BATCH_SHARE = 4

InputArrays = dict[str, Array]  #: (n, ...), by the name of the input
InputShapes = tuple[tuple[int, ...], ...]  #: without the batch axis, for each input

ScheduleKey = tuple[tuple[str, ...], InputShapes, int]  #: outputs, input shapes, number of threads


@dataclass
class _CachedSchedules:
    """Schedules for the same outputs, shapes and threads, with separate memory.

    Attributes:
        schedules: The schedules.
        too_little: Bytes that did not suffice for another one.
    """

    schedules: list[Schedule] = field(default_factory=list)
    too_little: float = -math.inf


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
        self._schedules: OrderedDict[ScheduleKey, _CachedSchedules] = OrderedDict()
        #: The limit that the work was checked against, and the bytes that fusion copies of weights.
        self._checked: dict[tuple[object, ...], tuple[int, int]] = {}
        self._parameter_bytes = parameter_bytes(parameters)

    def __reduce__(self) -> tuple[object, ...]:
        return Plan, (self.graph, self.parameters, self.backend)

    def run(self, x: Inputs, outputs: Iterable[str] | None = None, held_bytes: int = 0) -> dict[str, Array]:
        """Compute activations.

        Nodes that the outputs do not depend on are not computed. A batch of at least as many examples
        as threads is split by examples. In a smaller one, the threads share the work of each example.

        Args:
            x: The input, float32 (n, ...). For several inputs, a mapping from their names to arrays.
            outputs: Names of the nodes whose activations are returned. By default the graph's outputs.
            held_bytes: Memory that the caller holds meanwhile, which counts against the limit.

        Returns:
            The activations by node, float32 (n, ...).

        Raises:
            LimitError: It would take more work or memory than the limits allow.
        """
        names = tuple(self.graph.outputs if outputs is None else outputs)
        inputs = dict(self.graph.by_input_name(x))
        count = min(map(len, inputs.values()))
        input_shapes: InputShapes = tuple(inputs[name].shape[1:] for name in self.graph.inputs)
        shapes = self.shapes(*input_shapes)
        with acquire_team() as team:
            schedules, together = self._prepare(names, input_shapes, count, team.size, held_bytes)
            parts = [slice(first, min(first + together, count)) for first in range(0, count, together)]
            y = {name: np.empty((count, *known(shapes[name])), np.float32) for name in names}
            try:
                if len(schedules) == 1:
                    for part in parts:
                        _run_together(team, schedules[0], inputs, part, y)
                else:
                    barrier = Barrier(len(schedules))
                    programs = [
                        _batch_program(schedule, inputs, parts[first :: len(schedules)], y, barrier)
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
            ValueError: The graph does not accept these shapes.
        """
        last = self._last_shapes
        if last is None or last[0] != input_shapes:
            by_name = dict(zip(self.graph.inputs, input_shapes, strict=True))
            shapes = self.graph.shapes(by_name)
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
        return self._schedules_for(self.graph.outputs, (input_shape,), threads, 1, math.inf)[0]

    @property
    def cached_keys(self) -> int:
        """Number of cached combinations of outputs, input shapes and threads."""
        return len(self._schedules)

    @property
    def reserved_bytes(self) -> int:
        """Bytes that the cached schedules have reserved for activations."""
        return sum(each.buffers.reserved for cached in self._schedules.values() for each in cached.schedules)

    def release(self) -> None:
        """Drop the cached schedules, and with them the memory that they have reserved."""
        self._schedules.clear()

    def examples_at_once(self, outputs: Iterable[str], input_shapes: InputShapes, requested: int) -> int:
        """Return how many examples a batch may have, so that inputs and results take little of the memory.

        Args:
            outputs: The nodes whose activations are returned.
            input_shapes: The inputs' shapes without the batch axis, in the order of `graph.inputs`.
            requested: The number that the caller would like.

        Returns:
            At most `requested`, at least 1.
        """
        shapes = self.shapes(*input_shapes)
        elements = sum(map(math.prod, input_shapes)) + sum(math.prod(known(shapes[name])) for name in outputs)
        available = get_limits().max_memory_bytes // BATCH_SHARE
        return max(1, min(requested, available // (4 * max(elements, 1))))

    def check_work(self, outputs: tuple[str, ...], input_shapes: InputShapes) -> int:
        """Check the work for an example of these shapes; return the bytes that fusion copies of weights.

        Raises:
            LimitError: It is too much work.
        """
        key, limit = (outputs, input_shapes), get_limits().max_operations
        checked_limit, copied = self._checked.get(key, (None, 0))
        if checked_limit != limit:
            needed = self.graph.ancestors(outputs)
            nodes = [node for node in self.graph.nodes.values() if node.name in needed]
            shapes = dict(zip(self.graph.inputs, input_shapes, strict=True))
            check_work(self.graph.name, node_costs(nodes, shapes), frames=count_frames(input_shapes))
            copied = bytes_of_copies(nodes)
            if len(self._checked) >= MAX_CACHED_KEYS:
                self._checked.clear()
            self._checked[key] = limit, copied
        return copied

    def _prepare(
        self, outputs: tuple[str, ...], input_shapes: InputShapes, count: int, threads: int, held_bytes: int
    ) -> tuple[list[Schedule], int]:
        """Return the schedules for a batch, and the number of examples for each of their runs.

        There is a schedule for each thread, or a single one that threads share.

        Where memory does not suffice, there are fewer: first fewer examples are computed at once, then
        fewer threads share one.

        Raises:
            LimitError: The work is too much, or not even one example on one thread fits into memory.
        """
        shapes = self.shapes(*input_shapes)
        elements = sum(math.prod(known(shapes[name])) for name in outputs) + sum(map(math.prod, input_shapes))
        fixed = held_bytes + self._parameter_bytes + self.check_work(outputs, input_shapes)
        fixed += 4 * count * elements  # inputs and results
        available = get_limits().max_memory_bytes - fixed
        if count >= threads:
            schedules = self._schedules_for(outputs, input_shapes, 1, threads, available)
            if len(schedules) > 1 or len(schedules) == threads:
                return schedules, _count_together(schedules, count, available)
            del schedules  # it would keep the memory of one that is dropped
        for sharing in dict.fromkeys((threads, 1)):
            schedules = self._schedules_for(outputs, input_shapes, sharing, 1, available)
            if schedules:
                return schedules, 1
        measured = measure_schedule(fuse(self.graph, self.parameters, outputs), shapes, outputs)
        check_memory(self.graph.name, fixed + measured)
        raise AssertionError("internal error: a schedule that fits was not built")

    def _schedules_for(
        self, outputs: tuple[str, ...], input_shapes: InputShapes, threads: int, count: int, available: float
    ) -> list[Schedule]:
        """Return up to `count` schedules with separate memory, as many as fit into `available` bytes.

        They are taken from the cache, or built now. Others are dropped if there is no room beside them.
        """
        key = outputs, input_shapes, threads
        if outputs not in self._stages:
            self._stages[outputs] = fuse(self.graph, self.parameters, outputs)
        cached = self._schedules.setdefault(key, _CachedSchedules())
        self._stages.move_to_end(outputs)
        self._schedules.move_to_end(key)
        self._evict()
        fitting = 0
        for position in range(count):
            if position == len(cached.schedules):
                schedule = self._build(key, available)
                if schedule is None:
                    break
                cached.schedules.append(schedule)
            available -= cached.schedules[position].bytes
            if available < 0:
                del cached.schedules[position:]
                break
            fitting += 1
        self._evict()
        return cached.schedules[:fitting]

    def _build(self, key: ScheduleKey, available: float) -> Schedule | None:
        """Build another schedule in `available` bytes. Return None if they do not suffice."""
        outputs, input_shapes, threads = key
        if available <= self._schedules[key].too_little:
            return None
        others = sum(
            schedule.bytes
            for other, cached in self._schedules.items()
            for schedule in cached.schedules
            if other != key
        )
        shapes = self.shapes(*input_shapes)
        for room in (available - others, available):
            try:
                return build_schedule(
                    self._stages[outputs], shapes, outputs, threads, self.backend, Buffers(room)
                )
            except OverBudget:
                for other in [other for other in self._schedules if other != key]:
                    del self._schedules[other]
        self._schedules[key].too_little = available
        return None

    def _evict(self) -> None:
        """Drop the least recently used stages and schedules while there are too many."""
        while len(self._stages) > MAX_CACHED_KEYS:
            self._stages.popitem(last=False)
        while self.cached_keys > 1 and (
            self.cached_keys > MAX_CACHED_KEYS or self.reserved_bytes > MAX_CACHED_BYTES
        ):
            self._schedules.popitem(last=False)


def _count_together(schedules: list[Schedule], count: int, available: float) -> int:
    """Return how many of `count` examples each run of these schedules may compute, in `available` bytes."""
    if any(schedule.buffers.reserved for schedule in schedules):
        return 1  # maps are for one example
    memory = min(MAX_BYTES_TOGETHER, available / len(schedules)) / max(schedules[0].bytes, 1)
    return max(1, min(int(memory), -(-count // len(schedules))))


def _batch_program(
    schedule: Schedule, inputs: InputArrays, parts: Iterable[slice], y: dict[str, Array], barrier: Barrier
) -> Iterator[Step]:
    """Yield one thread's parts of a batch, as long as no other thread has failed."""
    for part in parts:
        yield barrier.check
        yield partial(_run_alone, schedule, inputs, part, y)


def _run_alone(schedule: Schedule, inputs: InputArrays, part: slice, y: dict[str, Array]) -> None:
    schedule.feed({name: array[part] for name, array in inputs.items()})
    for step in schedule.programs[0]:
        step()
    _store(schedule, part, y)


def _run_together(
    team: Team, schedule: Schedule, inputs: InputArrays, part: slice, y: dict[str, Array]
) -> None:
    schedule.feed({name: array[part] for name, array in inputs.items()})
    team.run(schedule.programs, schedule.barrier)
    _store(schedule, part, y)


def _store(schedule: Schedule, part: slice, y: dict[str, Array]) -> None:
    for name, value in schedule.results().items():
        y[name][part] = value
