"""Graphs of networks that were read from files, within limits."""

from __future__ import annotations

import math

from ..errors import LimitError, ModelFileError
from ..graph import Graph, Network, flatten
from ..graph.budget import check_memory


def build_graph(network: Network, file_name: str) -> Graph:
    """Flatten a network that was read from a file.

    Args:
        network: The network, as the file describes it.
        file_name: For messages.

    Returns:
        The graph that computes the network.

    Raises:
        ModelFileError: The layers do not fit together, or one would need more memory than the limits
            allow.
    """
    try:
        graph = flatten(network)
    except ValueError as error:
        raise ModelFileError(f"{file_name}: {error}") from None
    for node in graph.nodes.values():
        # An unknown size counts as 1. The engine checks all maps together when an image arrives.
        try:
            check_memory(
                f"{file_name}: the output of {node.name}",
                4 * math.prod(size or 1 for size in node.output_shape),
            )
        except LimitError as error:
            raise ModelFileError(str(error)) from None
    return graph
