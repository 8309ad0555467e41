"""The content of a model file, independent of its format."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..data.class_names import ClassNames
from ..data.preprocessing import Preprocessing
from ..data.tasks import Task
from ..graph import Graph, GraphParameters, Network


@dataclass(frozen=True)
class Note:
    """What a reader has to say about a file.

    Attributes:
        text: A sentence, without the file's name.
        is_assumption: Whether it is about how photographs are prepared, which the caller may say instead.
    """

    text: str
    is_assumption: bool = False


@dataclass(frozen=True)
class StoredModel:
    """A whole model, read from a file of any format or to be written to one.

    Attributes:
        graph: The flat graph that computes the model.
        parameters: {node name: {parameter name: float32 array}}.
        network: The same layers, nested as Keras nests them.
        class_names: (class id, class name) of each class; None if the file has none.
        preprocessing: How photographs become the model's input, as far as the file records it.
        task: What the outputs mean; None if the file does not record it, which stands for "classes".
        notes: What the reader assumed, and what in the file it did not use.
        not_finite: The parameters that hold NaN or infinity, as "node/parameter".
    """

    graph: Graph
    parameters: GraphParameters
    network: Network
    class_names: ClassNames | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    task: Task | None = None
    notes: tuple[Note, ...] = ()
    not_finite: tuple[str, ...] = ()
