"""Loss of a batch, and its gradient, for any part of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...kernels import Array
from ..objectives.heads import Head
from .stepping import LossOfPart

if TYPE_CHECKING:
    from ..objectives.losses import Loss


def mean_loss(head: Head, loss: Loss, targets: Array, weights: Array | None = None) -> LossOfPart:
    """Return the function by which a `Stepper` computes the mean loss of a batch.

    As in Keras, the sum is divided by the number of examples, not by their weight.

    Args:
        head: The end of the model.
        loss: The loss of its outputs.
        targets: (n,) or (n, c) the targets of the batch.
        weights: (n,) how much each example weighs; None for 1 each.
    """
    count = np.float32(len(targets))
    weights = None if weights is None else np.asarray(weights, np.float32)

    def loss_of_part(outputs: Mapping[str, Array], part: slice) -> tuple[Array, Mapping[str, Array]]:
        y = outputs[head.output]  # (k, c)
        losses, dy = loss(y, targets[part]), loss.gradient(y, targets[part])
        if weights is not None:
            losses, dy = losses * weights[part], dy * weights[part, np.newaxis]
        return losses, {head.output: (dy / count).astype(y.dtype, copy=False)}

    return loss_of_part
