"""Layers of a model, and the search for one by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ..graph import Graph, Member, Network, Node
from ..graph.network import member_nodes, output_nodes, output_shapes
from ..kernels import Array
from .parameters import ParameterStore
from .trainable import TrainableFlags


class ModelLayer:
    """A layer of a model: its settings, shapes and weights. It may be a network itself.

    `Model.layers` and `Model.get_layer` return layers.

    Args:
        graph: The model's graph.
        store: The model's parameters.
        flags: Which of the model's layers are trainable.
        member: The layer as the model's network has it.
        path: The layer's name in the graph.
    """

    def __init__(
        self, graph: Graph, store: ParameterStore, flags: TrainableFlags, member: Member, path: str
    ) -> None:
        self._graph, self._store, self._flags = graph, store, flags
        self._member, self._path = member, path

    def __repr__(self) -> str:
        return f"<{self._member.kind} {self.name}: {self.output_shape}, {self.count_params():,} parameters>"

    @property
    def name(self) -> str:
        """The layer's name in its network: "block1_conv1"."""
        return self._member.name

    @property
    def path(self) -> str:
        """The layer's name in the model's graph: "base/block1_conv1" in a network within the model."""
        return self._path

    @property
    def settings(self) -> object:
        """The layer with its settings: Conv2D(filters=32, kernel_size=3, …); a `Network` for a network."""
        return self._member.layer

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer's parameters. False for a frozen layer.

        It may be set, and is read when training starts. For a network, it sets all its layers, as in Keras.
        A layer within a frozen network can be made trainable alone. `Model.save` stores it.
        """
        return self._flags.get(self._path)

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._flags.set(self._path, trainable)

    @property
    def layers(self) -> list[ModelLayer]:
        """The layers of a network, in Keras's order; empty for any other layer."""
        inner = self._member.layer
        if not isinstance(inner, Network):
            return []
        return [
            ModelLayer(self._graph, self._store, self._flags, member, f"{self._path}/{member.name}")
            for member in inner.visible_members()
        ]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the layers that its first use reads."""
        return tuple(name for name, _, _ in self._member.uses[0])

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch axis, (None, 19, 19, 728); a list for several outputs."""
        shapes = [(None, *shape) for shape in output_shapes(self._graph, self._member, self._path)]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_nodes(self) -> list[str]:
        """Names of the nodes in the model's graph that compute the outputs of its first use."""
        return output_nodes(self._member, self._path)

    def count_params(self) -> int:
        """Return the number of elements of the layer's parameters."""
        return sum(node.count_params() for node in self._nodes())

    def get_weights(self) -> list[Array]:
        """Return copies of the layer's arrays, in Keras's order."""
        return self._store.get(self._nodes())

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace the layer's arrays.

        Args:
            weights: Arrays in the order and of the shapes of `get_weights()`. They are copied.

        Raises:
            TypeError: `weights` is not a list or tuple.
            ValueError: An array is missing, or has another shape. The layer is unchanged then.
        """
        self._store.set(self._nodes(), weights)

    def _nodes(self) -> list[Node]:
        return member_nodes(self._graph, self._member, self._path)


def find_member(network: Network, name: str) -> tuple[str, Member]:
    """Find a layer at any depth.

    Args:
        network: The model's network.
        name: The layer's name in the graph, or its own name where only one layer has it.

    Returns:
        The layer's name in the graph, and the layer.

    Raises:
        ValueError: No layer has this name, or several have.
    """
    members = dict(network.walk())
    if name in members:
        return name, members[name]
    paths = [path for path in members if path.endswith(f"/{name}")]
    if len(paths) > 1:
        raise ValueError(f"{network.name} has several layers {name!r}: {', '.join(paths)}")
    if not paths:
        import difflib

        similar = difflib.get_close_matches(str(name), members, n=3)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        raise ValueError(f"{network.name} has no layer {name!r}{hint}")
    return paths[0], members[paths[0]]


def as_layer_names(layers: str | Iterable[str]) -> list[str]:
    """Return one or more names of layers as a list.

    Args:
        layers: The argument of a method whose first argument is images, which the error mentions.

    Raises:
        TypeError: `layers` is not a name or a list of names.
    """
    names = (
        [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Iterable) else [layers]
    )
    if not all(isinstance(name, str) for name in names):
        shape = getattr(layers, "shape", None)
        kind = type(layers).__name__
        if shape is not None:
            kind = f"an array of shape {shape}; the images are the first argument"
        raise TypeError(f"expected the name of a layer or a list of names, got {kind}")
    return names
