"""Xception with its scaling, on pixels 0…255, and copies of a model with other parameters."""

from __future__ import annotations

from .. import architecture
from ..graph import GraphParameters, Member, Network
from ..layers import Dense, GlobalAveragePooling2D, Input, Layer, Rescaling
from ..models.model import Model

SIZE = (299, 299)  #: (height, width) of the photographs that the ImageNet base was trained on


def build_pixel_network(
    size: tuple[int, int] = SIZE, head: Dense | None = None, *, trainable_base: bool = True
) -> Network:
    """Build Xception for pixels 0…255 (n, height, width, 3), which gives pooled features (n, 2048).

    The parameters of the base have the prefix "xception/".

    Args:
        size: (height, width) of the photographs.
        head: A last layer, "predictions", which reads the features; None for none.
        trainable_base: Whether the layers of the base are marked as trainable.

    Raises:
        ValueError: The size is smaller than `architecture.MIN_IMAGE_SIZE`.
    """
    backbone = Network.from_graph(architecture.xception((*size, 3), include_top=False))
    layers: dict[str, Layer | Network] = {
        "pixels": Input((*size, 3)),
        "rescaling": Rescaling(1 / 127.5, -1.0),
        "xception": backbone,
        "avg_pool": GlobalAveragePooling2D(),
    }
    if head is not None:
        layers["predictions"] = head
    names = list(layers)
    sources = [(), *(((name, 0, 0),) for name in names[:-1])]  # each layer reads the one before it
    members = {
        name: Member(name, layers[name], (source,), trainable=trainable_base or name != "xception")
        for name, source in zip(names, sources, strict=True)
    }
    return Network("xception_classifier", members, inputs=("pixels",), outputs=((names[-1], 0, 0),))


def copy_model(model: Model, parameters: GraphParameters | None = None) -> Model:
    """Return a copy of a model, with its record and its trainable flags.

    Args:
        model: The model.
        parameters: {node: {parameter: array}}, all of them; by default those of the model.
    """
    return Model(
        model.graph,
        model.parameters if parameters is None else parameters,
        model.network,
        model.class_names,
        model.preprocessing,
        task=model.task,
    )
