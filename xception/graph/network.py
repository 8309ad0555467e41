"""A network as Keras nests it: layers in order, used once or several times, or networks themselves.

A `Graph` is flat, and is what gets computed. A `Network` is what a file describes, and how a user
thinks of a model: "the base, then pooling, then my classifier". `flattening.flatten` makes a graph of
a network, and `Network.from_graph` a network of a graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..errors import GraphError
from ..layers import Input, Layer, Shape
from .graph import Graph
from .names import use_name
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
        layer: The layer, or the nested network.
        uses: For each use, the tensors that it reads. An `Input` has one use, which reads none.
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

    @property
    def is_input(self) -> bool:
        """Whether it is an input layer."""
        return isinstance(self.layer, Input)


@dataclass(frozen=True)
class Network:
    """A network as Keras nests it.

    Attributes:
        name: The name of the network.
        members: Its layers by name, in any order.
        inputs: Names of the input layers, in order.
        outputs: Its output tensors, in order.
        output_keys: Keys of the outputs if the network returns a dict, else None.
        sequential: Whether it is a `Sequential` model, with its layers in order.
        loose_ends: Class of each layer that no output depends on, by name. They are not members, but a file
            of the network's weights may hold arrays for them.
        frame_axes: Number of `TimeDistributed` around a nested network, which apply it to every frame of
            a sequence. Its own shapes are those of one frame.
    """

    name: str
    members: Mapping[str, Member]
    inputs: tuple[str, ...]
    outputs: tuple[TensorRef, ...]
    output_keys: tuple[str, ...] | None = None
    sequential: bool = False
    loose_ends: Mapping[str, str] = field(default_factory=dict)
    frame_axes: int = 0

    @property
    def kind(self) -> str:
        """Keras's class: "Sequential" or "Functional"; "TimeDistributed" if that is around it."""
        if self.frame_axes:
            return "TimeDistributed"
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

    @classmethod
    def from_graph(cls, graph: Graph) -> Network:
        """Return a network with each node of a graph as a layer at top level.

        Args:
            graph: A graph. Nodes that share the parameters of "dense" become its further uses, and must
                be named "dense:1", "dense:2", …, as `Graph.add` names them.

        Raises:
            GraphError: A node that shares parameters has another name, or another layer than the owner.
        """
        uses: dict[str, list[str]] = {}  # for each layer the nodes that are its uses
        tensors: dict[str, TensorRef] = {}
        for node in graph.nodes.values():
            nodes_of_layer = uses.setdefault(node.owner, [])
            expected = use_name(node.owner, len(nodes_of_layer))
            if node.name != expected:
                raise GraphError(f"{node.name}: shares the parameters of {node.owner}; name it {expected!r}")
            if node.layer != graph.nodes[node.owner].layer:
                raise GraphError(
                    f"{node.name}: shares the parameters of {node.owner}, so it must be the same layer"
                )
            tensors[node.name] = (node.owner, len(nodes_of_layer), 0)
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
        return cls(graph.name, members, graph.inputs, tuple(tensors[name] for name in graph.outputs))

    # --- members ----------------------------------------------------------------------------

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

    def visible_members(self) -> list[Member]:
        """Return the members that Keras's `model.layers` lists: it hides the input of a `Sequential`."""
        hidden = self.inputs if self.sequential else ()
        return [member for member in self.in_order() if member.name not in hidden]

    def walk(self, path: str = "") -> Iterator[tuple[str, Member]]:
        """Yield the members at every depth, each network before its own members.

        Args:
            path: Prefix of the names in the graph: "base/" for a nested network.

        Yields:
            The name of the member's first use in the graph, and the member.
        """
        for member in self.in_order():
            yield f"{path}{member.name}", member
            if isinstance(member.layer, Network):
                yield from member.layer.walk(f"{path}{member.name}/")

    def leaves(self, path: str = "") -> Iterator[tuple[str, Member]]:
        """Yield the layers at every depth, without the networks around them, in Keras's order of weights.

        Args:
            path: Prefix of the names in the graph: "base/" for a nested network.

        Yields:
            The name of the layer's first node in the graph, and the layer.
        """
        return ((name, member) for name, member in self.walk(path) if not isinstance(member.layer, Network))

    def leaf_flags(self, path: str = "", trainable: bool = True) -> dict[str, bool]:
        """Return whether each layer is trainable, by the names and in the order of `leaves`.

        A frozen network freezes all its layers.

        Args:
            path: Prefix of the names in the graph: "base/" for a nested network.
            trainable: Whether the networks around this one are.
        """
        flags: dict[str, bool] = {}
        for member in self.in_order():
            name, flag = f"{path}{member.name}", trainable and member.trainable
            if isinstance(member.layer, Network):
                flags |= member.layer.leaf_flags(f"{name}/", flag)
            else:
                flags[name] = flag
        return flags

    def with_trainable(self, names: Collection[str], path: str = "") -> Network:
        """Return a copy in which exactly some layers are trainable, and the networks around them.

        Args:
            names: Names of layers, as `leaves` yields them.
            path: Prefix of the names in the graph.
        """
        members = {}
        for key, member in self.members.items():
            layer, name = member.layer, f"{path}{key}"
            if isinstance(layer, Network):
                layer = layer.with_trainable(names, f"{name}/")
                flag = any(inner.trainable for inner in layer.members.values())
            else:
                flag = name in names
            members[key] = replace(member, layer=layer, trainable=flag)
        return replace(self, members=members)

    def without_loose_ends(self) -> Network:
        """Return a copy without the layers, and the uses of layers, that no output depends on."""
        stack = [*((name, 0) for name in self.inputs), *(tensor[:2] for tensor in self.outputs)]
        needed: set[Use] = set()
        while stack:
            use = stack.pop()
            if use not in needed:
                needed.add(use)
                stack += [tensor[:2] for tensor in self.uses[use]]
        if len(needed) == len(self.uses):
            return self
        numbers: dict[Use, int] = {}  # of the uses that stay
        counts: dict[str, int] = {}
        for name, number in sorted(needed):
            numbers[name, number] = counts.setdefault(name, 0)
            counts[name] += 1

        def renumber(tensor: TensorRef) -> TensorRef:
            return tensor[0], numbers[tensor[:2]], tensor[2]

        members, loose_ends = {}, dict(self.loose_ends)
        for name, member in self.members.items():
            uses = tuple(
                tuple(map(renumber, tensors))
                for number, tensors in enumerate(member.uses)
                if (name, number) in needed
            )
            if uses:
                members[name] = replace(member, uses=uses)
            else:
                loose_ends[name] = member.kind
        outputs = tuple(map(renumber, self.outputs))
        return replace(self, members=members, outputs=outputs, loose_ends=loose_ends)

    def with_output(self, index: int) -> Network:
        """Return a copy with one output, and only the layers and inputs that it depends on.

        Args:
            index: The position of the output.
        """
        alone = replace(self, inputs=(), outputs=(self.outputs[index],), output_keys=None)
        needed = alone.without_loose_ends()
        return replace(needed, inputs=tuple(name for name in self.inputs if name in needed.members))


# --- members and their nodes ----------------------------------------------------------------


def member_nodes(graph: Graph, member: Member, path: str) -> list[Node]:
    """Return the nodes of a member's first use, in the order of Keras's weights.

    Args:
        graph: The flattened network.
        member: A layer, or a nested network.
        path: The member's name in the graph.
    """
    if isinstance(member.layer, Network):
        return [graph.nodes[name] for name, _ in member.layer.leaves(f"{path}/")]
    return [graph.nodes[path]]


def output_nodes(member: Member, path: str) -> list[str]:
    """Return the names of the nodes that compute a member's outputs.

    Args:
        member: A layer, or a nested network.
        path: The name of one of its uses in the graph.
    """
    inner = member.layer
    if not isinstance(inner, Network):
        return [path]
    return [
        output_nodes(inner.members[name], f"{path}/{use_name(name, number)}")[output]
        for name, number, output in inner.outputs
    ]


def output_shapes(graph: Graph, member: Member, path: str) -> list[Shape]:
    """Return the shapes of a member's outputs, without the batch axis.

    Args:
        graph: The flattened network.
        member: A layer, or a nested network.
        path: The name of one of its uses in the graph.
    """
    return [graph.nodes[name].output_shape for name in output_nodes(member, path)]
