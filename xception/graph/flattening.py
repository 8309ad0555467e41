"""Flattening of nested networks: from a `Network` to the `Graph` that computes it.

In the graph, layer "block1_conv1" of the nested network "base" is the node "base/block1_conv1", and the
second use of layer "dense" is the node "dense:1", which shares the parameters of "dense". If the network
is within `TimeDistributed`, each of its nodes is: f(g(x)) for every frame is f for every frame of g for every
frame.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import GraphError
from ..layers import Layer
from .graph import Graph
from .limits import MAX_CONNECTIONS, MAX_NODES
from .names import use_name
from .network import Network, TensorRef, Use


def flatten(network: Network) -> Graph:
    """Return the graph that computes a network.

    Args:
        network: The network.

    Returns:
        A graph with a node for every use of every layer. Parameters are kept under the first use.

    Raises:
        GraphError: The wiring or the shapes do not fit, or the graph would be too large.
    """
    graph = Graph(network.name)
    outputs = _Flattener(graph).add(network, "", "", None)
    graph.set_inputs_and_outputs(network.inputs, outputs)
    return graph


class _Flattener:
    """Adds the layers of a network, and of the networks nested in it, to a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._connections = 0

    def add(
        self, network: Network, path: str, owner_path: str, inputs: list[str] | None, trainable: bool = True,
        frame_axes: int = 0,
    ) -> list[str]:  # fmt: skip
        """Add one use of a network.

        Args:
            network: The network.
            path: Prefix of the names of the new nodes.
            owner_path: Prefix at the network's first use, whose parameters its later uses share.
            inputs: Nodes that the network reads; None for the outermost network.
            trainable: False if the network is frozen, and with it all its layers.
            frame_axes: Number of `TimeDistributed` around the network.

        Returns:
            The nodes that compute the network's outputs.
        """
        if inputs is not None and len(inputs) != len(network.inputs):
            raise GraphError(f"{path[:-1]}: takes {len(network.inputs)} input(s), got {len(inputs)}")
        entries = dict(zip(network.inputs, inputs or (), strict=inputs is not None))
        outputs: dict[Use, list[str]] = {}
        for (name, number), tensors in network.uses.items():
            member = network.members[name]
            node = f"{path}{use_name(name, number)}"
            owner = f"{owner_path}{name}"
            sources = [entries[name]] if name in entries else [_select(outputs, tensor) for tensor in tensors]
            if isinstance(member.layer, Network):
                outputs[name, number] = self.add(
                    member.layer, f"{node}/", f"{owner}/", sources, trainable and member.trainable,
                    frame_axes + member.layer.frame_axes,
                )  # fmt: skip
            else:
                self._check_connections(len(sources))
                self._graph.add(
                    _for_frames(member.layer, frame_axes), *sources, name=node,
                    shares=None if node == owner else owner, trainable=trainable and member.trainable,
                )  # fmt: skip
                outputs[name, number] = [node]
            if len(self._graph.nodes) > MAX_NODES:
                raise GraphError(f"{self._graph.name}: has more than {MAX_NODES:,} layers")
        return [_select(outputs, tensor) for tensor in network.outputs]

    def _check_connections(self, added: int) -> None:
        self._connections += added
        if self._connections > MAX_CONNECTIONS:
            raise GraphError(
                f"{self._graph.name}: its layers have more than {MAX_CONNECTIONS:,} inputs together"
            )


def _for_frames(layer: Layer, frame_axes: int) -> Layer:
    """Return a layer within a number of `TimeDistributed`."""
    if frame_axes:
        from ..layers import TimeDistributed

        for _ in range(frame_axes):
            layer = TimeDistributed(layer)
    return layer


def _select(outputs: Mapping[Use, list[str]], tensor: TensorRef) -> str:
    """Return the node that computes a tensor."""
    nodes_of_use = outputs[tensor[:2]]
    if not 0 <= tensor[2] < len(nodes_of_use):
        count = f"{len(nodes_of_use)} output{'s' if len(nodes_of_use) > 1 else ''}"
        raise GraphError(
            f"{tensor[0]}: has {count}; there is none with number {tensor[2]}, counted from 0. The states of "
            "recurrent layers (return_state=True) and the scores of attention are not supported as outputs"
        )
    return nodes_of_use[tensor[2]]
