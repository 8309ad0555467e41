"""From stages to steps: prepared calls on reserved memory, dealt to threads.

A stage with a large map is cut by rows into strips: gather, product and whatever rides on it run
strip by strip, so that nothing leaves the cache in between, and each thread takes its share of
the rows. A stage with a small map has too few rows for that. Its windows are gathered into one
matrix; then each thread multiplies its share of the kernel's columns. Between such stages each
thread keeps its share of the channels to itself, and gathers from it without waiting for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from ..kernels import Array, same_padding
from ..layers import Shape
from .buffers import NO_BORDER, Border, Buffers, Maps, activation, shares
from .fusion import Plain, Stage
from .lowering import Work
from .team import Barrier, Step

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
        self._maps: dict[str, Maps] = {}
        self._values: dict[str, Array] = {}  # what plain nodes gave, while a run lasts
        self._last_read = self._find_last_reads()
        self._at_next_meeting: list[Callable[[], None]] = []  # what gives memory back
        self._met = True  #: whether the threads met behind the last stage
        for position, stage in enumerate(stages):
            self._label = stage.name
            if isinstance(stage, Stage):
                self._add_stage(stage, position)
            else:
                self._add_plain(stage, position)
            over = [
                name
                for name in {*stage.reads, *stage.gives}
                if name in self._maps and self._last_read.get(name, -1) <= position
            ]
            self._at_next_meeting += [partial(self._release, self._maps.pop(name)) for name in over]
            if self._met:
                self._release_all()

    # --- running ----------------------------------------------------------------------------

    def feed(self, example: Mapping[str, Array]) -> None:
        """What the next run is about: by the input's name an image (h, w, c), or numbers (c,)."""
        self._values.clear()
        self._entering = {name: array[np.newaxis] for name, array in example.items()}

    def results(self) -> dict[str, Array]:
        """The wanted nodes' activations, (1, …) each."""
        found = {
            name: activation(self._maps[name]) if name in self._maps else self._values[name]
            for name in self._wanted
        }
        self._values.clear()
        del self._entering
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

    def _new_maps(self, name: str) -> Maps:
        h, w, c = (size or 0 for size in self._shapes[name])
        readers = [stage for stage in self._stages if isinstance(stage, Stage) and name in stage.reads]
        alone = bool(readers) and all(map(self._is_small, readers)) and c >= self.threads
        border = self._border_of(name)
        self._maps[name] = tuple(
            self.buffers.take_map(h, w, span, border) for span in shares(c, self.threads if alone else 1)
        )
        return self._maps[name]

    def _release(self, maps: Maps) -> None:
        if not any(other is maps for other in self._maps.values()):  # where a sum took its place
            for part in maps:
                self.buffers.give_back_map(part)

    def _release_all(self) -> None:
        for give_back in self._at_next_meeting:
            give_back()
        self._at_next_meeting.clear()

    def _is_small(self, stage: Stage) -> bool:
        """Whether a stage is shared out by columns."""
        h, w, _ = (size or 0 for size in self._shapes[stage.source])
        return self.threads > 1 and math.prod(stage.product_size(h, w)) < self.threads * LEAST_ROWS

    def _next_can_begin(self, position: int) -> bool:
        """Whether each thread can go on from this stage without the others: the next stage is
        shared out by columns too, and of what this one gives it takes its own channels first."""
        if position + 1 == len(self._stages):
            return False
        following, given = self._stages[position + 1], self._stages[position].gives
        maps = [self._maps[name] for name in given if name in self._maps and name in self._last_read]
        return (
            isinstance(following, Stage)
            and self._is_small(following)
            and all(len(found) == self.threads for found in maps)
        )

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
            target = self._new_maps(node.name)
        done = [name for name in set(node.reads) if self._last_read[name] <= position]
        maps = [self._maps.get(name) for name in node.reads]  # now: later they may be gone

        def compute() -> None:
            if not node.reads:
                y = self._entering[node.name]
            else:
                arrays = [
                    self._values[name] if found is None else activation(found)
                    for name, found in zip(node.reads, maps, strict=True)
                ]
                y = node.layer.forward(node.parameters, *arrays)
            for name in done:
                self._values.pop(name, None)
            if target is None:
                self._values[node.name] = y
            else:
                for part in target:
                    np.copyto(part.interior, y[0][..., part.span])

        self._add(0, "plain", compute)
        self._meet()
        self._met = True

    def _add_stage(self, stage: Stage, position: int) -> None:
        source = self._maps[stage.source]
        residual = None if stage.residual is None else self._maps[stage.residual]
        raw = active = None
        if stage.keeps:
            ends = stage.residual is not None and self._last_read[stage.residual] <= position
            own = stage.residual != stage.source  # whose rows other threads may still have to read
            raw = self._new_maps(stage.name)
            alike = residual is not None and [(p.border, p.span) for p in residual] == [
                (p.border, p.span) for p in raw
            ]
            if residual is not None and ends and own and alike:
                self._release(self._maps.pop(stage.name))
                raw = self._maps[stage.name] = residual  # in its place
        if stage.relu is not None:
            active = self._new_maps(stage.relu)
        work = Work(stage, source, residual, raw, active, self.buffers)
        if self._is_small(stage):
            self._by_columns(work)
            self._met = not self._next_can_begin(position)
        else:
            self._by_rows(work)
            self._met = True
        if self._met:
            self._meet()
        self._at_next_meeting.append(work.done)

    def _by_rows(self, work: Work) -> None:
        for thread, rows in enumerate(shares(work.out_height, self.threads)):
            for kind, step in work.share_of_rows(rows):
                self._add(thread, kind, step)

    def _by_columns(self, work: Work) -> None:
        columns = work.reserve_columns()
        for thread, rows in enumerate(shares(work.height, self.threads)):
            part, place = work.source[0], columns[rows.start * work.width : rows.stop * work.width]
            if len(work.source) > 1:
                part, rows, place = work.source[thread], slice(0, work.height), columns
            self._add(thread, "gather", *work.gather(part, rows, place))
        self._meet()
        self._release_all()
        for thread, span in enumerate(shares(work.filters, self.threads)):
            for kind, step in work.share_of_columns(span):
                self._add(thread, kind, step)
