"""The parameters of a model, in a store that checks them and replaces them all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import ArrayLike

from ..engine.plan import Plan
from ..graph import Graph, GraphParameters, Node
from ..kernels import Array
from ..locks import OwnedLock

MAX_NODES_SHOWN = 5  #: of those with missing or unknown parameters, in an error message


def initial_parameters(graph: Graph, seed: int | None = None) -> dict[str, dict[str, Array]]:
    """Return random parameters, as Keras's initializers draw them.

    Args:
        graph: The graph.
        seed: Seed of the random numbers; the same seed gives the same parameters. None draws new ones
            at each call.

    Returns:
        {node: {parameter: float32 array}}, for each node that has parameters of its own.
    """
    rng = np.random.default_rng(seed)
    return {
        node.name: {name: parameter.initial_value(rng) for name, parameter in node.parameters.items()}
        for node in _owners(graph)
    }


class ParameterStore:
    """The parameters of a graph, and the engine's plan that computes with them.

    The arrays are float32 and read-only. A change replaces all parameters and the plan at once, so a
    computation that runs in another thread finishes with the parameters that it began with.

    Args:
        graph: The graph. It must not change afterwards.
        parameters: {node: {parameter: array}}, with exactly the parameters of the graph. float32 arrays
            are not copied: they become read-only.

    Attributes:
        graph: The graph.

    Raises:
        TypeError: `parameters` is not a dict of dicts.
        ValueError: Parameters are missing, unknown or of wrong shapes; the message names the first few.
    """

    def __init__(self, graph: Graph, parameters: GraphParameters) -> None:
        self.graph = graph
        self._lock = OwnedLock(
            "a change of parameters"
        )  # held while new parameters are made of the present ones
        self._plan = self._plan_for(parameters)
        self._postponed: Callable[[], GraphParameters] | None = None
        self._revision = 0

    def __reduce__(self) -> tuple[object, ...]:
        return ParameterStore, (self.graph, self.parameters)

    @property
    def plan(self) -> Plan:
        """The engine's plan for the present parameters. Later changes of the store do not affect it."""
        if self._postponed is not None:
            with self._lock.hold():
                self._catch_up()
        return self._plan

    @property
    def revision(self) -> int:
        """A number that rises with each change of the parameters."""
        return self._revision

    @property
    def parameters(self) -> GraphParameters:
        """The present parameters: {node: {parameter: read-only float32 array}}."""
        return self.plan.parameters

    def get(self, nodes: Sequence[Node]) -> list[Array]:
        """Return copies of the arrays of some nodes, in order.

        Args:
            nodes: The nodes.
        """
        parameters = self.parameters  # read once: another thread may replace them
        return [parameters[node.name][name].copy() for node, name in _slots(nodes)]

    def set(self, nodes: Sequence[Node], arrays: Sequence[ArrayLike]) -> None:
        """Replace the arrays of some nodes.

        Args:
            nodes: The nodes.
            arrays: Their arrays, in the order of `get`. They are copied.

        Raises:
            TypeError: `arrays` is not a list or tuple.
            ValueError: There are too many or too few arrays, or one has a wrong shape. The store is
                unchanged then.
        """
        if not isinstance(arrays, list | tuple):
            raise TypeError(f"expected a list of arrays, got a {type(arrays).__name__}")
        slots = _slots(nodes)
        if len(arrays) != len(slots):
            raise ValueError(f"expected {len(slots)} arrays, got {len(arrays)}")
        changed: dict[str, dict[str, Array]] = {}
        for (node, name), array in zip(slots, arrays, strict=True):
            changed.setdefault(node.name, {})[name] = np.array(array, np.float32)
        self.update(changed)

    def update(self, parameters: GraphParameters) -> None:
        """Replace the parameters of some nodes.

        Args:
            parameters: {node: {parameter: array}}: all arrays of each of these nodes.

        Raises:
            ValueError: Parameters are missing, unknown or of wrong shapes. The store is unchanged then.
        """
        with self._lock.hold():
            self._catch_up()
            self._plan = self._plan_for({**self._plan.parameters, **parameters})
            self._revision += 1

    def update_when_read(self, parameters: Callable[[], GraphParameters]) -> None:
        """Replace the parameters of some nodes when anybody reads them next.

        Training by single batches changes all parameters each time, and need not copy them each time.

        Args:
            parameters: Returns what `update` takes. It is called at most once, on the thread that reads.
                Arrays that it copies may change meanwhile within `hold` only.
        """
        with self._lock.hold():
            self._postponed = parameters
            self._revision += 1

    def hold(self) -> AbstractContextManager[object]:
        """Keep other threads from reading a postponed update within a `with` block."""
        return self._lock.hold()

    def _catch_up(self) -> None:
        postponed, self._postponed = self._postponed, None
        if postponed is not None:
            self._plan = self._plan_for({**self._plan.parameters, **postponed()})

    def _plan_for(self, parameters: GraphParameters) -> Plan:
        """Check parameters, make them read-only, and return a plan for them."""
        if not isinstance(parameters, Mapping) or not all(
            isinstance(arrays, Mapping) for arrays in parameters.values()
        ):
            raise TypeError("expected parameters as a dict {node: {parameter: array}}")
        checked = {
            name: {key: np.asarray(value, np.float32) for key, value in arrays.items()}
            for name, arrays in parameters.items()
        }
        _check(self.graph, checked)
        for arrays in checked.values():
            for array in arrays.values():
                array.flags.writeable = False
        if any(node.computes_frames for node in self.graph.nodes.values()):
            from ..engine.frames import FramePlan  # imported only where there are frames

            return FramePlan(self.graph, checked)
        return Plan(self.graph, checked)


def _owners(graph: Graph) -> Iterable[Node]:
    """Return the nodes that have parameters of their own, in order of creation."""
    return (node for node in graph.nodes.values() if node.parameters and node.owner == node.name)


def _slots(nodes: Iterable[Node]) -> list[tuple[Node, str]]:
    """Return the parameters of some nodes in order, as (node, parameter name)."""
    return [(node, name) for node in nodes for name in node.parameters]


def _check(graph: Graph, parameters: Mapping[str, Mapping[str, Array]]) -> None:
    """Raise ValueError unless there is an array of the right shape for every parameter, and no other."""
    expected = {(node.name, name): node.parameters[name].shape for node, name in _slots(_owners(graph))}
    given = {(node, name): array for node, arrays in parameters.items() for name, array in arrays.items()}
    missing, unknown = expected.keys() - given.keys(), given.keys() - expected.keys()
    if missing:
        raise ValueError(f"{graph.name}: no parameters given for {_first_few(expected, missing)}")
    if unknown:
        raise ValueError(f"{graph.name}: has no parameters {_first_few(given, unknown)}")
    for (node, name), array in given.items():
        shape = expected[node, name]
        if array.shape != shape:
            raise ValueError(f"{node}: {name} should have shape {shape}, got {array.shape}")


def _first_few(keys: Iterable[tuple[str, str]], selected: set[tuple[str, str]]) -> str:
    """Return the first few nodes of the selected keys, in order: "conv (kernel, bias), dense (bias)"."""
    names: dict[str, list[str]] = {}
    for node, name in keys:
        if (node, name) in selected:
            names.setdefault(node, []).append(name)
    shown = [f"{node} ({', '.join(names[node])})" for node in list(names)[:MAX_NODES_SHOWN]]
    hidden = len(names) - len(shown)
    return ", ".join(shown) + (f" and {hidden:,} more nodes" if hidden else "")
