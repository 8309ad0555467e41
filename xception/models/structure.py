"""Structure of a model: layers, shapes, counts and summary. Nothing is computed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..console.text_layout import PLAIN, layout_of
from ..engine.plan import Plan
from ..graph import Graph, GraphParameters, Network
from .feature_maps import last_maps
from .layer import ModelLayer, as_layer_names, find_member
from .parameters import ParameterStore
from .summary import Style, table
from .trainable import TrainableFlags

if TYPE_CHECKING:
    from ..plot import Diagram


class ModelStructure:
    """Base class of `Model`: layers by name, shapes, counts and a summary.

    Args:
        graph: The frozen graph.
        network: The same network as Keras nests it.
        store: The parameters.

    Raises:
        ValueError: The network is not that of the graph.
    """

    def __init__(self, graph: Graph, network: Network, store: ParameterStore) -> None:
        layers = {path for path, _ in network.leaves()}
        owners = {node.owner for node in graph.nodes.values()}
        if layers != owners:
            raise ValueError(
                f"{graph.name}: graph and network differ in {', '.join(sorted(layers ^ owners)[:5])}; make "
                "the graph with flatten(network)"
            )
        self._graph, self._store, self._flags = graph, store, TrainableFlags(network)

    def __repr__(self) -> str:
        shapes = f"{self.input_shape} -> {self.output_shape}"
        return f"<Model {self.name}: {shapes}, {self.count_params():,} parameters>"

    def _repr_html_(self) -> str:
        from ..plot.layer_tree import draw_tree  # a higher room

        return draw_tree(self.graph)

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.graph.name

    @property
    def graph(self) -> Graph:
        """The flat graph that is computed. It cannot be changed; `graph.with_layer` makes a new one."""
        return self._graph

    @property
    def network(self) -> Network:
        """The same network as Keras nests it, with the present flags of what is trainable."""
        return self._flags.network

    @property
    def parameters(self) -> GraphParameters:
        """The parameters: {node: {parameter: read-only float32 array}}."""
        return self.parameter_store.parameters

    @property
    def plan(self) -> Plan:
        """The engine's plan, which computes the activation of any node.

        Later changes of the model's parameters do not affect it.
        """
        return self.parameter_store.plan

    @property
    def parameter_store(self) -> ParameterStore:
        """The store of the parameters."""
        return self._store

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, by which `predict` takes a dict."""
        return self.graph.inputs

    @property
    def input_shape(self) -> Any:
        """Shape of the input with the batch axis, (None, 299, 299, 3); a list for several inputs."""
        shapes = [(None, *self.graph.nodes[name].output_shape) for name in self.graph.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch axis, (None, 1000); a list or dict for several outputs."""
        shapes = [(None, *self.graph.nodes[name].output_shape) for name in self.graph.outputs]
        return pack_outputs(self.network, shapes)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs: the keys of a dict, else the layers that give them.

        Several outputs of one layer are told apart by their nodes in the graph: "base/avg_pool".
        """
        if self.network.output_keys is not None:
            return self.network.output_keys
        layers = [tensor[0] for tensor in self.network.outputs]
        return tuple(
            node if layers.count(layer) > 1 else layer
            for layer, node in zip(layers, self.graph.outputs, strict=True)
        )

    @property
    def layers(self) -> list[ModelLayer]:
        """The layers in Keras's order. A network within the model is one layer, with its own `layers`."""
        return [
            ModelLayer(self.graph, self._store, self._flags, member, member.name)
            for member in self.network.visible_members()
        ]

    def get_layer(self, name: str | None = None, index: int | None = None) -> ModelLayer:
        """Return a layer by name or by index.

        Args:
            name: The layer's name. A layer of a nested network is found by its path,
                "base/block1_conv1", or by its own name if no other layer has it.
            index: Its index in `layers`; negative ones count from the end.

        Raises:
            TypeError: `name` is no string.
            ValueError: No layer has this name or index, several have the name, or not exactly one of
                the arguments is given.

        Examples:
            >>> import xception
            >>> xception.Xception(weights=None).get_layer("block4_pool").output_shape
            (None, 19, 19, 728)
        """
        if (name is None) == (index is None):
            raise ValueError("give either a layer's name or its index")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, got {type(name).__name__}; a number is given as index=…")
        if name is not None:
            path, member = find_member(self.network, name)
            return ModelLayer(self.graph, self._store, self._flags, member, path)
        assert index is not None  # as one of the two is given
        layers = self.layers
        if not -len(layers) <= index < len(layers):
            raise ValueError(f"there are {len(layers)} layers; there is none at {index}")
        return layers[index]

    def output_node(self, name: str) -> str:
        """Return the name of the node in the graph that computes the output of a layer.

        Args:
            name: The layer's name, as for `get_layer`.

        Raises:
            ValueError: No layer has this name, or the layer has several outputs.
        """
        nodes = self.get_layer(name).output_nodes
        if len(nodes) > 1:
            raise ValueError(f"{name} has several outputs: {', '.join(nodes)}; name one of them")
        return nodes[0]

    def feature_nodes(self, layers: str | Iterable[str] | None) -> list[str]:
        """Return the nodes of the graph whose activations are the features of some layers.

        Args:
            layers: One or more names of layers; None for the last layer that gives maps.

        Raises:
            ValueError: There is no such layer, `layers` is empty, or no layer gives maps.
        """
        if layers is None:
            return [last_maps(self.graph)]
        nodes = [self.output_node(name) for name in as_layer_names(layers)]
        if not nodes:
            raise ValueError("name at least one layer to take features from")
        return nodes

    @property
    def trainable_nodes(self) -> frozenset[str]:
        """Names of the nodes in the graph whose parameters training changes."""
        flags = self._flags.leaves()
        return frozenset(path for path, flag in flags.items() if flag and self.graph.nodes[path].parameters)

    def count_params(self) -> int:
        """Return the number of elements of all parameters."""
        return self.graph.count_params()

    def summary(
        self,
        style: Style = "keras",
        print_fn: Callable[[str], object] = print,
        expand_nested: bool = False,
    ) -> None:
        """Print a table of the layers, with their shapes and parameters.

        On a terminal it keeps to the width, if there is a way. In a file, a pipe or a notebook it is whole.

        Args:
            style: "keras", or "dl4j" for the table that Deeplearning4j prints.
            print_fn: Called once with the whole table.
            expand_nested: Whether to list the layers of networks within the model, in Keras's style.

        Raises:
            ValueError: `style` is neither.
        """
        layout = layout_of(sys.stdout) if print_fn is print else PLAIN
        print_fn(table(self.graph, style, self.network, expand_nested, layout))

    def plot(self, block: str | None = None) -> Diagram:
        """Draw the network as a diagram: a box for each block, with shapes on the arrows between them.

        It needs no other package. See `xception.plot.diagram`.

        Args:
            block: The name of a box, or of a node in it, to draw its nodes instead.

        Returns:
            The diagram. A notebook shows it, `save("network.svg")` writes it, and `print` shows it as text.

        Raises:
            TypeError: `block` is no name.
            ValueError: There is no such block.
        """
        from ..plot import diagram  # a higher room

        return diagram(self.graph, block)


def pack_outputs(network: Network, values: list[Any]) -> Any:
    """Return one value per output as Keras does: the value, a list, or a dict by output key."""
    if network.output_keys is not None:
        return dict(zip(network.output_keys, values, strict=True))
    return values[0] if len(values) == 1 else values
