"""Graphs of networks that were read from files, within limits."""

from __future__ import annotations

import math

from ..errors import ModelFileError
from ..graph import Graph, Network, flatten
from ..graph.limits import MAX_ACTIVATION_ELEMENTS
from ..layers import pair
from .limits import MAX_WINDOW_PIXELS


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
        for setting in ("kernel_size", "pool_size", "dilation_rate"):
            if max(pair(getattr(node.layer, setting, 1))) > MAX_WINDOW_PIXELS:
                raise ModelFileError(
                    f"{file_name}: {node.name} has a {setting} beyond {MAX_WINDOW_PIXELS:,}; refused"
                )
        # An unknown size counts as 1. The engine checks the real one when an image arrives.
        if math.prod(size or 1 for size in node.output_shape) > MAX_ACTIVATION_ELEMENTS:
            raise ModelFileError(
                f"{file_name}: the output of {node.name} has more than {MAX_ACTIVATION_ELEMENTS:,} elements "
                "per image; refused"
            )
    return graph
