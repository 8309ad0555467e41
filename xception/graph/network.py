"""A model as Keras sees it: layers in order, some used twice, some of them models themselves.

A `Graph` is flat, and made to be computed. A `Network` is what a file describes and what a user
thinks in: "the base, then pooling, then my classifier". `flatten` makes the one of the other;
a layer within a network within the model bears the name "base/block1_conv1" in the graph, and
the second use of a layer is a node "dense:1" that shares the parameters of "dense".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import GraphError
from ..layers import Input, Layer, Shape
from . import Graph, Node
from .order import keras_order

MOST_NODES = 20_000  #: a graph may have: networks used twice within networks used twice … grow fast

#: One number of a use: (layer, which use of it, which of its outputs).
TensorRef = tuple[str, int, int]
Use = tuple[str, int]


@dataclass(frozen=True)
class Member:
    """A layer of a network, or a network used as one, and what it reads each time it is used."""

    name: str
    layer: Layer | Network
    uses: tuple[tuple[TensorRef, ...], ...]
    trainable: bool = True

    @property
    def kind(self) -> str:
        """The class, as Keras writes it."""
        return self.layer.kind


@dataclass(frozen=True)
class Network:
    """Members in the order of Keras's `model.layers`, and the tensors that enter and leave.

    Raises GraphError for wiring that names what is not there, or that runs in a circle.
    """

    name: str
    members: Mapping[str, Member]
    inputs: tuple[str, ...]  #: the input layers' names
    outputs: tuple[TensorRef, ...]
    output_keys: tuple[str, ...] | None = None  #: where the answers are a dict
    sequential: bool = False

    @property
    def kind(self) -> str:
        return "Sequential" if self.sequential else "Functional"

    @cached_property
    def uses(self) -> dict[Use, tuple[TensorRef, ...]]:
        """What every use reads; each behind those that it reads."""
        found: dict[Use, tuple[TensorRef, ...]] = {}
        everything = {
            (member.name, index): tensors
            for member in self.members.values()
            for index, tensors in enumerate(member.uses)
        }
        for tensor in (*(t for tensors in everything.values() for t in tensors), *self.outputs):
            if tensor[:2] not in everything:
                raise GraphError(
                    f"{self.name}: there is no layer {tensor[0]!r} with a use number {tensor[1]}"
                )
        readers: dict[Use, list[Use]] = {use: [] for use in everything}
        missing = {}
        for use, tensors in everything.items():
            sources = {tensor[:2] for tensor in tensors}
            if use[1]:  # what shares parameters comes behind their owner
                sources.add((use[0], use[1] - 1))
            missing[use] = len(sources)
            for source in sources:
                readers[source].append(use)
        ready = [use for use in everything if not missing[use]]
        for use in ready:  # which grows meanwhile
            found[use] = everything[use]
            for reader in readers[use]:
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
        if len(found) < len(everything):
            circle = next(use[0] for use in everything if use not in found)
            raise GraphError(f"{self.name}: {circle!r} depends on its own output")
        return found

    def in_order(self) -> list[Member]:
        """The members in the order of Keras's `model.layers`."""
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
        """Every layer at any depth with its name in the graph, in the order of Keras's weights."""
        for member in self.in_order():
            if isinstance(member.layer, Network):
                yield from member.layer.leaves(f"{path}{member.name}/")
            else:
                yield f"{path}{member.name}", member

    def without_loose_ends(self) -> Network:
        """The same without the layers that no output depends on."""
        needed: set[str] = set(self.inputs)
        waiting = [tensor[:2] for tensor in self.outputs]
        met: set[Use] = set()
        while waiting:
            use = waiting.pop()
            if use not in met:
                met.add(use)
                needed.add(use[0])
                waiting += [tensor[:2] for tensor in self.uses[use]]
        members = {name: member for name, member in self.members.items() if name in needed}
        return replace(self, members=members)


def flatten(network: Network) -> Graph:
    """The graph that computes a network. Raises GraphError."""
    graph = Graph(network.name)
    outputs = _place(network, graph, "", "", None)
    graph.set_ends(network.inputs, outputs)
    return graph


def _place(
    network: Network,
    graph: Graph,
    path: str,
    weights: str,
    entering: list[str] | None,
    trainable: bool = True,
) -> list[str]:
    """Add a network's layers to the graph; returns the nodes that give its outputs.

    path: what the nodes' names begin with. weights: the same at the network's first use. trainable:
    whether the network is; if it is frozen, so are its layers.
    """
    if entering is not None and len(entering) != len(network.inputs):
        raise GraphError(f"{path[:-1]}: takes {len(network.inputs)} input(s), got {len(entering)}")
    made: dict[Use, list[str]] = {}
    for (name, index), tensors in network.uses.items():
        member = network.members[name]
        node = f"{path}{name}:{index}" if index else f"{path}{name}"
        owner = f"{weights}{name}"
        sources = [_output(made[tensor[:2]], tensor) for tensor in tensors]
        if entering is not None and name in network.inputs:
            sources = [entering[network.inputs.index(name)]]
        if isinstance(member.layer, Network):
            made[name, index] = _place(
                member.layer, graph, f"{node}/", f"{owner}/", sources, trainable and member.trainable
            )  # fmt: skip
        else:
            graph.add(
                member.layer, *sources, name=node, shares=None if node == owner else owner,
                trainable=trainable and member.trainable,
            )  # fmt: skip
            made[name, index] = [node]
        if len(graph.nodes) > MOST_NODES:
            raise GraphError(f"{graph.name}: has more than {MOST_NODES:,} layers")
    return [_output(made[tensor[:2]], tensor) for tensor in network.outputs]


def _output(made: list[str], tensor: TensorRef) -> str:
    if not 0 <= tensor[2] < len(made):
        raise GraphError(f"{tensor[0]}: has {len(made)} output(s); there is none with number {tensor[2]}")
    return made[tensor[2]]


def of_graph(graph: Graph) -> Network:
    """The network that a graph without others inside is."""
    members = {
        node.name: Member(
            node.name, node.layer, (tuple((source, 0, 0) for source in node.inputs),), node.trainable
        )
        for node in graph.nodes.values()
    }
    return Network(graph.name, members, graph.inputs, tuple((name, 0, 0) for name in graph.outputs))


def is_input(member: Member) -> bool:
    return isinstance(member.layer, Input)


def listed(network: Network) -> list[Member]:
    """The members as Keras lists them in `layers`: a row of layers without its input."""
    hidden = network.inputs if network.sequential else ()
    return [member for member in network.in_order() if member.name not in hidden]


def walk(network: Network, path: str = "") -> Iterator[tuple[str, Member]]:
    """Every member at any depth, networks too, with its name in the graph."""
    for member in network.in_order():
        yield f"{path}{member.name}", member
        if isinstance(member.layer, Network):
            yield from walk(member.layer, f"{path}{member.name}/")


def nodes(graph: Graph, member: Member, path: str) -> list[Node]:
    """A member's nodes in the graph, at its first use, in the order of Keras's weights."""
    if isinstance(member.layer, Network):
        return [graph.nodes[name] for name, _ in member.layer.leaves(f"{path}/")]
    return [graph.nodes[path]]


def output_nodes(member: Member, path: str) -> list[str]:
    """The nodes in the graph that give what a member gives."""
    inside = member.layer
    if not isinstance(inside, Network):
        return [path]
    found: list[str] = []
    for name, use, output in inside.outputs:
        node = f"{path}/{name}:{use}" if use else f"{path}/{name}"
        found.append(output_nodes(inside.members[name], node)[output])
    return found


def output_shapes(graph: Graph, member: Member, path: str) -> list[Shape]:
    """The shapes of what a member gives, without the batch axis."""
    return [graph.nodes[name].output_shape for name in output_nodes(member, path)]
