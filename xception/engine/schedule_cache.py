"""Cache of schedules, by outputs, input shapes and number of threads."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..graph import Graph, GraphParameters
from ..kernels import Backend
from ..layers import Shape
from .buffers import Buffers, OverBudget
from .fusion import Stage, fuse
from .schedule import Schedule, build_schedule

#: Both limits bound the memory of a program that sees many shapes. The schedules used last are kept, whatever
#: they reserve.
MAX_CACHED_KEYS = 4
MAX_CACHED_BYTES = 160 << 20

Outputs = tuple[str, ...]
InputShapes = tuple[tuple[int, ...], ...]  #: without the batch axis, for each input
ScheduleKey = tuple[Outputs, InputShapes, int]  #: outputs, input shapes, number of threads


@dataclass
class _Entry:
    """Schedules for the same outputs, shapes and threads, with separate memory.

    Attributes:
        schedules: The schedules.
        too_little: Bytes that did not suffice for another one.
    """

    schedules: list[Schedule] = field(default_factory=list)
    too_little: float = -math.inf


class ScheduleCache:
    """Schedules of a plan. To be used within `lanes.bookkeeping`.

    Args:
        graph: The graph of the plan.
        parameters: Its parameters.
        backend: What computes the fused stages.
    """

    def __init__(self, graph: Graph, parameters: GraphParameters, backend: Backend) -> None:
        self._graph, self._parameters, self._backend = graph, parameters, backend
        self._stages: OrderedDict[Outputs, list[Stage]] = OrderedDict()
        self._entries: OrderedDict[ScheduleKey, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Number of cached combinations of outputs, input shapes and threads."""
        return len(self._entries)

    @property
    def reserved_bytes(self) -> int:
        """Bytes that the schedules have reserved for activations."""
        return sum(schedule.buffers.reserved for schedule in self._schedules())

    def clear(self) -> None:
        """Drop the schedules, and with them the memory that they have reserved."""
        self._entries.clear()

    def busy(self, in_use: Mapping[int, object]) -> list[Schedule]:
        """Return those of the schedules that are in use, which is a mapping by identity."""
        return [schedule for schedule in self._schedules() if id(schedule) in in_use]

    def take(
        self,
        key: ScheduleKey,
        shapes: Mapping[str, Shape],
        count: int,
        available: float,
        in_use: Mapping[int, object],
    ) -> list[Schedule]:
        """Return up to `count` schedules that are not in use, as many as fit into `available` bytes.

        They are taken from the cache, or built now. Others are dropped if there is no room beside them.

        Args:
            key: Outputs, input shapes and number of threads.
            shapes: Every node's output shape for these inputs.
            count: How many.
            available: Memory for them.
            in_use: The schedules that are in use, by identity.
        """
        outputs, _, _ = key
        if outputs not in self._stages:
            self._stages[outputs] = fuse(self._graph, self._parameters, outputs)
        entry = self._entries.setdefault(key, _Entry())
        self._stages.move_to_end(outputs)
        self._entries.move_to_end(key)
        self._evict()
        busy = [schedule for schedule in entry.schedules if id(schedule) in in_use]
        idle = [schedule for schedule in entry.schedules if id(schedule) not in in_use]
        fitting = 0
        for position in range(count):
            if position == len(idle):
                schedule = self._build_another(key, shapes, available)
                if schedule is None:
                    break
                idle.append(schedule)
            available -= idle[position].bytes
            if available < 0:
                del idle[position:]
                break
            fitting += 1
        entry.schedules = busy + idle
        self._evict()
        return idle[:fitting]

    def _build_another(
        self, key: ScheduleKey, shapes: Mapping[str, Shape], available: float
    ) -> Schedule | None:
        """Build another schedule in `available` bytes. Return None if they do not suffice."""
        outputs, _, threads = key
        if available <= self._entries[key].too_little:
            return None
        others = sum(
            schedule.bytes
            for other, entry in self._entries.items()
            for schedule in entry.schedules
            if other != key
        )
        for room in (available - others, available):
            try:
                return build_schedule(
                    self._stages[outputs], shapes, outputs, threads, self._backend, Buffers(room)
                )
            except OverBudget:
                for other in [other for other in self._entries if other != key]:
                    del self._entries[other]
        self._entries[key].too_little = available
        return None

    def _evict(self) -> None:
        """Drop the least recently used stages and schedules while there are too many."""
        while len(self._stages) > MAX_CACHED_KEYS:
            self._stages.popitem(last=False)
        while len(self) > 1 and (len(self) > MAX_CACHED_KEYS or self.reserved_bytes > MAX_CACHED_BYTES):
            self._entries.popitem(last=False)

    def _schedules(self) -> Iterator[Schedule]:
        return (schedule for entry in self._entries.values() for schedule in entry.schedules)
