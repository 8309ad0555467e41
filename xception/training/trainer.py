"""Training of a model, with the arguments of Keras's `compile` and `fit`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ..console.progress import ProgressBar, Verbose
from ..console.text import list_some
from ..data.failures import OnError
from ..errors import TrainingError
from ..layers.validation import as_int
from ..models.inputs import check_batch_size
from ..models.model import Model
from .callbacks.base import Callback, CallbackList
from .callbacks.history import History
from .feeding.checks import check_batch_statistics, check_metrics, warn_of_pixel_ranges
from .feeding.scoring import Scores, score
from .feeding.sources import Source
from .feeding.splitting import split_off_last
from .objectives.class_weights import ClassWeights
from .objectives.losses import Loss, get_loss
from .objectives.metrics import Metric, get_metric
from .optimization.base import Optimizer
from .optimization.optimizers import get_optimizer
from .overview import describe_duration, describe_epoch, describe_progress, describe_run, say
from .running.forward_tail import ForwardTail
from .running.interrupts import Interrupt, first_interrupt_ends_batch
from .running.moving_statistics import Statistics
from .running.penalties import total_penalty
from .running.run import Batch, TrainingRun
from .running.trained_layers import trained_nodes
from .setup import TrainingSetup

MAX_NAMES_SHOWN = 8  #: of the examples of a batch, in a warning


class Trainer:
    """Trains a model. It has the arguments of Keras's `compile`, and its `fit`.

    Which layers are trained is read at each call: `model.get_layer(name).trainable`. The loss is computed
    from logits where the model ends in softmax or sigmoid.

    Args:
        model: The model. It changes at the end of each epoch.
        optimizer: An optimizer of `xception.training`, or its name in Keras: "adam", "adamw", "sgd".
        loss: A loss of `xception.training`, or its name in Keras: "sparse_categorical_crossentropy".
        metrics: Metrics of `xception.training`, or their names in Keras: "accuracy".
        statistics: "frozen": `BatchNormalization` normalizes by its moving statistics, which do not change;
            gamma and beta of trainable layers are trained. "batch": trainable layers normalize by the
            statistics of each batch, and the moving ones follow, as in Keras.
        seed: Decides the order of examples, and what layers such as `Dropout` do.

    Attributes:
        loss: The loss, as it was given.
        metrics: The metrics.
        setup: The model with its loss and optimizer, which makes runs and sources.
        stop_training: A callback may set it to True, which ends training after the epoch.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A name is unknown, or the loss or a metric does not suit the end of the model.

    Examples:
        >>> import numpy as np, xception
        >>> from xception.layers import Dense, Input
        >>> net = xception.Graph("small")
        >>> x = net.add(Input((2,)))
        >>> x = net.add(Dense(2, "softmax"), x)
        >>> model = xception.Model(net, seed=0)
        >>> x = np.array([[0, 1], [1, 0], [0, 2], [2, 0]], np.float32)
        >>> loss = "sparse_categorical_crossentropy"
        >>> trainer = xception.training.Trainer(model, xception.training.SGD(0.5), loss, ["accuracy"])
        >>> history = trainer.fit(x, [1, 0, 1, 0], epochs=50, verbose=0)
        >>> trainer.evaluate(x, [1, 0, 1, 0])["accuracy"]
        1.0
    """

    def __init__(
        self,
        model: Model,
        optimizer: str | Optimizer | Mapping[str, Any] = "adam",
        loss: str | Loss | Mapping[str, Any] | None = None,
        metrics: Sequence[str | Metric | Loss] = (),
        *,
        statistics: Statistics = "frozen",
        seed: int = 0,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"expected an xception.Model, got a {type(model).__name__}")
        if loss is None:
            raise ValueError('give a loss, such as loss="sparse_categorical_crossentropy"')
        self.loss = get_loss(loss)
        seed = as_int("seed", seed, minimum=0)
        self.setup = TrainingSetup(model, get_optimizer(optimizer), self.loss, statistics, seed)
        self.metrics: Sequence[Metric] = [
            get_metric(metric) for metric in ([metrics] if isinstance(metrics, str) else metrics)
        ]
        check_metrics(self.metrics, self.loss, self.setup.head.units)
        self.stop_training = False

    @property
    def model(self) -> Model:
        """The model."""
        return self.setup.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer. It keeps its state from one `fit` to the next."""
        return self.setup.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer | Mapping[str, Any]) -> None:
        self.setup.optimizer = get_optimizer(optimizer)

    @property
    def statistics(self) -> Statistics:
        """By which statistics `BatchNormalization` normalizes: "frozen" or "batch"."""
        return self.setup.statistics

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        *,
        validation_data: Any = None,
        validation_split: float = 0.0,
        class_weight: ClassWeights | None = None,
        sample_weight: Any = None,
        callbacks: Sequence[Callback] = (),
        shuffle: bool = True,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        on_error: OnError = "raise",
        verbose: Verbose = "auto",
    ) -> History:
        """Train the model.

        A batch whose loss or gradient is not finite is left out, and a warning names its examples. The first
        Ctrl-C ends training after the current batch.

        Args:
            x: Arrays as for `model.predict`, with `y`; a folder with a sub-folder for each class, or paths
                of photographs with `y`, which are read as `predict` reads them; or an iterable of batches
                (x, y) or (x, y, weights).
            y: The targets. Classes may be names, indices or one-hot rows.
            batch_size: Examples per batch; None for 32.
            epochs: The number of the last epoch.
            validation_data: (x, y) or (x, y, weights); a folder, or an iterable of batches. The loss on it
                is without label smoothing and weights of classes.
            validation_split: The share of examples that validate: the last ones, as in Keras.
            class_weight: {class: weight}, by index or name, or "balanced". Weights are scaled such that
                their mean over the examples is 1.
            sample_weight: (n,) how much each example weighs in the loss.
            callbacks: Called at the beginning and end of training, epochs and batches.
            shuffle: Whether the order changes with each epoch. It is a function of seed and epoch.
            initial_epoch: The number of epochs that were done before.
            steps_per_epoch: Batches per epoch of an iterable; None for all.
            validation_steps: The same for `validation_data`.
            validation_batch_size: Examples per batch of validation; None for `batch_size`.
            on_error: What to do with photographs that cannot be read, as for `predict`.
            verbose: "auto" or 1 for a progress bar and a line for each epoch, 2 for lines only, 0 for none.

        Returns:
            The loss and the metrics of each epoch.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument, label or range of pixels is not valid, or no layer is trainable. The
                model is unchanged then.
            OSError: A photograph cannot be read.
            TrainingError: Loss or gradient of three batches in a row were not finite, in the first epoch.
        """
        epochs, initial_epoch = as_int("epochs", epochs), as_int("initial_epoch", initial_epoch, minimum=0)
        epochs_left, size = max(epochs - initial_epoch, 0), check_batch_size(batch_size)
        run = self.setup.run()
        feeder = self.setup.feeder(size, shuffle, class_weight, on_error, verbose)
        if validation_split:
            parts = split_off_last(x, y, sample_weight, validation_split, validation_data)
            (x, y, sample_weight), validation_data = parts
        source = feeder.open(x, y, sample_weight, steps_per_epoch, epochs=epochs_left)
        validation = None
        if validation_data is not None:
            own_size = check_batch_size(validation_batch_size or size)
            own = self.setup.feeder(own_size, on_error=on_error, verbose=verbose)
            validation = own.open_validation(validation_data, validation_steps, epochs_left)
        if self.statistics == "batch":
            check_batch_statistics(size, source.examples)
        names = ["loss", *(metric.name for metric in self.metrics)]
        names += [f"val_{name}" for name in names] if validation is not None else []
        history = History()
        listed = CallbackList([history, *callbacks], self, names)
        say(describe_run(run, source, size, epochs_left, feeder.notes), verbose)
        self._fit_epochs(range(initial_epoch, epochs), run, source, validation, listed, verbose)
        return history

    def _fit_epochs(
        self,
        epochs: range,
        run: TrainingRun,
        source: Source,
        validation: Source | None,
        callbacks: CallbackList,
        verbose: Verbose,
    ) -> None:
        logs: dict[str, float] = {}
        self.stop_training = False
        callbacks.on_train_begin()
        with first_interrupt_ends_batch() as interrupt:
            for epoch in epochs:
                callbacks.on_epoch_begin(epoch)
                if not run.is_current:
                    run.read_model()  # a callback has changed it
                start = time.monotonic()
                try:
                    logs = self._fit_epoch(epoch, epochs.stop, run, source, callbacks, interrupt, verbose)
                except TrainingError as error:
                    if not logs:  # no epoch was finished
                        raise
                    warnings.warn(f"training ended in epoch {epoch + 1}: {error}", stacklevel=3)
                    break
                if validation is not None and not interrupt.is_requested:
                    logs |= self._score(validation, 0 if verbose == 2 else verbose).result("val_")
                callbacks.on_epoch_end(epoch, logs)
                seconds = time.monotonic() - start
                count = None if validation is None else validation.examples
                text = describe_epoch(epoch, epochs.stop, logs, seconds, self.metrics, count, run.is_random)
                say(text, verbose)
                if self.stop_training or interrupt.is_requested:
                    break
        callbacks.on_train_end(logs)

    def _fit_epoch(
        self,
        epoch: int,
        epochs: int,
        run: TrainingRun,
        source: Source,
        callbacks: CallbackList,
        interrupt: Interrupt,
        verbose: Verbose,
    ) -> dict[str, float]:
        """Train on all batches of an epoch, and return its running loss and metrics."""
        scores, task, start = Scores(self.metrics), f"epoch {epoch + 1} of {epochs}", 0.0
        with ProgressBar(source.examples, "example", 0 if verbose == 2 else verbose, task=task) as bar:
            for number, batch in enumerate(source.batches(epoch)):
                if not epoch and not number:
                    warn_of_pixel_ranges(self.model, batch.values)
                self._step(run, batch, scores, f"batch {number} of {task}")
                running = scores.running()
                callbacks.on_train_batch_end(number, running)
                bar.set_task(describe_progress(task, running, run.is_random))
                bar.advance(len(batch))
                if not epoch and number == 1 and source.steps:  # the first step also prepares
                    with bar.paused():
                        say(describe_duration((time.monotonic() - start) * source.steps) or "", verbose)
                start = time.monotonic()
                if interrupt.is_requested:
                    with bar.paused():
                        say(f"interrupted after batch {number} of {task}, whose weights stay", verbose)
                    break
        run.write_back()
        return scores.result()

    def _step(self, run: TrainingRun, batch: Batch, scores: Scores, what: str) -> None:
        """Train on a batch, and count its loss and metrics, unless it has to be left out."""
        if self.statistics == "batch":
            check_batch_statistics(len(batch), len(batch))
        outcome = run.step(batch)
        if not outcome.is_skipped:
            scores.add(outcome.loss, outcome.outputs, batch.targets)
            return
        warnings.warn(
            f"{what} was left out: its loss is {outcome.loss:g}, the norm of its gradient "
            f"{outcome.gradient_norm:g}; its examples: {list_some(batch.names, MAX_NAMES_SHOWN)}",
            stacklevel=5,
        )

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: ClassWeights | None = None
    ) -> dict[str, float]:
        """Take one step. The model changes at once.

        Args:
            x: Arrays as for `model.predict`. All examples are one batch.
            y: The targets, as for `fit`.
            sample_weight: As for `fit`.
            class_weight: As for `fit`.

        Returns:
            The loss and the metrics of the batch in training, before the step.

        Raises:
            TypeError: As for `fit`.
            ValueError: As for `fit`.
            TrainingError: As for `fit`.
        """
        run = self.setup.run()
        feeder = self.setup.feeder(2**31, class_weight=class_weight, verbose=0)
        (batch,) = feeder.open(x, y, sample_weight).batches(self.optimizer.iterations)
        scores = Scores(self.metrics)
        self._step(run, batch, scores, "the batch")
        run.write_back(when_read=True)
        return scores.result()

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        *,
        sample_weight: Any = None,
        steps: int | None = None,
        on_error: OnError = "raise",
        verbose: Verbose = "auto",
    ) -> dict[str, float]:
        """Compute the loss and the metrics of the model as it predicts: nothing acts at random.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: Examples per batch; None for 32.
            sample_weight: As for `fit`.
            steps: Batches of an iterable; None for all.
            on_error: As for `fit`.
            verbose: Progress bar, as for `model.predict`.

        Returns:
            {"loss": …, and each metric by name}. The loss includes the penalties of trainable layers, and is
            without label smoothing.

        Raises:
            TypeError: As for `fit`.
            ValueError: As for `fit`.
        """
        feeder = self.setup.feeder(check_batch_size(batch_size), on_error=on_error, verbose=verbose)
        return self._score(feeder.open(x, y, sample_weight, steps), verbose).result()

    def _score(self, source: Source, verbose: Verbose) -> Scores:
        """Compute loss and metrics of the model as it is."""
        plan, head = self.model.plan, self.setup.head
        tail = ForwardTail(head, self.model.input_names, plan.parameters, plan)
        penalty = total_penalty(self.model.graph, trained_nodes(self.model), plan.parameters)
        return score(tail, head, self.setup.loss.without_smoothing(), source, self.metrics, penalty, verbose)
