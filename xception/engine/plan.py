"""Plan of the quick forward pass: a graph compiled once per input shape, then run many times.

`graph.Graph.evaluate` is the plain forward pass, and the reference for this one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np

from ..graph import Graph, GraphParameters, Inputs
from ..graph.budget import check_memory, check_work, count_frames, node_costs, parameter_bytes
from ..kernels import NUMPY, Array, Backend, Step
from ..layers import Shape
from ..layers.costs import known
from ..limits import get_limits
from .fusion import fuse
from .lanes import acquire_team, bookkeeping, release_schedules, wait_for_schedules
from .measuring import bytes_of_copies, measure_schedule
from .schedule import Schedule
from .schedule_cache import MAX_CACHED_KEYS, InputShapes, Outputs, ScheduleCache
from .team import Barrier, Team

#: Examples without maps are computed together, up to this memory: a product of matrices then reads the
#: weights once for all of them. More examples would not stay in the cache.
MAX_BYTES_TOGETHER = 8 << 20

#: The inputs and results of one batch, or its photographs, may take a quarter of the memory limit. Above it,
#: batches are made smaller.
BATCH_SHARE = 4

InputArrays = dict[str, Array]  #: (n, ...), by the name of the input


class Plan:
    """A graph with its parameters, ready to run on inputs of any shape that it accepts.

    It may be used from several threads, of which one at a time runs and the others wait unless they are in
    lanes (see `lanes`), and after a fork. A copy of a plan prepares its own schedules.

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
        self._schedules = ScheduleCache(graph, parameters, backend)
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
        with acquire_team() as team, self._use(names, input_shapes, count, team.size, held_bytes) as used:
            schedules, together = used
            parts = [slice(first, min(first + together, count)) for first in range(0, count, together)]
            y = {name: np.empty((count, *known(shapes[name])), np.float32) for name in names}
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
        key = self.graph.outputs, (input_shape,), threads
        return self._schedules.take(key, self.shapes(input_shape), 1, math.inf, in_use={})[0]

    @property
    def cached_keys(self) -> int:
        """Number of cached combinations of outputs, input shapes and threads."""
        with bookkeeping():
            return len(self._schedules)

    @property
    def reserved_bytes(self) -> int:
        """Bytes that the cached schedules have reserved for activations."""
        with bookkeeping():
            return self._schedules.reserved_bytes

    def release(self) -> None:
        """Drop the cached schedules, and with them the memory that they have reserved."""
        with bookkeeping():
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

    def check_work(self, outputs: Outputs, input_shapes: InputShapes) -> int:
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

    @contextmanager
    def _use(
        self, outputs: Outputs, input_shapes: InputShapes, count: int, threads: int, held_bytes: int
    ) -> Iterator[tuple[list[Schedule], int]]:
        """Prepare schedules, and keep other lanes from using them meanwhile; see `_prepare`.

        Where the memory suffices for none beside those that other lanes use, wait for one of these.
        """
        schedules: list[Schedule] = []
        try:  # before they are in use: an interrupt may come at once
            with bookkeeping() as in_use:
                while True:
                    prepared = self._prepare(outputs, input_shapes, count, threads, held_bytes, in_use)
                    if prepared is not None:
                        break
                    wait_for_schedules()
                schedules, _ = prepared
                in_use.update((id(schedule), schedule) for schedule in schedules)
            yield prepared
        except BaseException:
            if schedules:
                self.release()  # an interrupted run may have left anything in them
            raise
        finally:
            release_schedules(schedules)

    def _prepare(
        self, outputs: Outputs, input_shapes: InputShapes, count: int, threads: int, held_bytes: int,
        in_use: Mapping[int, object],
    ) -> tuple[list[Schedule], int] | None:  # fmt: skip
        """Return schedules for a batch that nobody uses, and the number of examples for each of their runs.

        There is a schedule for each thread, or a single one that threads share.

        Where memory does not suffice, there are fewer: first fewer examples are computed at once, then
        fewer threads share one.

        Returns:
            None if not even one example on one thread fits into memory beside the schedules in use.

        Raises:
            LimitError: The work is too much, or not even one example on one thread fits into memory.
        """
        shapes = self.shapes(*input_shapes)
        elements = sum(math.prod(known(shapes[name])) for name in outputs) + sum(map(math.prod, input_shapes))
        fixed = held_bytes + self._parameter_bytes + self.check_work(outputs, input_shapes)
        fixed += 4 * count * elements  # inputs and results
        available = get_limits().max_memory_bytes - fixed
        busy = self._schedules.busy(in_use)
        available -= sum(schedule.bytes for schedule in busy)
        if count >= threads:
            schedules = self._schedules.take((outputs, input_shapes, 1), shapes, threads, available, in_use)
            if len(schedules) > 1 or len(schedules) == threads:
                return schedules, _count_together(schedules, count, available)
            del schedules  # it would keep the memory of one that is dropped
        for sharing in dict.fromkeys((threads, 1)):
            schedules = self._schedules.take((outputs, input_shapes, sharing), shapes, 1, available, in_use)
            if schedules:
                return schedules, 1
        if busy:
            return None
        measured = measure_schedule(fuse(self.graph, self.parameters, outputs), shapes, outputs)
        check_memory(self.graph.name, fixed + measured)
        raise AssertionError("internal error: a schedule that fits was not built")


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
