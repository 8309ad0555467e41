"""Graphs of networks that were read from files, within limits."""

from __future__ import annotations

import math

from ..errors import ModelFileError
from ..graph import Graph, Network, flatten
from ..limits import format_bytes, get_limits


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
    limit = get_limits().max_memory_bytes
    for node in graph.nodes.values():
        # An unknown size counts as 1. The engine checks all maps together when an image arrives.
        size = 4 * math.prod(size or 1 for size in node.output_shape)
        if size > limit:
            raise ModelFileError(
                f"{file_name}: the output of {node.name} takes {format_bytes(size)} per image; the limit is "
                f"{format_bytes(limit)}. If you trust the file, raise it: "
                f"set_limits(max_memory_bytes={size}), --max-memory {format_bytes(size)} or XCEPTION_MAX_MEMORY"
            )
    return graph
