"""Plan of a graph that computes frames of a sequence: a plan for each of its parts.

A part that computes frames runs with the frames of all examples as its batch, so as quickly as on a batch
of that many images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import LimitError
from ..graph import Graph, GraphParameters, Inputs
from ..graph.budget import parameter_bytes
from ..graph.frames import divide
from ..kernels import NUMPY, Array, Backend
from ..layers.sequences.time_distributed import fold_frames, unfold_frames
from .lanes import acquire_team
from .plan import InputArrays, Plan
from .schedule_cache import InputShapes


@dataclass(frozen=True)
class _PlannedPart:
    """A part of a graph with its plan.

    Attributes:
        plan: The plan.
        nodes: The nodes that it computes.
        computes_frames: Whether its batch is the frames of all examples.
    """

    plan: Plan
    nodes: frozenset[str]
    computes_frames: bool

    def run(self, alive: InputArrays, outputs: tuple[str, ...], held_bytes: int) -> InputArrays:
        """Compute activations (n, …) of some of its nodes, from those of its inputs."""
        x = {name: alive[name] for name in self.plan.graph.inputs}
        if not self.computes_frames:
            return self.plan.run(x, outputs, held_bytes)
        n, frames = next(iter(x.values())).shape[:2]
        y = self.plan.run({name: fold_frames(array) for name, array in x.items()}, outputs, held_bytes)
        return {name: unfold_frames(array, n, frames) for name, array in y.items()}


class FramePlan(Plan):
    """A graph with its parameters, some of whose nodes compute frames; see `Plan`."""

    def __init__(self, graph: Graph, parameters: GraphParameters, backend: Backend = NUMPY) -> None:
        super().__init__(graph, parameters, backend)
        self._parts = []
        for part in divide(graph):
            own = {
                node.name: parameters[graph.nodes[node.name].owner]
                for node in part.graph.nodes.values()
                if node.parameters and node.owner == node.name
            }
            nodes = frozenset(node.name for node in part.graph.nodes.values() if node.inputs)
            plan = (make_plan if part.computes_frames else Plan)(part.graph, own, backend)
            self._parts.append(_PlannedPart(plan, nodes, part.computes_frames))

    def __reduce__(self) -> tuple[object, ...]:
        return FramePlan, (self.graph, self.parameters, self.backend)

    def run(self, x: Inputs, outputs: Iterable[str] | None = None, held_bytes: int = 0) -> dict[str, Array]:
        names = tuple(self.graph.outputs if outputs is None else outputs)
        alive = dict(self.graph.by_input_name(x))
        self.check_work(names, tuple(alive[name].shape[1:] for name in self.graph.inputs))
        needed = self._needed_parts(names)
        for position, (part, part_outputs) in enumerate(needed):
            own_inputs = part.plan.graph.inputs
            held = held_bytes + parameter_bytes(self.parameters) - parameter_bytes(part.plan.parameters)
            held += sum(array.nbytes for name, array in alive.items() if name not in own_inputs)
            alive |= self._run_part(part, alive, part_outputs, held)
            later = {name for later, _ in needed[position + 1 :] for name in later.plan.graph.inputs}
            alive = {name: array for name, array in alive.items() if name in later or name in names}
        return {name: alive[name] for name in names}

    def examples_at_once(self, outputs: Iterable[str], input_shapes: InputShapes, requested: int) -> int:
        outputs = tuple(outputs)
        between = [name for _, part_outputs in self._needed_parts(outputs) for name in part_outputs]
        return super().examples_at_once(dict.fromkeys((*outputs, *between)), input_shapes, requested)

    @property
    def cached_keys(self) -> int:
        return sum(part.plan.cached_keys for part in self._parts)

    @property
    def reserved_bytes(self) -> int:
        return sum(part.plan.reserved_bytes for part in self._parts)

    def release(self) -> None:
        for part in self._parts:
            part.plan.release()

    def _needed_parts(self, outputs: tuple[str, ...]) -> list[tuple[_PlannedPart, tuple[str, ...]]]:
        """Return the parts that some outputs depend on, with what is read of each."""
        needed: list[tuple[_PlannedPart, tuple[str, ...]]] = []
        read = dict.fromkeys(outputs)
        for part in reversed(self._parts):
            part_outputs = tuple(name for name in read if name in part.nodes)
            if part_outputs:
                needed.insert(0, (part, part_outputs))
                read |= dict.fromkeys(part.plan.graph.inputs)
        return needed

    def _run_part(
        self, part: _PlannedPart, alive: InputArrays, outputs: tuple[str, ...], held_bytes: int
    ) -> InputArrays:
        """Run a part. Where the memory does not suffice, first release what the others have reserved."""
        others = [other.plan for other in self._parts if other is not part]
        try:
            return part.run(alive, outputs, held_bytes + sum(plan.reserved_bytes for plan in others))
        except LimitError:
            with acquire_team():  # other lanes may run them, and keep what they use
                for plan in others:
                    plan.release()
        return part.run(alive, outputs, held_bytes)


def make_plan(graph: Graph, parameters: GraphParameters, backend: Backend = NUMPY) -> Plan:
    """Return a plan, of parts if some nodes of the graph compute frames.

    Args:
        graph: The graph.
        parameters: Its parameters.
        backend: What computes the fused stages.
    """
    in_parts = any(node.computes_frames for node in graph.nodes.values())
    return (FramePlan if in_parts else Plan)(graph, parameters, backend)
