"""Plain forward pass over nodes, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import Array
from .budget import check_evaluation, node_costs
from .node import GraphParameters, Node

NodeForward = Callable[..., Array]  #: (node, its parameters, *inputs) -> its activation


def evaluate_nodes(
    name: str,
    order: Sequence[Node],
    parameters: GraphParameters,
    inputs: Mapping[str, ArrayLike],
    requested: Sequence[str],
    forward: NodeForward | None = None,
) -> dict[str, Array]:
    """Compute nodes. An activation is freed after its last reader has run.

    Args:
        name: The name of the network, for messages.
        order: The nodes in topological order, with all that they read.
        parameters: Arrays by node name and parameter name.
        inputs: The inputs (n, …) by name.
        requested: Names of the nodes whose activations to return.
        forward: Computes a node. By default its layer's forward pass.

    Returns:
        The activations by node, (n, …).

    Raises:
        LimitError: It would take more work or memory than the limits allow.
    """
    readers = Counter(source for node in order for source in node.inputs)
    arrays_in = [np.asarray(inputs[node.name]) for node in order if not node.inputs]
    shapes = {name: np.shape(x)[1:] for name, x in inputs.items()}
    check_evaluation(name, node_costs(order, shapes), parameters, requested, arrays_in)

    compute = forward or _layer_forward
    alive: dict[str, Array] = {}
    for node in order:
        if node.inputs:
            arrays = [alive[source] for source in node.inputs]
            alive[node.name] = compute(node, parameters.get(node.owner, {}), *arrays)
        else:
            alive[node.name] = np.asarray(inputs[node.name])
        for source in node.inputs:
            readers[source] -= 1
            if not readers[source] and source not in requested:
                del alive[source]
    return {name: alive[name] for name in requested}


def _layer_forward(node: Node, parameters: Mapping[str, Array], *inputs: Array) -> Array:
    return node.layer.forward(parameters, *inputs)
