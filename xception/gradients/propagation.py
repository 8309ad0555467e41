"""Backpropagation through a graph, from its outputs to the activations of any nodes.

For y = f(x) and a scalar L that depends on y, a layer's rule computes the vector-Jacobian product
dL/dx = (dy/dx)ᵀ · dL/dy. The Jacobian dy/dx itself is never formed: for a feature map of a million
values it would have 10¹² elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import GraphError, NoGradientError
from ..graph import Graph, GraphParameters, Node
from ..graph.budget import NodeCost, check_memory, check_work, count_frames, parameter_bytes
from ..kernels import Array
from ..layers import Cost
from ..layers.costs import OPERATIONS_PER_ELEMENT, count, known
from .rules import backward


def gradients(
    graph: Graph,
    parameters: GraphParameters,
    values: Mapping[str, Array],
    seeds: Mapping[str, Array],
    nodes: Iterable[str],
) -> dict[str, Array]:
    """Propagate dL/dy from the seeds backward to earlier nodes.

    L is any scalar function of the activations of the seed nodes. For the gradient of a class score,
    the seed is the score's node with 1 at the class and 0 elsewhere.

    Args:
        graph: The network.
        parameters: Arrays by node name and parameter name.
        values: Activations from any forward pass, by node name, of at least the nodes that
            `required_nodes(graph, nodes, seeds)` returns. Gradients have their batch axes and types.
        seeds: dL/dy by node name, with the shape of the node's activation. A seed adds to the gradients
            that other seeds propagate to its node.
        nodes: Names of the nodes whose gradients are returned.

    Returns:
        dL/dy by node name, with the shape of the node's activation.

    Raises:
        LimitError: It would take more work or memory than the limits allow.
        GraphError: A layer on the path has no gradient rule, or there is no path from one of `nodes`
            to a seed. The message begins with the node's name.

    Examples:
        How the output of a dense layer changes with its input:

        >>> import numpy as np
        >>> from xception.graph import Graph
        >>> from xception.layers import Dense, Input
        >>> graph = Graph("example")
        >>> x = graph.add(Input((2,)))
        >>> y = graph.add(Dense(1, use_bias=False), x)
        >>> parameters = {y: {"kernel": np.array([[3.0], [5.0]])}}
        >>> values = graph.evaluate(parameters, np.ones((1, 2)), [x, y])
        >>> gradients(graph, parameters, values, {y: np.ones((1, 1))}, [x])
        {'input_layer': array([[3., 5.]])}
    """
    nodes = tuple(nodes)
    path = nodes_between(graph, nodes, seeds)
    check_propagation(graph, parameters, values, path)
    relevant = {node.name for node in path} | set(nodes)
    propagated = dict(seeds)
    for node in reversed(path):
        # Only requested gradients are kept once they have been propagated, to save memory.
        dy = propagated[node.name] if node.name in nodes else propagated.pop(node.name)
        inputs = [values[source] for source in node.inputs]
        try:
            dx = backward(node.layer, parameters.get(node.owner, {}), dy, *inputs)
        except NoGradientError as error:
            raise GraphError(f"{node.name} ({node.kind}): {error}") from None
        for source, part in zip(node.inputs, dx if isinstance(dx, tuple) else (dx,), strict=True):
            if source in relevant:
                propagated[source] = propagated[source] + part if source in propagated else part
    for name in nodes:
        if name not in propagated:
            raise GraphError(f"{name}: no path leads from this node to {', '.join(seeds)}")
    return {name: propagated[name] for name in nodes}


def check_propagation(
    graph: Graph, parameters: GraphParameters, values: Mapping[str, Array], path: Sequence[Node]
) -> None:
    """Check a backward pass. A rule takes about as long as its layer's forward pass, some three times.

    Args:
        graph: The network.
        parameters: The parameters of the network.
        values: Activations by node name, of at least the inputs of the nodes on the path.
        path: The nodes that gradients pass.

    Raises:
        LimitError: It takes too much work or memory.
    """
    costs = []
    for node in path:
        sources = [values[source].shape[1:] for source in node.inputs]
        cost = node.layer.cost(*sources)
        read = sum(map(count, sources))  # the gradient has their size, even if the layer reads a part of it
        backward_cost = Cost(
            3 * cost.operations + 2 * read * OPERATIONS_PER_ELEMENT, max(4 * cost.elements, 2 * read)
        )
        costs.append(NodeCost(node, known(node.layer.output_shape(*sources)), backward_cost))
    inputs = [values[name].shape[1:] for name in graph.inputs if name in values]
    check_work(graph.name, costs, frames=count_frames(inputs))
    kept = sum(array.nbytes for array in values.values())
    largest = max((each.cost.elements for each in costs), default=0)
    per_element = max((len(array) * array.itemsize for array in values.values()), default=0)
    check_memory(graph.name, parameter_bytes(parameters) + kept + largest * per_element)


def nodes_between(graph: Graph, start: Iterable[str], end: Iterable[str]) -> list[Node]:
    """Return the nodes on all paths from `start` to `end`, in topological order.

    The nodes of `end` that can be reached are included. A node of `start` is included only if it
    depends on another node of `start`.

    Args:
        graph: The network.
        start: Names of the nodes where the paths begin.
        end: Names of the nodes where the paths end.
    """
    needed, reached = graph.ancestors(end), set(start)
    path = []
    for node in graph.nodes.values():
        if node.name in needed and not reached.isdisjoint(node.inputs):
            reached.add(node.name)
            path.append(node)
    return path


def required_nodes(graph: Graph, nodes: Iterable[str], seeds: Iterable[str]) -> set[str]:
    """Return the names of the nodes whose activations `gradients` reads from `values`.

    They are the inputs of the layers between `nodes` and `seeds`.

    Args:
        graph: The network.
        nodes: Names of the nodes whose gradients are requested.
        seeds: Names of the nodes where propagation begins.
    """
    return {source for node in nodes_between(graph, nodes, seeds) for source in node.inputs}
