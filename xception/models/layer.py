"""One layer of a model, as a user looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ..graph import Node, network
from ..graph.network import Member, Network
from ..kernels import Array

if TYPE_CHECKING:
    from .model import Model


class ModelLayer:
    """One layer of a model: its place, its settings, its weights. It may be a network itself."""

    def __init__(self, model: Model, member: Member, path: str) -> None:
        self._model = model
        self._member = member
        self._path = path

    def __repr__(self) -> str:
        return f"<{self._member.kind} {self.name}: {self.output_shape}, {self.count_params():,} parameters>"

    @property
    def name(self) -> str:
        return self._member.name

    @property
    def path(self) -> str:
        """The name in the model's graph: "base/block1_conv1" for a layer of a network within."""
        return self._path

    @property
    def settings(self) -> object:
        """The layer itself, for example Conv2D(filters=32, kernel_size=3, …)."""
        return self._member.layer

    @property
    def trainable(self) -> bool:
        """Whether training would change it, or it is frozen."""
        return self._member.trainable

    @property
    def layers(self) -> list[ModelLayer]:
        """The layers inside, if this is a network."""
        inside = self._member.layer
        if not isinstance(inside, Network):
            return []
        return [ModelLayer(self._model, m, f"{self._path}/{m.name}") for m in network.listed(inside)]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the layers that it reads, at its first use."""
        return tuple(tensor[0] for tensor in self._member.uses[0])

    @property
    def output_shape(self) -> Any:
        """With the batch axis: (None, 19, 19, 728)."""
        shapes = [
            (None, *shape) for shape in network.output_shapes(self._model.graph, self._member, self._path)
        ]
        return shapes[0] if len(shapes) == 1 else shapes

    def count_params(self) -> int:
        return sum(node.count_params() for node in self._nodes())

    def get_weights(self) -> list[Array]:
        """Copies of its arrays, in Keras's order."""
        parameters = self._model.parameters
        return [parameters[node.name][name].copy() for node in self._nodes() for name in node.parameters]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take arrays in the order of `get_weights()`; on ValueError the layer is unchanged."""
        self._model._take(self._nodes(), weights)

    def _nodes(self) -> list[Node]:
        return network.nodes(self._model.graph, self._member, self._path)
