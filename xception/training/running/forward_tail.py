"""Forward pass from the border of the trained part to the outputs, at inference, by the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.plan import Plan
from ...graph import Graph, GraphParameters, Node
from ...kernels import Array
from ...layers import Input
from ...models.parameters import ParameterStore
from ..objectives.heads import Head
from .border_values import compute_border


class ForwardTail:
    """The part of a model behind the border, computed as at inference.

    Args:
        head: The end of the model.
        border: The nodes that it begins with.
        parameters: All parameters of the model.
        plan: The plan of the model, which computes the border from the inputs. Its parameters before the
            border must be those of the model.
    """

    def __init__(self, head: Head, border: Sequence[str], parameters: GraphParameters, plan: Plan) -> None:
        self._head, self._border, self._plan = head, tuple(border), plan
        graph, owners = _cut(head.graph, self._border, head.output)
        arrays = {node: parameters[owner] for node, owner in owners.items()}
        self._tail = ParameterStore(graph, arrays).plan

    def run(self, values: Mapping[str, Array]) -> Array:
        """Compute the outputs (n, c) of the head: logits, where it has removed the activation.

        Args:
            values: (n, …) by node: the model's inputs, or the activations of the border.
        """
        return self._tail.run(compute_border(self._plan, self._border, values))[self._head.output]


def _cut(graph: Graph, border: Sequence[str], output: str) -> tuple[Graph, dict[str, str]]:
    """Return the graph from the border to the output, and the former owner of each node's parameters."""
    behind = Graph(graph.name)
    for name in border:
        behind.add(Input(graph.nodes[name].output_shape), name=name)
    owners: dict[str, str] = {}
    names: dict[str, str] = {}  # of the first node behind the border with an owner's parameters
    for node in _between(graph, border, output):
        shares = names.get(node.owner) if node.parameters else None
        behind.add(node.layer, *node.inputs, name=node.name, shares=shares)
        if node.parameters and shares is None:
            names[node.owner] = node.name
            owners[node.name] = node.owner
    behind.set_inputs_and_outputs(tuple(border), (output,))
    return behind.frozen(), owners


def _between(graph: Graph, border: Sequence[str], output: str) -> list[Node]:
    """Return the nodes behind the border that the output depends on, in order."""
    needed, stack = set(border), [output]
    behind = set()
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            behind.add(name)
            stack.extend(graph.nodes[name].inputs)
    return [node for node in graph.topological_order() if node.name in behind]
