"""Starting model of fine-tuning: a backbone, and a new last layer for the classes, labels or number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import architecture
from ...data.preprocessing import Preprocessing
from ...feature_extraction.extraction import imagenet_base
from ...graph import Member, Network, TensorRef, flatten
from ...kernels import Array
from ...layers import Activation, Dense, GlobalAveragePooling2D, Layer, Softmax
from ...layers.validation import as_int
from ...models.model import Model
from ...prediction.classifier import ModelArgument, as_model
from ...prediction.preprocessing import image_shape
from ..pixel_models import SIZE, build_pixel_network, copy_model
from .task_objective import Objective

HEAD_NAME = "predictions"  #: of a head that is added to a model without one
#: Layers behind the last `Dense` that only make scores of logits.
SCORE_LAYERS = (Activation, Softmax)


@dataclass(frozen=True)
class StartingModel:
    """A model whose last layer is not trained yet.

    Attributes:
        model: The model. The parameters of its head are zeros.
        head: The node of the last layer, a `Dense`.
        features: The node that the head reads, (n, d).
    """

    model: Model
    head: str
    features: str

    def with_head(self, kernel: NDArray[Any], bias: NDArray[Any]) -> Model:
        """Return the model with parameters of the head.

        Args:
            kernel: (d, units).
            bias: (units,).
        """
        solved = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
        parameters = {**self.model.parameters, self.head: solved}
        return copy_model(self.model, parameters)


def choose_base(model: ModelArgument, size: int | None) -> Model:
    """Return the model whose last layer is replaced.

    Args:
        model: A Model, a Classifier, the path of a model file, or None for the ImageNet base.
        size: Height and width of the photographs; None for the model's own, or 299.

    Raises:
        ValueError: The model takes photographs of another size, or the size is too small.
        OSError: There is no such file.
        ModelFileError: The file is damaged or not supported.
    """
    if model is None:
        if size is None:
            return pixel_base(SIZE)
        pixels = as_int("size", size, architecture.MIN_IMAGE_SIZE)
        return pixel_base((pixels, pixels))
    base = as_model(model)
    height, width, _ = image_shape(base)
    if size is not None and (size, size) != (height, width):
        raise ValueError(
            f"size={size}: {base.name} takes photographs of {height}×{width} pixels; leave out size, or model"
        )
    return base


def pixel_base(size: tuple[int, int]) -> Model:
    """Return the ImageNet base with its scaling: pixels 0…255 (n, height, width, 3) to features (n, 2048).

    Args:
        size: (height, width) of the photographs.

    Raises:
        ValueError: They are smaller than `architecture.MIN_IMAGE_SIZE`.
    """
    network = build_pixel_network(size)
    parameters = {f"xception/{name}": arrays for name, arrays in imagenet_base().parameters.items()}
    return Model(
        flatten(network), parameters, network, preprocessing=Preprocessing("none", interpolation="bilinear")
    )


def make_starting_model(base: Model, objective: Objective) -> StartingModel:
    """Replace the last layer of a model, or add one where the model has none.

    The last `Dense` is replaced, with what makes scores of its logits. A model that ends in maps gets global
    average pooling first.

    Args:
        base: The model, with one output.
        objective: The names of the outputs, and the activation of the layer.

    Raises:
        ValueError: The model has several outputs, or its output is neither maps nor a vector.
    """
    if len(base.graph.outputs) != 1:
        raise ValueError(
            f"{base.name} has several outputs, {', '.join(base.output_names)}; fine-tuning takes a "
            "model with one"
        )
    dense = Dense(len(objective.names), objective.activation)
    replaced = _replace_head(base.network, dense)
    network, head = replaced if replaced else _add_head(base, dense)
    graph = flatten(network)
    parameters: dict[str, dict[str, Array]] = {
        node: dict(base.parameters[node]) for node in graph.nodes if node in base.parameters and node != head
    }
    arrays = graph.nodes[head].parameters
    parameters[head] = {name: np.zeros(array.shape, np.float32) for name, array in arrays.items()}
    record = replace(base.preprocessing, from_logits=False)
    model = Model(graph, parameters, network, list(objective.names), record, task=objective.task)
    return StartingModel(model, head, graph.nodes[head].inputs[0])


def _replace_head(network: Network, dense: Dense) -> tuple[Network, str] | None:
    """Return a network with another last layer, and the layer's path; None if there is no such layer."""
    output = network.outputs[0]
    member = network.members[output[0]]
    while isinstance(member.layer, SCORE_LAYERS) and len(member.uses) == 1:
        output = member.uses[0][0]
        member = network.members[output[0]]
    if len(member.uses) != 1:
        return None
    layer: Layer | Network
    if isinstance(member.layer, Network):
        inner = _replace_head(member.layer, dense) if len(member.layer.outputs) == 1 else None
        if inner is None:
            return None
        layer, path = inner[0], f"{member.name}/{inner[1]}"
    elif isinstance(member.layer, Dense):
        layer, path = dense, member.name
    else:
        return None
    members = {**network.members, member.name: replace(member, layer=layer)}
    changed = replace(network, members=members, outputs=(output,), output_keys=None)
    return changed.without_loose_ends(), path


def _add_head(base: Model, dense: Dense) -> tuple[Network, str]:
    network, shape = base.network, base.graph.nodes[base.graph.outputs[0]].output_shape
    output = network.outputs[0]
    members = dict(network.members)

    def add(name: str, layer: Layer, source: TensorRef) -> TensorRef:
        while name in members:
            name += "_new"
        members[name] = Member(name, layer, ((source,),))
        return name, 0, 0

    if len(shape) == 3:
        output = add("avg_pool", GlobalAveragePooling2D(), output)
    elif len(shape) != 1:
        raise ValueError(
            f"{base.name} gives {(None, *shape)}; fine-tuning takes a model that gives maps (h, w, c) or a "
            "vector (c,)"
        )
    output = add(HEAD_NAME, dense, output)
    return replace(network, members=members, outputs=(output,), output_keys=None), output[0]
