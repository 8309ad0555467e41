"""A model as a file holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..data.class_names import ClassNames
from ..data.preprocessing import Preprocessing
from ..graph import Graph, GraphParameters, Network


@dataclass(frozen=True)
class StoredModel:
    """A whole model, in the form that every format is read into and written from.

    Attributes:
        graph: The flat graph that computes the model.
        parameters: {node name: {parameter name: float32 array}}.
        network: The same layers, nested as Keras nests them.
        class_names: (class id, class name) of each class; None if the file has none.
        preprocessing: How photographs become the model's input, as far as the file says.
    """

    graph: Graph
    parameters: GraphParameters
    network: Network
    class_names: ClassNames | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
