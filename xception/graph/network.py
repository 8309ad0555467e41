"""A network as Keras nests it: layers in order, used once or several times, or networks themselves.

A `Graph` is flat, and is what gets computed. A `Network` is what a file describes and what a user
thinks in: "the base, then pooling, then my classifier". `flatten` makes a graph of a network. In the
graph, a layer of a network within the model is named "base/block1_conv1", and the second use of a
layer "dense" is a node "dense:1" that shares the parameters of "dense".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import GraphError
from ..layers import Input, Layer, Shape
from .graph import Graph
from .limits import MAX_CONNECTIONS, MAX_NODES
from .node import Node
from .order import keras_order

#: A tensor of a network: (layer name, number of the layer's use, number of that use's output).
TensorRef = tuple[str, int, int]
#: A use of a layer: (layer name, number of the use).
Use = tuple[str, int]


@dataclass(frozen=True)
class Member:
    """A layer of a network, or a network used as one.

    Attributes:
        name: Unique in the network.
        layer: The layer, or the network within.
        uses: For each use the tensors that it reads; one use without tensors for an `Input`.
        trainable: Whether training changes its parameters. False for a frozen layer.
    """

    name: str
    layer: Layer | Network
    uses: tuple[tuple[TensorRef, ...], ...]
    trainable: bool = True

    @property
    def kind(self) -> str:
        """Class name, as Keras writes it: "Conv2D", "Functional"."""
        return self.layer.kind


@dataclass(frozen=True)
class Network:
    """A network as Keras nests it.

    Attributes:
        name: The name of the network.
        members: Its layers by name, in any order.
        inputs: Names of the input layers, in order.
        outputs: The tensors that it gives, in order.
        output_keys: Keys of the outputs, for a network that gives a dict.
        sequential: Whether it is a `Sequential` model, with its layers in order.
    """

    name: str
    members: Mapping[str, Member]
    inputs: tuple[str, ...]
    outputs: tuple[TensorRef, ...]
    output_keys: tuple[str, ...] | None = None
    sequential: bool = False

    @property
    def kind(self) -> str:
        """Keras's class: "Sequential" or "Functional"."""
        return "Sequential" if self.sequential else "Functional"

    @cached_property
    def uses(self) -> dict[Use, tuple[TensorRef, ...]]:
        """The tensors that each use of each layer reads, in topological order.

        A later use of a layer comes after the earlier ones, since it shares their parameters.

        Raises:
            GraphError: The wiring names a tensor that does not exist, or has a cycle.
        """
        unordered = {
            (member.name, number): tensors
            for member in self.members.values()
            for number, tensors in enumerate(member.uses)
        }
        for tensor in (*(t for tensors in unordered.values() for t in tensors), *self.outputs):
            if tensor[:2] not in unordered:
                raise GraphError(
                    f"{self.name}: there is no layer {tensor[0]!r} with a use number {tensor[1]}"
                )
        readers: dict[Use, list[Use]] = {use: [] for use in unordered}
        pending = {}  # how many sources of a use are not in order yet
        for use, tensors in unordered.items():
            sources = {tensor[:2] for tensor in tensors}
            if use[1]:
                sources.add((use[0], use[1] - 1))
            pending[use] = len(sources)
            for source in sources:
                readers[source].append(use)
        ordered = [use for use in unordered if not pending[use]]
        for use in ordered:  # grows during the loop
            for reader in readers[use]:
                pending[reader] -= 1
                if not pending[reader]:
                    ordered.append(reader)
        if len(ordered) < len(unordered):
            in_cycle = next(use[0] for use in unordered if pending[use])
            raise GraphError(f"{self.name}: {in_cycle!r} depends on its own output")
        return {use: unordered[use] for use in ordered}

    def in_order(self) -> list[Member]:
        """Return the members in the order of Keras's `model.layers`."""
        if self.sequential:
            return list(self.members.values())
        sources: dict[Use, Sequence[Use]] = {
            use: [tensor[:2] for tensor in tensors] for use, tensors in self.uses.items()
        }
        order = keras_order(
            sources, [tensor[:2] for tensor in self.outputs], {use: use[0] for use in sources}
        )
        return [self.members[name] for name in order]

    def leaves(self, path: str = "") -> Iterator[tuple[str, Member]]:
        """Yield the layers at every depth, in the order of Keras's weights.

        Args:
            path: What the names in the graph begin with: "base/" for a network within the model.

        Yields:
            The name of the layer's first node in the graph, and the layer.
        """
        for member in self.in_order():
            if isinstance(member.layer, Network):
                yield from member.layer.leaves(f"{path}{member.name}/")
            else:
                yield f"{path}{member.name}", member

    def without_loose_ends(self) -> Network:
        """Return the same network without the layers that no output depends on."""
        needed: set[str] = set(self.inputs)
        stack = [tensor[:2] for tensor in self.outputs]
        visited: set[Use] = set()
        while stack:
            use = stack.pop()
            if use not in visited:
                visited.add(use)
                needed.add(use[0])
                stack += [tensor[:2] for tensor in self.uses[use]]
        members = {name: member for name, member in self.members.items() if name in needed}
        return replace(self, members=members)


# --- networks and graphs --------------------------------------------------------------------


def flatten(network: Network) -> Graph:
    """Return the graph that computes a network.

    Raises:
        GraphError: The wiring or the shapes do not fit, or the graph would be too large.
    """
    graph = Graph(network.name)
    outputs = _Flattener(graph).add(network, "", "", None)
    graph.set_inputs_and_outputs(network.inputs, outputs)
    return graph


class _Flattener:
    """Adds the layers of a network to a graph, and those of the networks within it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._connections = 0

    def add(
        self, network: Network, path: str, owner_path: str, inputs: list[str] | None, trainable: bool = True
    ) -> list[str]:
        """Add one use of a network.

        Args:
            network: The network.
            path: What the names of the new nodes begin with.
            owner_path: `path` at the network's first use, whose parameters the others share.
            inputs: Nodes that the network reads; None for the model itself.
            trainable: Whether the network is. If it is frozen, so are its layers.

        Returns:
            The nodes that give the network's outputs.
        """
        if inputs is not None and len(inputs) != len(network.inputs):
            raise GraphError(f"{path[:-1]}: takes {len(network.inputs)} input(s), got {len(inputs)}")
        entries = dict(zip(network.inputs, inputs or (), strict=inputs is not None))
        outputs: dict[Use, list[str]] = {}
        for (name, number), tensors in network.uses.items():
            member = network.members[name]
            node = f"{path}{_use_name(name, number)}"
            owner = f"{owner_path}{name}"
            sources = [entries[name]] if name in entries else [_select(outputs, tensor) for tensor in tensors]
            if isinstance(member.layer, Network):
                outputs[name, number] = self.add(
                    member.layer, f"{node}/", f"{owner}/", sources, trainable and member.trainable
                )
            else:
                self._check_connections(len(sources))
                self._graph.add(
                    member.layer, *sources, name=node, shares=None if node == owner else owner,
                    trainable=trainable and member.trainable,
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


def _select(outputs: Mapping[Use, list[str]], tensor: TensorRef) -> str:
    """Return the node that gives a tensor."""
    nodes_of_use = outputs[tensor[:2]]
    if not 0 <= tensor[2] < len(nodes_of_use):
        raise GraphError(
            f"{tensor[0]}: has {len(nodes_of_use)} output(s); there is none with number {tensor[2]}"
        )
    return nodes_of_use[tensor[2]]


def _use_name(name: str, number: int) -> str:
    """Return the name of a layer's use in the graph: "dense", then "dense:1"."""
    return f"{name}:{number}" if number else name


def of_graph(graph: Graph) -> Network:
    """Return the network that a graph is, each node a layer at top level.

    Args:
        graph: A graph. Nodes that share the parameters of "dense" are its further uses, and must be
            named "dense:1", "dense:2", …, as `Graph.add` names them.

    Raises:
        GraphError: A node that shares parameters has another name, or another layer than their owner.
    """
    uses: dict[str, list[str]] = {}
    tensors: dict[str, TensorRef] = {}
    for node in graph.nodes.values():
        nodes_of_layer = uses.setdefault(node.weights, [])
        expected = _use_name(node.weights, len(nodes_of_layer))
        if node.name != expected:
            raise GraphError(f"{node.name}: shares the parameters of {node.weights}; name it {expected!r}")
        if node.layer != graph.nodes[node.weights].layer:
            raise GraphError(
                f"{node.name}: shares the parameters of {node.weights}, so it must be the same layer"
            )
        tensors[node.name] = (node.weights, len(nodes_of_layer), 0)
        nodes_of_layer.append(node.name)
    members = {
        owner: Member(
            owner,
            graph.nodes[owner].layer,
            tuple(tuple(tensors[source] for source in graph.nodes[name].inputs) for name in names),
            graph.nodes[owner].trainable,
        )
        for owner, names in uses.items()
    }
    return Network(graph.name, members, graph.inputs, tuple(tensors[name] for name in graph.outputs))


# --- members and their nodes ----------------------------------------------------------------


def is_input(member: Member) -> bool:
    """Return True for an input layer."""
    return isinstance(member.layer, Input)


def listed(network: Network) -> list[Member]:
    """Return the members as Keras lists them in `model.layers`: a `Sequential` without its input."""
    hidden = network.inputs if network.sequential else ()
    return [member for member in network.in_order() if member.name not in hidden]


def walk(network: Network, path: str = "") -> Iterator[tuple[str, Member]]:
    """Yield every member at any depth, networks before what is in them.

    Args:
        network: The network.
        path: What the names in the graph begin with.

    Yields:
        The member's name in the graph, and the member.
    """
    for member in network.in_order():
        yield f"{path}{member.name}", member
        if isinstance(member.layer, Network):
            yield from walk(member.layer, f"{path}{member.name}/")


def nodes(graph: Graph, member: Member, path: str) -> list[Node]:
    """Return a member's nodes at its first use, in the order of Keras's weights.

    Args:
        graph: The flattened network.
        member: A layer, or a network within.
        path: The member's name in the graph.
    """
    if isinstance(member.layer, Network):
        return [graph.nodes[name] for name, _ in member.layer.leaves(f"{path}/")]
    return [graph.nodes[path]]


def output_nodes(member: Member, path: str) -> list[str]:
    """Return the names of the nodes that give a member's outputs.

    Args:
        member: A layer, or a network within.
        path: The name of one of its uses in the graph.
    """
    inner = member.layer
    if not isinstance(inner, Network):
        return [path]
    return [
        output_nodes(inner.members[name], f"{path}/{_use_name(name, number)}")[output]
        for name, number, output in inner.outputs
    ]


def output_shapes(graph: Graph, member: Member, path: str) -> list[Shape]:
    """Return the shapes of a member's outputs, without the batch axis. Arguments as for `nodes`."""
    return [graph.nodes[name].output_shape for name in output_nodes(member, path)]
