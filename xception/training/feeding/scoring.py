"""Losses and metrics of a model, of one epoch: running in training, or at inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...console.progress import DELAY_SECONDS, ProgressBar, Verbose
from ...kernels import Array
from ..objectives.heads import Head
from ..objectives.losses import Loss
from ..objectives.metrics import MeanMetric, Metric
from ..running.forward_tail import ForwardTail
from .sources import Source


class Scores:
    """Running mean of the loss, and metrics, over the examples of an epoch.

    Args:
        metrics: The metrics, which are reset.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._total, self._examples = 0.0, 0
        for metric in metrics:
            metric.reset()

    def add(self, loss: float, outputs: Array, targets: Array) -> None:
        """Add a batch.

        Args:
            loss: Its mean loss. Each example counts the same, so that a small batch counts less.
            outputs: (n, c) as the model gives them.
            targets: (n,) or (n, c).
        """
        self._total += loss * len(outputs)
        self._examples += len(outputs)
        for metric in self._metrics:
            metric.update(outputs, targets)

    def running(self) -> dict[str, float]:
        """Return the loss and those metrics so far that are means, which takes no time."""
        return self._values([metric for metric in self._metrics if isinstance(metric, MeanMetric)])

    def result(self, prefix: str = "") -> dict[str, float]:
        """Return the loss and the metrics so far, by name.

        Args:
            prefix: Before each name: "val_".
        """
        return {f"{prefix}{name}": value for name, value in self._values(self._metrics).items()}

    def _values(self, metrics: Sequence[Metric]) -> dict[str, float]:
        loss = self._total / self._examples if self._examples else float("nan")
        return {"loss": loss} | {metric.name: float(metric.result()) for metric in metrics}


def score(
    tail: ForwardTail,
    head: Head,
    loss: Loss,
    source: Source,
    metrics: Sequence[Metric],
    penalty: float = 0.0,
    verbose: Verbose = 0,
) -> Scores:
    """Compute the loss and the metrics of a model at inference.

    Args:
        tail: The forward pass to the outputs of `head`.
        head: The end of the model.
        loss: The loss of these outputs. Give it without label smoothing.
        source: The examples.
        metrics: The metrics.
        penalty: Penalties of the layers, which are added to the loss, as in Keras.
        verbose: Progress, as for `Model.predict`.
    """
    scores = Scores(metrics)
    with ProgressBar(source.examples, "example", verbose, DELAY_SECONDS, "evaluating") as bar:
        for batch in source.batches(0):
            outputs = tail.run(batch.values)
            losses = loss(outputs, batch.targets)
            if batch.weights is not None:
                losses = losses * batch.weights
            scores.add(float(np.mean(losses)) + penalty, head.finish(outputs), batch.targets)
            bar.advance(len(batch))
    return scores
