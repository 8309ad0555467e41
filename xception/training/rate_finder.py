"""Search for a learning rate, on a copy of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console.progress import ProgressBar, Verbose
from ..errors import TrainingError
from ..kernels import Array
from ..layers.validation import as_float, as_int
from ..models.inputs import check_batch_size

if TYPE_CHECKING:
    from .trainer import Trainer

#: Weight of the next batch in the smoothed loss.
SMOOTHING = 0.1
#: The search ends where the smoothed loss is this many times its smallest value.
DIVERGENCE = 4.0
#: The suggested rate lies this many times below the one of the smallest loss, where training is still stable.
SAFETY = 10.0


@dataclass(frozen=True, eq=False)
class RateSearch:
    """What `find_rate` returns.

    Attributes:
        rates: (k,) the learning rates that were tried, ascending.
        losses: (k,) the loss of the batch at each rate.
        smoothed: (k,) the exponential moving average of the losses.
        suggestion: A tenth of the rate where the smoothed loss is smallest.
    """

    rates: Array = field(repr=False)
    losses: Array = field(repr=False)
    smoothed: Array = field(repr=False)
    suggestion: float

    def __str__(self) -> str:
        tried = f"from {self.rates[0]:.1e} to {self.rates[-1]:.1e}"
        return f"learning rate {self.suggestion:.1e}, of {len(self.rates)} that were tried, {tried}"


def find_rate(
    trainer: Trainer,
    x: Any,
    y: Any = None,
    batch_size: int | None = None,
    *,
    lowest: float = 1e-7,
    highest: float = 1.0,
    steps: int = 100,
    verbose: Verbose = "auto",
) -> RateSearch:
    """Search for a learning rate: train a copy of the model with a rate that grows with each batch.

    L. N. Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3. Neither the
    trainer, its optimizer nor its model change.

    Args:
        trainer: The trainer, with the model, the optimizer and the loss.
        x: As for `Trainer.fit`. A generator loses the batches that are read.
        y: As for `Trainer.fit`.
        batch_size: As for `Trainer.fit`.
        lowest: The first learning rate.
        highest: The last one.
        steps: How many rates are tried, one for each batch.
        verbose: Progress bar, as for `Model.predict`.

    Raises:
        TypeError: As for `Trainer.fit`.
        ValueError: As for `Trainer.fit`; or `lowest` is not below `highest`.
        TrainingError: The loss is not finite at the lowest rate.

    Examples:
        >>> import numpy as np, xception
        >>> from xception.layers import Dense, Input
        >>> net = xception.Graph("small")
        >>> x = net.add(Input((4,)))
        >>> x = net.add(Dense(2, "softmax"), x)
        >>> model = xception.Model(net, seed=0)
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
        >>> trainer = xception.training.Trainer(model, "adam", "sparse_categorical_crossentropy")
        >>> 1e-4 < find_rate(trainer, x, (x[:, 0] > 0).astype(int)).suggestion < 1
        True
    """
    lowest, highest = as_float("lowest", lowest, minimum=0), as_float("highest", highest, minimum=0)
    if not 0 < lowest < highest:
        raise ValueError(f"lowest must be above 0 and below highest, got {lowest:g} and {highest:g}")
    steps = as_int("steps", steps, minimum=2)
    setup = trainer.setup.copied(lowest)
    run = setup.run()
    source = setup.feeder(check_batch_size(batch_size), shuffle=True, verbose=verbose).open(x, y)
    rates = np.geomspace(lowest, highest, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    batches = chain.from_iterable(map(source.batches, count()))
    with ProgressBar(steps, "rate", verbose) as bar:
        for rate, batch in zip(rates, batches, strict=False):
            setup.optimizer.learning_rate = float(rate)
            outcome = run.step(batch)
            if outcome.is_skipped:
                break
            loss = outcome.loss
            losses.append(loss)
            smoothed.append(loss if not smoothed else smoothed[-1] + SMOOTHING * (loss - smoothed[-1]))
            bar.advance(1)
            if smoothed[-1] > DIVERGENCE * abs(min(smoothed)):
                break
    if not losses:
        raise TrainingError("the loss is not finite at the lowest learning rate: check the data")
    best = rates[int(np.argmin(smoothed))]
    tried = rates[: len(losses)]
    return RateSearch(tried, np.array(losses), np.array(smoothed), float(max(best / SAFETY, lowest)))
