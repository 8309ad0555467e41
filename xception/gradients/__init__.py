"""The way back through a graph: how much the outputs change with the activation of any node.

Reverse-mode differentiation. For y = f(x) and a number L that depends on y, a layer is asked for
dL/dx = (dy/dx)ᵀ · dL/dy: the product of a vector with its Jacobian, which itself is never formed.
`backward` knows it for each kind of layer, in the modules of this package by family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import GraphError, NoGradientError
from ..graph import Graph, GraphParameters, Node
from ..kernels import Array
from . import (  # noqa: F401, importing them registers their rules
    activations,
    convolutional,
    core,
    merging,
    normalization,
    pooling,
    reshaping,
)
from .rules import backward

__all__ = ["NoGradientError", "backward", "between", "gradients", "reads"]


def gradients(
    graph: Graph,
    parameters: GraphParameters,
    values: Mapping[str, Array],
    seeds: Mapping[str, Array],
    wanted: Iterable[str],
) -> dict[str, Array]:
    """{node: dL/dy} at some nodes -> {node: dL/dy} at the wanted ones, before them.

    values: the activations of `reads(graph, wanted, seeds)`, from any forward pass; batch axes and
        floating-point types are theirs.
    seeds: how much L changes with what these nodes give, in their activations' shapes.

    Of several values that are equal and greatest, a window's first counts, as in TensorFlow. Raises
    GraphError, naming the node, where a layer on the way has no gradient here, or where nothing
    leads from a wanted node to a seed.
    """
    wanted = tuple(wanted)
    path = between(graph, wanted, seeds)
    of_interest = {node.name for node in path} | set(wanted)
    found = dict(seeds)
    for node in reversed(path):
        dy = found[node.name] if node.name in wanted else found.pop(node.name)
        inputs = [values[source] for source in node.inputs]
        try:
            dx = backward(node.layer, parameters.get(node.weights, {}), dy, *inputs)
        except NoGradientError as error:
            raise GraphError(f"{node.name} ({node.kind}): {error}") from None
        for source, part in zip(node.inputs, dx if isinstance(dx, tuple) else (dx,), strict=True):
            if source in of_interest:
                found[source] = found[source] + part if source in found else part
    for name in wanted:
        if name not in found:
            raise GraphError(f"{name}: nothing leads from here to {', '.join(seeds)}")
    return {name: found[name] for name in wanted}


def between(graph: Graph, start: Iterable[str], end: Iterable[str]) -> list[Node]:
    """The nodes by which `end` depends on `start`, in an order in which they can be computed.

    Those of `start` are among them only where they depend on one another; those of `end` are.
    """
    needed, reached = graph.ancestors(end), set(start)
    path = []
    for node in graph.nodes.values():
        if node.name in needed and not reached.isdisjoint(node.inputs):
            reached.add(node.name)
            path.append(node)
    return path


def reads(graph: Graph, wanted: Iterable[str], seeds: Iterable[str]) -> set[str]:
    """The nodes whose activations `gradients` needs."""
    return {source for node in between(graph, wanted, seeds) for source in node.inputs}
