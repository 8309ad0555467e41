"""From stages to steps: prepared calls on reserved memory, dealt to threads.

A stage with a large map is cut by rows into strips: gather, product and whatever rides on it run
strip by strip, so that nothing leaves the cache in between, and each thread takes its share of
the rows. A stage with a small map has too few rows for that. Its windows are gathered by rows
into one matrix; then each thread multiplies its share of the kernel's columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..kernels import Array, same_padding
from ..layers import Shape
from .maps import NO_BORDER, Border, Buffers, Map
from .stages import Plain, Stage, is_input
from .threads import Barrier, Step
from .work import Work, shares

LEAST_ROWS = 512  #: pixels for each thread, below which a map is cut by columns


class Steps:
    """The prepared calls for one image of one shape, on some number of threads.

    `programs[t]` is what thread t calls, `labels[t]` says for each call which node and what kind
    of work it is.
    """

    def __init__(
        self,
        stages: Sequence[Stage | Plain],
        shapes: Mapping[str, Shape],
        wanted: Sequence[str],
        threads: int,
    ) -> None:
        self.threads = threads
        self.programs: list[list[Step]] = [[] for _ in range(threads)]
        self.labels: list[list[tuple[str, str]]] = [[] for _ in range(threads)]
        self.barrier = Barrier(threads)
        self.buffers = Buffers()
        self._stages, self._shapes, self._wanted = stages, shapes, wanted
        self._maps: dict[str, Map] = {}
        self._values: dict[str, Array] = {}  # what plain nodes gave, while a run lasts
        self._last_read = self._find_last_reads()
        for position, stage in enumerate(stages):
            self._label = stage.name
            if isinstance(stage, Stage):
                self._add_stage(stage, position)
            else:
                self._add_plain(stage, position)
            for name in {*stage.reads, *stage.gives}:
                if name in self._maps and self._last_read.get(name, -1) <= position:
                    self._release(name)

    # --- running ----------------------------------------------------------------------------

    def feed(self, image: Array) -> None:
        """The image (h, w, c) that the next run is about."""
        self._values.clear()
        self._image = image[np.newaxis]

    def results(self) -> dict[str, Array]:
        """The wanted nodes' activations, (1, …) each."""
        found = {
            name: self._maps[name].activation() if name in self._maps else self._values[name]
            for name in self._wanted
        }
        self._values.clear()
        return found

    # --- maps and their lives ---------------------------------------------------------------

    def _find_last_reads(self) -> dict[str, float]:
        last: dict[str, float] = {}
        for position, stage in enumerate(self._stages):
            last.update(dict.fromkeys(stage.reads, position))
        return last | dict.fromkeys(self._wanted, math.inf)

    def _border_of(self, name: str) -> Border:
        """The border that the stages which read a node need."""
        h, w, _ = (size or 0 for size in self._shapes[name])
        border: Border = NO_BORDER
        for stage in self._stages:
            if isinstance(stage, Stage) and stage.source == name and stage.padding == "same":
                needed = (*same_padding(h, stage.window[0], stage.strides[0]),
                          *same_padding(w, stage.window[1], stage.strides[1]))  # fmt: skip
                border = tuple(map(max, border, needed))  # type: ignore[assignment]
        return border

    def _new_map(self, name: str) -> Map:
        h, w, c = (size or 0 for size in self._shapes[name])
        self._maps[name] = self.buffers.take_map((h, w, c), self._border_of(name))
        return self._maps[name]

    def _release(self, name: str) -> None:
        released = self._maps.pop(name)
        if not any(other is released for other in self._maps.values()):
            self.buffers.give_back_map(released)

    def _is_read_by_a_stage(self, name: str) -> bool:
        return any(isinstance(stage, Stage) and name in stage.reads for stage in self._stages)

    # --- adding -----------------------------------------------------------------------------

    def _add(self, thread: int, kind: str, *steps: Step) -> None:
        self.programs[thread] += steps
        self.labels[thread] += [(self._label, kind)] * len(steps)

    def _meet(self) -> None:
        if self.threads > 1:
            for thread in range(self.threads):
                self._add(thread, "wait", self.barrier.meet(thread))

    def _add_plain(self, node: Plain, position: int) -> None:
        """The layer's own forward pass, on the first thread."""
        target = None
        if self._is_read_by_a_stage(node.name):
            target = self._new_map(node.name)
        done = [name for name in set(node.reads) if self._last_read[name] <= position]
        maps = [self._maps.get(name) for name in node.reads]  # now: later they may be gone

        def compute() -> None:
            if is_input(node):
                y = self._image
            else:
                arrays = [
                    self._values[name] if found is None else found.activation()
                    for name, found in zip(node.reads, maps, strict=True)
                ]
                y = node.layer.forward(node.parameters, *arrays)
            for name in done:
                self._values.pop(name, None)
            if target is None:
                self._values[node.name] = y
            else:
                np.copyto(target.interior, y[0])

        self._add(0, "plain", compute)
        self._meet()

    def _add_stage(self, stage: Stage, position: int) -> None:
        source = self._maps[stage.source]
        residual = None if stage.residual is None else self._maps[stage.residual]
        raw = active = None
        if stage.keeps:
            ends = stage.residual is not None and self._last_read[stage.residual] <= position
            own = stage.residual != stage.source  # whose rows other threads may still have to read
            if residual is not None and ends and own and residual.border == self._border_of(stage.name):
                raw = self._maps[stage.name] = residual  # in its place
            else:
                raw = self._new_map(stage.name)
        if stage.relu is not None:
            active = self._new_map(stage.relu)
        work = Work(stage, source, residual, raw, active, self.buffers)
        if self.threads > 1 and work.pixels < self.threads * LEAST_ROWS:
            self._by_columns(work)
        else:
            self._by_rows(work)
        work.done()

    def _by_rows(self, work: Work) -> None:
        for thread, rows in enumerate(shares(work.out_height, self.threads)):
            for kind, step in work.share_of_rows(rows):
                self._add(thread, kind, step)
        self._meet()

    def _by_columns(self, work: Work) -> None:
        columns = work.reserve_columns()
        for thread, rows in enumerate(shares(work.height, self.threads)):
            part = columns[rows.start * work.width : rows.stop * work.width]
            self._add(thread, "gather", *work.gather(rows, part))
        self._meet()
        for thread, span in enumerate(shares(work.filters, self.threads)):
            for kind, step in work.share_of_columns(span):
                self._add(thread, kind, step)
        self._meet()
