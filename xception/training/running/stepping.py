"""Gradients of one batch, computed in chunks on all threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.cpus import get_num_threads
from ...engine.lanes import acquire_team
from ...engine.team import Barrier
from ...gradients.randomness import Randomness
from ...gradients.steps.buffers import Buffers
from ...gradients.steps.step import Worker
from ...gradients.training_pass import TrainingPass
from ...graph import GraphParameters
from ...kernels import Array
from ..variables import Variables

#: Memory of all activations of the examples that are computed together, in all threads. With frozen
#: statistics a batch of any size takes no more: one example of 299×299, or eight of 150×150. With less,
#: matrix products are small, and gradients are added up more often, which takes 25 ms each time.
MAX_CHUNK_BYTES = 460 << 20

#: Peak memory of the activations of a step, relative to their size: some are computed in place, and there are
#: gradients. Measured: 0.7 to 1.7, so that the estimate of a run's memory was at most 17 % off.
ACTIVATION_SHARE = 1.2

#: From the outputs (k, …) by node, and which examples of the batch they are: the loss of each (k,), and
#: dL/dy of each output, where L is the loss of the whole batch. It is called on several threads at once.
LossOfPart = Callable[[Mapping[str, Array], slice], tuple[Array, Mapping[str, Array]]]


@dataclass(frozen=True)
class BatchResult:
    """Result of a batch of n examples.

    Attributes:
        losses: (n,) the loss of each example, as `LossOfPart` returned it.
        outputs: The outputs (n, …), by node, in training.
        statistics: (mean, biased variance) of the batch, by node, where normalization uses them.
    """

    losses: Array
    outputs: dict[str, Array]
    statistics: dict[str, tuple[Array, Array]]


class Stepper:
    """Computes the gradients of batches.

    With the same number of threads, the same batch gives the same bits: each thread computes a fixed part of
    it.

    Args:
        training_pass: The trained part of a graph.
        parameters: All parameters of the graph; those that are trained are views of `Variables.flat`.

    Attributes:
        gradient: The gradients of the last batch.
    """

    def __init__(self, training_pass: TrainingPass, parameters: GraphParameters) -> None:
        self._pass, self._parameters = training_pass, parameters
        self.gradient = Variables(training_pass.variables)
        self._workers: list[Worker] = []

    def memory(self, count: int) -> int:
        """Return about how many bytes the gradients and all activations of a batch take.

        Args:
            count: Examples in the batch.
        """
        size = max(1, min(get_num_threads(), count))
        share = -(-count // size)  # of each thread
        together = min(share, self._pass.examples_together(MAX_CHUNK_BYTES // size) or share)
        activations = int(ACTIVATION_SHARE * size * together * self._pass.bytes_per_example)
        # Beside the gradient, the kernels with normalization folded in, and the sums of all threads but one.
        return (1 + size) * self.gradient.flat.nbytes + activations

    def compute(
        self, values: Mapping[str, Array], loss: LossOfPart, randomness: Randomness | None = None
    ) -> BatchResult:
        """Compute the losses of a batch, and the gradients into `gradient`.

        Args:
            values: The activations (n, …) of the border of the trained part.
            loss: The loss.
            randomness: The random numbers of the n examples; None for no random layers.
        """
        count = len(values[self._pass.border[0]])
        with acquire_team() as team:
            size = max(1, min(team.size, count))
            batch = _Batch(self._pass, self._parameters, self._take_workers(size), values, loss, randomness)
            team.run([batch.program(member) for member in range(size)], batch.barrier)
        sums = batch.workers[0].sums
        for node, views in self.gradient.by_node.items():
            for name, view in views.items():
                gradient = sums.get((node, name))
                if gradient is None:
                    view[...] = 0
                elif not np.may_share_memory(gradient, view):
                    view[...] = gradient
        return batch.result()

    def _take_workers(self, size: int) -> list[Worker]:
        while len(self._workers) < size:
            worker = Worker(Buffers(self.gradient.flat.dtype))
            if not self._workers:  # the sums of the first are those of the batch
                worker.storage = {
                    (node, name): view
                    for node, views in self.gradient.by_node.items()
                    for name, view in views.items()
                }
            self._workers.append(worker)
        return self._workers[:size]


class _Batch:
    """Computation of one batch by several workers, which meet after each phase."""

    def __init__(
        self,
        training_pass: TrainingPass,
        parameters: GraphParameters,
        workers: Sequence[Worker],
        values: Mapping[str, Array],
        loss: LossOfPart,
        randomness: Randomness | None,
    ) -> None:
        self._pass, self._parameters, self.workers = training_pass, parameters, workers
        self._values, self._loss, self._randomness = values, loss, randomness
        self._count = len(values[training_pass.border[0]])
        self._prepared: list[Any] = [None] * len(training_pass.steps)
        self._losses = np.zeros(self._count)
        self._outputs: dict[str, Array] = {}
        self.barrier = Barrier(len(workers))
        self._meetings = [self.barrier.meet(member) for member in range(len(workers))]
        self._shared: list[Array | None] = [None] * len(workers)
        for member, worker in enumerate(workers):
            worker.begin(self._count)
            worker.all_reduce = self._reducer(member)

    def program(self, member: int) -> list[Callable[[], object]]:
        """Return the calls of one thread, in order."""
        meet = self._meetings[member]
        return [
            lambda: self._prepare(member), meet,
            lambda: self._compute(member), meet,
            lambda: self._add_up(member), meet,
            lambda: self._finish(member),
        ]  # fmt: skip

    def result(self) -> BatchResult:
        """Return the result, after all programs."""
        return BatchResult(self._losses, self._outputs, dict(self.workers[0].statistics))

    def _prepare(self, member: int) -> None:
        for number in range(member, len(self._prepared), len(self.workers)):
            self._prepared[number] = self._pass.steps[number].prepare(self._parameters)

    def _compute(self, member: int) -> None:
        size = len(self.workers)
        first, last = (member * self._count // size, (member + 1) * self._count // size)
        together = self._pass.examples_together(MAX_CHUNK_BYTES // size) or last - first
        with np.errstate(all="ignore"):  # of this thread; the caller checks that the result is finite
            for start in range(first, last, together):
                self._compute_part(self.workers[member], slice(start, min(start + together, last)))

    def _compute_part(self, worker: Worker, part: slice) -> None:
        values = {name: self._values[name][part] for name in self._pass.border}
        randomness = None if self._randomness is None else self._randomness[part]
        tape = self._pass.run_forward(self._prepared, worker, values, randomness)
        losses, seeds = self._loss(tape.outputs, part)
        self._losses[part] = losses
        for name, y in tape.outputs.items():
            whole = self._outputs.setdefault(name, np.empty((self._count, *y.shape[1:]), y.dtype))
            whole[part] = y
        self._pass.run_backward(tape, seeds)

    def _add_up(self, member: int) -> None:
        """Add the sums of the other workers to those of the first."""
        total, *others = (worker.sums for worker in self.workers)
        for key in sorted(total)[member :: len(self.workers)]:
            for sums in others:
                total[key] += sums[key]

    def _finish(self, member: int) -> None:
        sums = self.workers[0].sums
        for number in range(member, len(self._prepared), len(self.workers)):
            self._pass.steps[number].finish(self._parameters, self._prepared[number], sums)

    def _reducer(self, member: int) -> Callable[[Array], Array]:
        def all_reduce(array: Array) -> Array:
            self._shared[member] = array
            self._meetings[member]()
            first, *others = self._shared
            assert first is not None
            total = first.copy()
            for other in others:  # in a fixed order: the same bits in all threads
                assert other is not None
                total += other
            self._meetings[member]()  # no thread replaces its array before all have read it
            return total

        return all_reduce
