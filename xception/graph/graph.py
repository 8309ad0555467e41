"""A network as a flat graph of named nodes, with shapes but without numbers.

Parameters are passed to a graph where they are needed: `{node name: {parameter name: array}}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from ..errors import GraphError
from ..kernels import Array
from ..layers import Input, Layer, Shape
from .evaluation import evaluate_nodes
from .names import Numbering, automatic_name, use_name
from .node import GraphParameters, Inputs, Node, make_node
from .order import keras_order

T = TypeVar("T")


class Graph:
    """A network as a flat graph: named nodes, their wiring and their shapes.

    A node may read only nodes that exist already, so a graph has no cycles and the order of creation
    is a topological order.

    Args:
        name: The name of the network.

    Examples:
        >>> from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
        >>> net = Graph("small")
        >>> x = net.add(Input((32, 32, 3)))
        >>> x = net.add(Conv2D(8, 3), x)
        >>> x = net.add(GlobalAveragePooling2D(), x)
        >>> net.add(Dense(5, "softmax"), x, name="predictions")
        'predictions'
        >>> net.nodes["conv2d"].output_shape
        (30, 30, 8)
        >>> net.count_params()
        269
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: dict[str, Node] = {}
        self._inputs: tuple[str, ...] | None = None
        self._outputs: tuple[str, ...] | None = None
        self._numbering = Numbering()
        self._is_frozen = False

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self._nodes)} nodes, {self.count_params():,} parameters>"

    # --- building ---------------------------------------------------------------------------

    def add(
        self, layer: Layer, *inputs: str, name: str | None = None, shares: str | None = None,
        trainable: bool = True,
    ) -> str:  # fmt: skip
        """Add a layer that reads the nodes `inputs`.

        Args:
            layer: The layer.
            *inputs: Names of the nodes that it reads; none for an `Input`.
            name: Name of the new node. By default the one that Keras generates: conv2d, conv2d_1, …;
                with `shares`, that node's name and the number of the use: dense:1, dense:2, …
            shares: Name of the node whose parameters the new node shares, for a layer that is used again.
            trainable: Whether training changes the layer's parameters. False freezes it.

        Returns:
            The name of the new node.

        Raises:
            GraphError: The wiring or the shapes do not fit, the name is taken, or the graph belongs to
                a `Model`.
        """
        self._check_not_frozen()
        if name is None:
            name_of, stem = (automatic_name, layer.kind) if shares is None else (use_name, shares)
            name = self._numbering.next_name(name_of, stem, self._nodes)
        if name in self._nodes:
            raise GraphError(f"{name}: there is a node of this name already")
        for source in inputs:
            if source not in self._nodes:
                raise GraphError(f"{name}: its input {source!r} is not a node of {self.name}")
        if shares is not None and shares not in self._nodes:
            raise GraphError(f"{name} ({layer.kind}): there is no node {shares!r} to share parameters with")
        sources = [self._nodes[source] for source in inputs]
        owner = None if shares is None else self._nodes[shares]
        self._nodes[name] = make_node(name, layer, sources, owner, trainable)
        return name

    def set_inputs_and_outputs(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Set which nodes are the inputs and outputs, and their order.

        Without this call, the inputs are the nodes that read no other, and the outputs those that no
        other reads, in order of creation.

        Args:
            inputs: Names of all nodes that read no other.
            outputs: Names of any nodes.

        Raises:
            GraphError: There is no node of this name, an input is missing, or the graph belongs to a
                `Model`.
        """
        self._check_not_frozen()
        for name in (*inputs, *outputs):
            self._node(name)
        sources = [node.name for node in self._nodes.values() if not node.inputs]
        if len(inputs) != len(sources) or set(inputs) != set(sources):
            raise GraphError(f"{self.name}: its inputs are {', '.join(sources)}, not {', '.join(inputs)}")
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)

    def with_layer(
        self, layer: Layer, *inputs: str, name: str | None = None, shares: str | None = None,
        trainable: bool = True,
    ) -> Graph:  # fmt: skip
        """Return a new graph with one more layer. This graph is unchanged.

        The new node becomes the last output. Outputs that it reads are no longer outputs.

        Args:
            layer: The layer.
            *inputs: Names of the nodes that it reads. By default the outputs of this graph.
            name: Name of the new node, as for `add`.
            shares: Name of the node whose parameters the new node shares, as for `add`.
            trainable: Whether training changes the layer's parameters.

        Returns:
            The new graph. It can be changed, even if this one belongs to a `Model`.

        Raises:
            GraphError: The wiring or the shapes do not fit, or the name is taken.

        Examples:
            >>> import xception
            >>> from xception.layers import GlobalAveragePooling2D
            >>> base = xception.Xception(include_top=False)
            >>> pooled = base.graph.with_layer(GlobalAveragePooling2D(), name="avg_pool")
            >>> xception.Model(pooled, base.parameters).output_shape
            (None, 2048)
        """
        graph = self._copy()
        inputs = inputs or self.outputs
        added = graph.add(layer, *inputs, name=name, shares=shares, trainable=trainable)
        if self._outputs is not None:
            graph._outputs = (*(output for output in self._outputs if output not in inputs), added)
        return graph

    def with_replaced(self, name: str, layer: Layer) -> Graph:
        """Return a new graph with another layer at a node. This graph is unchanged.

        Args:
            name: The node.
            layer: A layer with the same output shape and the same parameters.

        Returns:
            The new graph. It can be changed, even if this one belongs to a `Model`.

        Raises:
            GraphError: There is no such node, or the layer's output shape or parameters differ.
        """
        former = self._node(name)
        sources = [self._nodes[source] for source in former.inputs]
        owner = None if former.owner == name else self._nodes[former.owner]
        node = make_node(name, layer, sources, owner, former.trainable)
        if node.output_shape != former.output_shape:
            raise GraphError(
                f"{name} ({layer.kind}): should give {former.output_shape} as {former.kind} does, gives "
                f"{node.output_shape}"
            )
        if node.parameters != former.parameters:
            raise GraphError(f"{name} ({layer.kind}): its parameters are not those of {former.kind}")
        graph = self._copy()
        graph._nodes[name] = node
        return graph

    def frozen(self) -> Graph:
        """Return a copy that cannot be changed. `Model` keeps such a copy."""
        if self._is_frozen:
            return self
        graph = self._copy()
        graph._is_frozen = True
        return graph

    def _copy(self) -> Graph:
        graph = Graph(self.name)
        graph._nodes = dict(self._nodes)
        graph._inputs, graph._outputs = self._inputs, self._outputs
        return graph

    def _check_not_frozen(self) -> None:
        if self._is_frozen:
            raise GraphError(
                f"{self.name}: the graph of a model cannot be changed; make a new one with "
                "graph.with_layer(…), and a new Model of it"
            )

    # --- structure --------------------------------------------------------------------------

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name, in order of creation. Read-only; `add` adds one."""
        return MappingProxyType(self._nodes)

    def _node(self, name: str) -> Node:
        """Return a node by name; raise GraphError if there is none."""
        if name not in self._nodes:
            raise GraphError(f"{name}: is not a node of {self.name}")
        return self._nodes[name]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input nodes."""
        if self._inputs is not None:
            return self._inputs
        return tuple(node.name for node in self._nodes.values() if not node.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the output nodes."""
        if self._outputs is not None:
            return self._outputs
        read = {source for node in self._nodes.values() for source in node.inputs}
        return tuple(name for name in self._nodes if name not in read)

    def topological_order(self) -> list[Node]:
        """Return the nodes in the order of Keras's `model.layers`, each after those that it reads."""
        sources: dict[str, Sequence[str]] = {name: node.inputs for name, node in self._nodes.items()}
        order = keras_order(sources, self.outputs, dict(zip(sources, sources, strict=True)))
        return [self._nodes[name] for name in order]

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Return the names of the nodes that some nodes depend on, themselves included.

        Args:
            names: Names of nodes.

        Raises:
            GraphError: There is no node of this name.
        """
        ancestors: set[str] = set()
        stack = list(names)
        while stack:
            name = stack.pop()
            if name not in ancestors:
                stack.extend(self._node(name).inputs)
                ancestors.add(name)
        return ancestors

    def count_params(self, trainable: bool | None = None) -> int:
        """Return the number of elements of all parameters; shared ones count once.

        Args:
            trainable: True counts only trainable parameters, False only the others, None all.
        """
        return sum(node.count_params(trainable) for node in self._nodes.values() if node.owner == node.name)

    def shapes(self, input_shape: Shape | Mapping[str, Shape]) -> dict[str, Shape]:
        """Compute every node's output shape for inputs of a given shape.

        Args:
            input_shape: Shape of the input, without the batch axis. For several inputs, a mapping from
                their names to their shapes.

        Returns:
            The output shapes by node, without the batch axis.

        Raises:
            ValueError: The network does not accept inputs of this shape.
        """
        input_shapes = self.by_input_name(input_shape)
        concrete = Graph(self.name)
        for node in self._nodes.values():
            layer = node.layer
            if isinstance(layer, Input) and not node.inputs:
                layer = replace(layer, shape=input_shapes[node.name])
            concrete.add(layer, *node.inputs, name=node.name)
        return {name: node.output_shape for name, node in concrete._nodes.items()}

    def by_input_name(self, value: T | Mapping[str, T]) -> Mapping[str, T]:
        """Return the values of the inputs as a mapping by input name.

        Args:
            value: Such a mapping, which is returned as it is, or the value of the only input.

        Raises:
            ValueError: The graph has several inputs, and `value` is not a mapping.
        """
        if isinstance(value, Mapping):
            return value
        if len(self.inputs) != 1:
            raise ValueError(f"{self.name}: expected a dict with the inputs {', '.join(self.inputs)}")
        return {self.inputs[0]: value}

    # --- computing --------------------------------------------------------------------------

    def evaluate(
        self, parameters: GraphParameters, x: Inputs, nodes: Iterable[str] | None = None
    ) -> dict[str, Array]:
        """Compute the plain forward pass, node by node.

        An activation is freed after its last reader has run. `engine.Plan` computes the same faster.

        Args:
            parameters: Arrays by node name and parameter name, of all nodes that are computed.
            x: The input, (n, …). For several inputs, a mapping from their names to arrays. Any
                floating-point type: activations have the promoted type of `x` and `parameters`.
            nodes: Names of the nodes whose activations to return. By default the outputs.

        Returns:
            The activations by node, (n, …).

        Raises:
            GraphError: There is no node of a name in `nodes`.
            LimitError: It would take more work or memory than the limits allow.
        """
        requested = tuple(self.outputs if nodes is None else nodes)
        needed = self.ancestors(requested)
        order = [node for node in self.topological_order() if node.name in needed]
        return evaluate_nodes(self.name, order, parameters, self.by_input_name(x), requested)
