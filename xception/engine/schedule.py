"""Scheduling: from stages to one program of prepared calls per thread, on reserved memory.

A stage with a large map is split by rows. Each thread computes its share of the output rows, strip
by strip, so that a strip stays in the cache from gather to ReLU.

A stage with a small map has too few rows for that. The threads gather its windows into one matrix,
meet, and then compute a share of the output channels each. Between two such stages each thread
keeps its channels in a map of its own, and gathers from it without waiting for the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..kernels import Array, Backend, Call, Step, same_padding
from ..layers import Shape
from ..layers.costs import count
from .buffers import NO_BORDER, Border, Buffers, Maps, read_activation, split_evenly, write_activation
from .fusion import FusedStage, LayerStage, Stage
from .lowering import StageLowering
from .team import Barrier

#: Pixels of a product per thread. Below it, a stage is split by channels instead of rows. Bounds the cost
#: of repacking the kernel, which BLAS does for every share of the rows.
MIN_PIXELS_PER_THREAD = 512


@dataclass(eq=False)
class Schedule:
    """The prepared calls for one example of one shape, or several if none is in maps.

    Made by `build_schedule`.

    Attributes:
        programs: For each thread its calls, in order.
        labels: For each call its node and kind of work.
        barrier: Where the programs meet.
        buffers: The memory of the maps.
        maps: The activations that are kept to the end, by node.
        inputs: The current inputs with a batch axis, by node.
        values: Activations of the current run that are in no map, by node.
        outputs: The nodes whose activations `results` returns.
    """

    programs: list[list[Step]]
    labels: list[list[tuple[str, str]]]
    barrier: Barrier
    buffers: Buffers
    maps: dict[str, Maps]
    inputs: dict[str, Array]
    values: dict[str, Array]
    outputs: Sequence[str]

    @property
    def bytes(self) -> int:
        """Memory that a run takes, without parameters, inputs and results."""
        return self.buffers.reserved + self.buffers.counted

    def feed(self, examples: Mapping[str, Array]) -> None:
        """Set the input of the next run.

        Args:
            examples: Arrays with a batch axis, (n, h, w, c) for images, by the name of the input. Only one
                example if memory is reserved for maps.
        """
        self.values.clear()
        self.inputs.clear()
        self.inputs.update(examples)

    def results(self) -> dict[str, Array]:
        """Return the outputs' activations with a batch axis, (n, ...), and release the input."""
        activations = {
            name: read_activation(self.maps[name]) if name in self.maps else self.values[name]
            for name in self.outputs
        }
        self.values.clear()
        self.inputs.clear()
        return activations


def build_schedule(
    stages: Sequence[Stage], shapes: Mapping[str, Shape], outputs: Sequence[str], threads: int,
    backend: Backend, buffers: Buffers | None = None,
) -> Schedule:  # fmt: skip
    """Reserve memory for stages, and prepare their calls.

    Args:
        stages: From `fusion.fuse`.
        shapes: Every node's output shape, without the batch axis.
        outputs: The nodes whose activations are requested.
        threads: Number of threads that share the work of one example.
        backend: What prepares the calls.
        buffers: Where memory is reserved. By default as much as is needed.

    Returns:
        A schedule with memory of its own.

    Raises:
        OverBudget: The buffers may not reserve so much.
    """
    scheduler = _Scheduler(stages, shapes, outputs, threads, backend, buffers or Buffers())
    for position in range(len(stages)):
        scheduler.add(position)
    scheduler.finish()
    return scheduler.schedule


class _Scheduler:
    def __init__(
        self, stages: Sequence[Stage], shapes: Mapping[str, Shape], outputs: Sequence[str], threads: int,
        backend: Backend, buffers: Buffers,
    ) -> None:  # fmt: skip
        self.stages, self.threads, self.backend = stages, threads, backend
        self.sizes = {name: tuple(size or 0 for size in shape) for name, shape in shapes.items()}
        self.readers: dict[str, list[FusedStage]] = defaultdict(list)  # of maps
        self.last_read: dict[str, float] = {}  # position of a node's last reader
        for position, stage in enumerate(stages):
            self.last_read.update(dict.fromkeys(stage.inputs, position))
            if isinstance(stage, FusedStage):
                for name in set(stage.inputs):
                    self.readers[name].append(stage)
        self.last_read.update(dict.fromkeys(outputs, math.inf))
        self.maps: dict[str, Maps] = {}
        self.buffers, self.barrier = buffers, Barrier(threads)
        self.schedule = Schedule(
            [[] for _ in range(threads)], [[] for _ in range(threads)], self.barrier, self.buffers,
            self.maps, {}, {}, outputs,
        )  # fmt: skip
        self.alive_elements = self.peak_elements = 0  # of activations in no map, and of their layers
        self.unread: list[Maps | StageLowering] = []  # their memory is free when all threads have met
        self.synchronized = True  # whether the threads meet after the last stage

    def add(self, position: int) -> None:
        """Add a stage, and release the memory that no later stage reads."""
        stage = self.stages[position]
        if isinstance(stage, FusedStage):
            self._add_fused(stage, position)
        else:
            self._add_layer(stage, position)
        for name in dict.fromkeys((*stage.inputs, *stage.outputs)):
            if name in self.maps and self.last_read.get(name, -1) <= position:
                self.unread.append(self.maps.pop(name))
        if self.synchronized:
            self._release_all()

    # --- maps and their lifetimes -------------------------------------------------------------

    def _border(self, name: str) -> Border:
        """Return the padding that the readers of a node need."""
        h, w, _ = self.sizes[name]
        border = NO_BORDER
        for stage in self.readers[name]:
            if stage.source == name and stage.padding == "same":
                (kh, kw), (sh, sw) = stage.window, stage.strides
                above, below, left, right = *same_padding(h, kh, sh), *same_padding(w, kw, sw)
                a, b, c, d = border
                border = max(a, above), max(b, below), max(c, left), max(d, right)
        return border

    def _take_maps(self, name: str) -> Maps:
        h, w, c = self.sizes[name]
        readers = self.readers[name]
        by_channels = bool(readers) and all(map(self._is_small, readers)) and c >= self.threads
        border = self._border(name)
        self.maps[name] = tuple(
            self.buffers.take_map(h, w, channels, border)
            for channels in split_evenly(c, self.threads if by_channels else 1)
        )
        return self.maps[name]

    def _release(self, maps: Maps) -> None:
        if not any(other is maps for other in self.maps.values()):  # a sum may have been written in place
            for part in maps:
                self.buffers.give_back_map(part)

    def _release_all(self) -> None:
        for memory in self.unread:
            if isinstance(memory, StageLowering):
                memory.release()
            else:
                self._release(memory)
        self.unread.clear()

    def _is_small(self, stage: FusedStage) -> bool:
        """Return True if a stage is split by channels."""
        h, w, _ = self.sizes[stage.source]
        pixels = math.prod(stage.product_size(h, w))
        return self.threads > 1 and pixels < self.threads * MIN_PIXELS_PER_THREAD

    def _next_needs_no_barrier(self, position: int) -> bool:
        """Return True if each thread can continue with the next stage without waiting.

        It can if the next stage is split by channels too, and each thread first reads only channels that
        it has computed itself.
        """
        if position + 1 == len(self.stages):
            return False
        following, names = self.stages[position + 1], self.stages[position].outputs
        maps = [self.maps[name] for name in names if name in self.maps and name in self.last_read]
        return (
            isinstance(following, FusedStage)
            and self._is_small(following)
            and all(len(parts) == self.threads for parts in maps)
        )

    # --- adding calls -------------------------------------------------------------------------

    def _append(self, stage: Stage, shares: Sequence[Sequence[Call]]) -> None:
        for program, labels, calls in zip(self.schedule.programs, self.schedule.labels, shares, strict=True):
            program += [call.step for call in calls]
            labels += [(stage.name, call.kind) for call in calls]

    def _append_barrier(self, stage: Stage) -> None:
        if self.threads > 1:
            meetings = [[Call("wait", self.barrier.meet(thread))] for thread in range(self.threads)]
            self._append(stage, meetings)

    def _add_layer(self, stage: LayerStage, position: int) -> None:
        """Add a layer's own forward pass, on the first thread."""
        target = self._take_maps(stage.name) if self.readers[stage.name] else None
        last_reads = [name for name in set(stage.inputs) if self.last_read[name] <= position]
        self._count_layer(stage, last_reads)
        run = _LayerRun(
            stage=stage,
            sources=[self.maps.get(name) for name in stage.inputs],
            target=target,
            last_reads=last_reads,
            inputs=self.schedule.inputs,
            values=self.schedule.values,
        )
        self._append(stage, [[Call("plain", run)], *[[]] * (self.threads - 1)])
        self._append_barrier(stage)
        self.synchronized = True

    def _count_layer(self, stage: LayerStage, last_reads: Sequence[str]) -> None:
        """Count the memory that a layer's own forward pass takes besides the maps."""
        copied = sum(count(self.sizes[name]) for name in stage.inputs if name in self.maps)
        cost = stage.layer.cost(*(self.sizes[name] for name in stage.inputs))
        self.peak_elements = max(self.peak_elements, self.alive_elements + copied + cost.elements)
        if stage.name not in self.maps:
            self.alive_elements += count(self.sizes[stage.name])
        self.alive_elements -= sum(count(self.sizes[name]) for name in last_reads if name not in self.maps)

    def finish(self) -> None:
        """Count the memory that is not in the buffers: activations in no map, and copies of the outputs."""
        copied = sum(count(self.sizes[name]) for name in self.schedule.outputs)
        self.buffers.count(4 * max(self.peak_elements, self.alive_elements + copied))

    def _add_fused(self, stage: FusedStage, position: int) -> None:
        source = self.maps[stage.source]
        residual = None if stage.residual is None else self.maps[stage.residual]
        raw = self._take_raw(stage, residual, position) if stage.stores_raw else None
        active = None if stage.relu is None else self._take_maps(stage.relu)
        lowering = StageLowering(stage, source, residual, raw, active, self.buffers, self.backend)
        if self._is_small(stage):
            self._append(stage, lowering.gather_shares(self.threads))
            self._append_barrier(stage)
            self._release_all()
            self._append(stage, lowering.channel_shares(self.threads))
            self.synchronized = not self._next_needs_no_barrier(position)
        else:
            self._append(stage, lowering.row_shares(self.threads))
            self.synchronized = True
        if self.synchronized:
            self._append_barrier(stage)
        self.unread.append(lowering)

    def _take_raw(self, stage: FusedStage, residual: Maps | None, position: int) -> Maps:
        """Return maps for the sum: the residual's own if this is its last reader."""
        raw = self._take_maps(stage.name)
        if residual is None or stage.residual is None or self.last_read[stage.residual] > position:
            return raw
        same_layout = [(p.border, p.channels) for p in residual] == [(p.border, p.channels) for p in raw]
        # Not if the residual is the source too: other threads may still have to read its rows.
        if same_layout and stage.residual != stage.source:
            self._release(self.maps.pop(stage.name))
            raw = self.maps[stage.name] = residual
        return raw


@dataclass(eq=False)
class _LayerRun:
    """A step that computes a node by its layer. It reads and writes maps or `values`."""

    stage: LayerStage
    sources: list[Maps | None]  #: for each input its maps, or None if it is in `values`
    target: Maps | None  #: None if the result goes to `values`
    last_reads: list[str]  #: inputs that no later stage reads
    inputs: dict[str, Array]
    values: dict[str, Array]

    def __call__(self) -> None:
        stage = self.stage
        if stage.inputs:
            sources = zip(stage.inputs, self.sources, strict=True)
            arrays = [self.values[name] if maps is None else read_activation(maps) for name, maps in sources]
            y = stage.layer.forward(stage.parameters, *arrays)
        else:
            y = self.inputs[stage.name]
        for name in self.last_reads:
            self.values.pop(name, None)
        if self.target is None:
            self.values[stage.name] = y
        else:
            write_activation(self.target, y)
