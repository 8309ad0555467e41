"""Layers of a model that training changes."""

from __future__ import annotations

from ...gradients.rules import has_parameter_gradients
from ...models.model import Model


def trained_nodes(model: Model) -> frozenset[str]:
    """Return the nodes whose parameters training changes: the trainable ones for which there are gradients.

    Args:
        model: The model, with the flags `trainable` of its layers.
    """
    return model.trainable_nodes.difference(frozen_for_want_of_gradients(model))


def frozen_for_want_of_gradients(model: Model) -> tuple[str, ...]:
    """Return the trainable nodes that stay as they are: recurrent and attention layers.

    Args:
        model: The model, with the flags `trainable` of its layers.

    Returns:
        Their names, in the order of computation.
    """
    trainable = model.trainable_nodes
    return tuple(
        node.name
        for node in model.graph.nodes.values()
        if node.name in trainable and not has_parameter_gradients(node.layer)
    )
