"""Gradients of one batch, computed in chunks on all threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..gradients.randomness import Randomness
from ..gradients.training_pass import TrainingPass
from ..graph import GraphParameters
from ..kernels import Array
from .variables import Variables

#: From the outputs (k, …) by node, and which examples of the batch they are: the loss of each (k,), and
#: dL/dy of each output, where L is the loss of the whole batch. It is called on several threads at once.
LossOfPart = Callable[[Mapping[str, Array], slice], tuple[Array, Mapping[str, Array]]]


@dataclass(frozen=True)
class BatchResult:
    """What a batch of n examples gave.

    Attributes:
        losses: (n,) the loss of each example, as `LossOfPart` returned it.
        outputs: The outputs (n, …), by node, in training.
        statistics: (mean, biased variance) of the batch, by node, where normalization uses them.
    """

    losses: Array
    outputs: dict[str, Array]
    statistics: dict[str, tuple[Array, Array]]


class Stepper:
    """Computes the gradients of batches.

    Args:
        training_pass: The trained part of a graph.
        parameters: All parameters of the graph; those that are trained are views of `Variables.flat`.

    Attributes:
        gradient: The gradients of the last batch.
    """

    def __init__(self, training_pass: TrainingPass, parameters: GraphParameters) -> None:
        self._pass, self._parameters = training_pass, parameters
        self.gradient = Variables(training_pass.variables)

    def compute(
        self, values: Mapping[str, Array], loss: LossOfPart, randomness: Randomness | None = None
    ) -> BatchResult:
        """Compute the losses of a batch, and the gradients into `gradient`.

        Args:
            values: The activations (n, …) of the border of the trained part.
            loss: The loss.
            randomness: The random numbers of the n examples; None for no random layers.
        """
        self.gradient.flat[...] = 0
        tape = self._pass.forward(self._parameters, values, randomness)
        count = len(next(iter(values.values())))
        losses, seeds = loss(tape.outputs, slice(0, count))
        self._pass.backward(tape, self._parameters, seeds, self.gradient.by_node)
        return BatchResult(np.asarray(losses), tape.outputs, tape.statistics)
