"""Forward and backward pass of the part of a graph that training changes.

The part begins at the border: activations that no trained parameter and no random layer influences. They are
the same in every epoch, so that the engine can compute them once, and they can be kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph import Graph, GraphParameters, Node
from ..kernels import Array
from ..layers.costs import count
from .randomness import Randomness, acts_in_training
from .steps.buffers import Buffers
from .steps.grouping import group_nodes
from .steps.step import Gradients, Step, Worker


@dataclass(frozen=True)
class Variable:
    """A parameter that training changes.

    Attributes:
        node: The node that owns it.
        parameter: Its name in the layer, such as "kernel".
        shape: Its shape.
    """

    node: str
    parameter: str
    shape: tuple[int, ...]


@dataclass
class Tape:
    """Record of a forward pass, for the backward pass.

    Attributes:
        outputs: The activations of the outputs, by node.
        worker: The arrays and sums of the thread.
        prepared: From `TrainingPass.prepare`.
        saved: What each step saved.
    """

    outputs: dict[str, Array]
    worker: Worker = field(repr=False)
    prepared: Sequence[Any] = field(repr=False)
    saved: list[Any] = field(repr=False)

    @property
    def statistics(self) -> dict[str, tuple[Array, Array]]:
        """(mean, biased variance) of the batch, each (c,), by node, where normalization uses them."""
        return self.worker.statistics


class TrainingPass:
    """The trained part of a graph: its forward pass, and the backward pass that gives gradients.

    Args:
        graph: The graph.
        trained: Names of the nodes whose trainable parameters are trained.
        outputs: The nodes that the loss depends on; by default the graph's outputs.
        batch_statistics: Whether the trained `BatchNormalization` layers normalize by the statistics of the
            batch, as Keras does in training. By default by their moving statistics, which do not change.

    Attributes:
        graph: The graph.
        variables: The parameters that are trained, in Keras's order.
        border: The nodes whose activations `forward` takes.
        outputs: The nodes that the loss depends on.
        bytes_per_example: The size of all activations of an example, behind the border, in float32.
    """

    def __init__(
        self,
        graph: Graph,
        trained: Collection[str],
        outputs: Iterable[str] | None = None,
        *,
        batch_statistics: bool = False,
    ) -> None:
        self.graph = graph
        self.outputs = tuple(graph.outputs if outputs is None else outputs)
        needed = graph.ancestors(self.outputs)
        nodes = [node for node in graph.topological_order() if node.name in needed]
        trained_nodes = {node.name for node in nodes if node.owner in trained and node.parameters}
        random = {node.name for node in nodes if acts_in_training(node.layer)}
        inside = _widen(graph, _dependents(nodes, trained_nodes | random))
        computed = [node for node in nodes if node.name in inside]
        self.border = _border(graph, inside) or self.outputs
        self.variables = tuple(
            Variable(node.name, name, parameter.shape)
            for node in nodes
            if node.name in trained_nodes and node.owner == node.name
            for name, parameter in node.parameters.items()
            if parameter.trainable
        )
        self._differentiated = _dependents(nodes, trained_nodes)
        self._batch_statistics = batch_statistics
        self.bytes_per_example = 4 * sum(count(node.output_shape) for node in computed)
        self._steps = group_nodes(graph, computed, self.outputs, trained_nodes, batch_statistics)
        self._readers = Counter(source for step in self._steps for source in step.inputs)
        self._readers.update(self.outputs)

    # --- one batch on one thread ------------------------------------------------------------

    def forward(
        self, parameters: GraphParameters, values: Mapping[str, Array], randomness: Randomness | None = None
    ) -> Tape:
        """Compute the outputs of a batch.

        Args:
            parameters: {node: {parameter: array}}.
            values: The activations (n, …) of the border, by node.
            randomness: The random numbers of the n examples; None for no random layers.

        Returns:
            The outputs, and what `backward` needs.
        """
        types = [array.dtype for arrays in parameters.values() for array in arrays.values()]
        types += [values[name].dtype for name in self.border]
        worker = Worker(Buffers(np.result_type(np.float32, *types)))
        worker.begin(len(values[self.border[0]]))
        return self.run_forward(self.prepare(parameters), worker, values, randomness)

    def backward(
        self, tape: Tape, parameters: GraphParameters, seeds: Mapping[str, Array], gradients: Gradients
    ) -> None:
        """Add the gradients of a batch to those of other batches.

        Args:
            tape: From `forward`. It can be used once.
            parameters: Those of the forward pass.
            seeds: dL/dy of the outputs (n, …), by node.
            gradients: {node: {parameter: array}} for each of `variables`; the arrays are added to.

        Raises:
            GraphError: A layer has no gradient rule. The message begins with the node's name.
        """
        self.run_backward(tape, seeds)
        sums = tape.worker.sums
        self.finish(parameters, tape.prepared, sums)
        for (node, name), gradient in sums.items():
            gradients[node][name][...] += gradient

    # --- parts of a batch on several threads ------------------------------------------------

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of the forward pass, in order."""
        return self._steps

    def examples_together(self, max_bytes: int) -> int | None:
        """Return how many examples may be computed together; None for all examples of a thread.

        Args:
            max_bytes: Memory for the activations that are kept.
        """
        if self._batch_statistics:
            return None  # the statistics are those of the whole batch
        return max(1, max_bytes // max(1, self.bytes_per_example))

    def prepare(self, parameters: GraphParameters) -> list[Any]:
        """Return what all passes with these parameters use, such as folded kernels, for each step."""
        return [step.prepare(parameters) for step in self._steps]

    def run_forward(
        self,
        prepared: Sequence[Any],
        worker: Worker,
        values: Mapping[str, Array],
        randomness: Randomness | None = None,
    ) -> Tape:
        """Compute the outputs of a part of a batch.

        Args:
            prepared: From `prepare`.
            worker: The arrays and sums of this thread. The arrays of its former pass are reused.
            values: The activations (n, …) of the border, by node.
            randomness: The random numbers of the n examples; None for no random layers.
        """
        buffers = worker.buffers
        buffers.reclaim()
        alive = {name: np.asarray(values[name], buffers.dtype) for name in self.border}
        remaining = self._readers.copy()
        kept: set[str] = set()
        saved = []
        for step, own in zip(self._steps, prepared, strict=True):
            inputs = [alive[name] for name in step.inputs]
            remaining.subtract(step.inputs)
            if step.keeps_inputs:
                kept.update(step.inputs)
            done = [not remaining[name] and name not in kept for name in step.inputs]
            free = [is_done and buffers.owns(x) for is_done, x in zip(done, inputs, strict=True)]
            y, state = step.forward(worker, own, inputs, free, randomness)
            needs_backward = step.output in self._differentiated
            if step.keeps_output and needs_backward:
                kept.add(step.output)
            if not needs_backward:
                step.discard(worker, state)
            saved.append(state if needs_backward else None)
            for name, x, is_done in zip(step.inputs, inputs, done, strict=True):
                if is_done:
                    alive.pop(name, None)
                    if x is not y:
                        buffers.give(x)
            alive[step.output] = y
        outputs = {name: alive[name] for name in self.outputs}
        outputs = {name: y.copy() if buffers.owns(y) else y for name, y in outputs.items()}
        return Tape(outputs, worker, prepared, saved)

    def run_backward(self, tape: Tape, seeds: Mapping[str, Array]) -> None:
        """Add the gradients of a part of a batch to the worker's sums.

        Args:
            tape: From `run_forward`. It can be used once.
            seeds: dL/dy of the outputs (n, …), by node.

        Raises:
            GraphError: A layer has no gradient rule. The message begins with the node's name.
        """
        worker, buffers = tape.worker, tape.worker.buffers
        propagated = {name: buffers.writable(np.asarray(dy)) for name, dy in seeds.items()}
        for step, own in zip(reversed(self._steps), reversed(tape.prepared), strict=True):
            saved = tape.saved.pop()
            if step.output not in self._differentiated or step.output not in propagated:
                continue
            dy = propagated.pop(step.output)
            wanted = [name in self._differentiated for name in step.inputs]
            parts = step.backward(worker, own, saved, dy, wanted)
            if not any(part is dy for part in parts):
                buffers.give(dy)
            for name, part in zip(step.inputs, parts, strict=True):
                if part is None:
                    continue
                if name in propagated:
                    propagated[name] += part
                    buffers.give(part)
                else:
                    propagated[name] = part
        buffers.reclaim()

    def finish(
        self, parameters: GraphParameters, prepared: Sequence[Any], sums: dict[tuple[str, str], Array]
    ) -> None:
        """Convert the sums of the workers, added up, into the gradients of the variables, in place.

        Args:
            parameters: {node: {parameter: array}}.
            prepared: From `prepare`.
            sums: The sums by (node, parameter).
        """
        for step, own in zip(self._steps, prepared, strict=True):
            step.finish(parameters, own, sums)


def _dependents(nodes: Iterable[Node], sources: Collection[str]) -> set[str]:
    """Return the names of the sources, and of all nodes that depend on them."""
    names = set(sources)
    for node in nodes:  # in topological order
        if not names.isdisjoint(node.inputs):
            names.add(node.name)
    return names


def _widen(graph: Graph, inside: set[str]) -> set[str]:
    """Add frozen nodes without parameters to a part of a graph, where that makes its border smaller.

    For example, a ReLU at the border may read a residual sum that is in the border, too.
    """
    inside = set(inside)
    while True:
        border = _border(graph, inside)
        size = sum(count(graph.nodes[name].output_shape) for name in border)
        for name in border:
            node = graph.nodes[name]
            if node.inputs and not node.parameters:
                wider = _border(graph, inside | {name})
                if sum(count(graph.nodes[other].output_shape) for other in wider) < size:
                    inside.add(name)
                    break
        else:
            return inside


def _border(graph: Graph, inside: set[str]) -> tuple[str, ...]:
    """Return the nodes outside a part of a graph that the part reads. Inputs of the graph are outside."""
    sources = (source for name in graph.nodes if name in inside for source in graph.nodes[name].inputs)
    return tuple(dict.fromkeys(source for source in sources if source not in inside))
