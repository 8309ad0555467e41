"""Gradients of a loss with respect to a model's parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..gradients.randomness import Randomness
from ..gradients.training_pass import TrainingPass
from ..kernels import Array
from ..models.inputs import check_inputs
from ..models.model import Model
from .feeding.checks import check_loss
from .objectives.losses import Loss, get_loss
from .running.batch_loss import mean_loss
from .running.border_values import compute_border
from .running.stepping import Stepper
from .running.trained_layers import trained_nodes


def gradients(
    model: Model,
    x: Any,
    y: ArrayLike,
    loss: str | Loss,
    *,
    batch_statistics: bool = False,
    seed: int | None = None,
) -> dict[str, dict[str, Array]]:
    """Compute the gradients of a loss with respect to the parameters that training would change.

    The model does not change. The loss is the mean over the examples, without penalties of layers.

    Args:
        model: The model. The gradients are those of its trainable layers; see `model.get_layer(…).trainable`.
        x: The input, as for `model.predict`. All examples are one batch.
        y: The targets, as the loss takes them: for "sparse_categorical_crossentropy" (n,) class indices.
        loss: A loss of `xception.training`, or its name in Keras. Where the model ends in the softmax or
            sigmoid that belongs to the loss, it is computed from the logits.
        batch_statistics: Whether trainable `BatchNormalization` layers normalize by the statistics of the
            batch. By default they normalize by their moving statistics.
        seed: Seed of the layers that act at random in training, such as Dropout. By default they do nothing.

    Returns:
        {layer: {parameter: array}}, float32 arrays of the parameters' shapes, in the order of the layers.
        Recurrent and attention layers are left out; a layer that is used several times has the sum.

    Raises:
        TypeError: As for `model.predict`; or `loss` is neither a loss nor a name.
        ValueError: The input or the targets do not fit the model, or the loss does not fit its last layer; no
            loss has this name; or no layer is trainable.
        GraphError: A layer between a trainable one and the output has no gradient rule.

    Examples:
        >>> import numpy as np, xception
        >>> from xception.layers import Dense, Input
        >>> graph = xception.Graph("example")
        >>> x = graph.add(Input((2,)))
        >>> x = graph.add(Dense(1, use_bias=False), x)
        >>> model = xception.Model(graph, {"dense": {"kernel": np.array([[3.0], [5.0]])}})

        The output is 8, and the target 7: the squared error changes by 2 · (8 − 7) for each unit.

        >>> xception.training.gradients(model, np.ones((1, 2)), [[7.0]], loss="mse")
        {'dense': {'kernel': array([[2.],
               [2.]], dtype=float32)}}
    """
    arrays = check_inputs(model.graph, x)
    count, targets = len(next(iter(arrays.values()))), np.asarray(y)
    if not count or targets.shape[:1] != (count,):
        raise ValueError(
            f"expected a target for each of at least one example, got {count} examples and targets of shape "
            f"{targets.shape}"
        )
    head, loss = check_loss(model, get_loss(loss))
    loss(np.full((count, head.units), 1 / head.units), targets)  # checks the targets
    training_pass = TrainingPass(
        head.graph, trained_nodes(model), (head.output,), batch_statistics=batch_statistics
    )
    if not training_pass.variables:
        raise ValueError(f"{model.name}: no layer is trainable; set model.get_layer(name).trainable = True")
    randomness = None if seed is None else Randomness([(seed, i) for i in range(count)])
    stepper = Stepper(training_pass, model.parameters)
    values = compute_border(model.plan, training_pass.border, arrays)
    stepper.compute(values, mean_loss(head, loss, targets), randomness)
    by_node = stepper.gradient.by_node
    return {path: by_node[path] for path, _ in model.network.leaves() if path in by_node}
