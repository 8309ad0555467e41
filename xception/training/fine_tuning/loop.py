"""Loop of fine-tuning: epochs of batches, the validation after each, and the best of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...console.text import list_some
from ...data.augmentation import Augmentation
from ...errors import TrainingError
from ...graph import GraphParameters
from ...kernels import Array
from ...models.model import Model
from ..feeding.sources import batch_parts, epoch_order
from ..pixel_models import copy_model
from ..running.forward_tail import ForwardTail
from ..running.interrupts import Interrupt
from ..running.run import Batch, Outcome, TrainingRun
from .borders import BorderStore, Example
from .position import Position, Running
from .settings import Settings
from .staging import StagedRun
from .task_objective import FIGURES, Figures, Objective, Rows

#: The names of the figure of each task in the history, as Keras names its metrics.
METRICS = {"accuracy": "accuracy", "mean AUC": "auc", "MAE": "mean_absolute_error"}
MAX_NAMES = 8  #: photographs that a warning lists


class Listener(Protocol):
    """Interface of what follows the loop's progress."""

    def on_stage_begin(self, stage: int) -> None:
        """A stage begins, counted from 0. It is not called for the one that a run begins in."""

    def on_epoch_begin(self, epoch: int, batches: int) -> None:
        """An epoch begins, counted from 1."""

    def on_batch_end(self, figures: Mapping[str, float], seconds: float) -> None:
        """A batch has been trained.

        Args:
            figures: The loss, and the metric if it is known, of the epoch so far.
            seconds: What the batch took.
        """

    def on_epoch_end(self, position: Position, figures: Figures, is_best: bool) -> None:
        """An epoch has been validated. The position's last row of history is that of the epoch."""


@dataclass(frozen=True, eq=False)
class FormerBest:
    """The best epoch of a run that is resumed.

    Attributes:
        digest: The digest of its parameters, as the state records it.
        model: The model; None if the file beside the state holds another.
    """

    digest: str
    model: Model | None


@dataclass(frozen=True, eq=False)
class RunSplit:
    """Which photographs of a run train, and which validate.

    Attributes:
        training: Their numbers.
        validation: Their numbers; none where a run has a fixed number of epochs.
    """

    training: Rows
    validation: Rows

    def parts(self, settings: Settings) -> list[slice]:
        """Return which examples of an epoch each batch has."""
        return batch_parts(
            len(self.training), settings.batch_size, joins_single=settings.uses_batch_statistics
        )


class Loop:
    """The training of one model on border activations.

    Args:
        staged: The run, in the stage that the position is in.
        head: The node of the last layer.
        objective: The targets, with the scaling of numbers.
        split: Which photographs train.
        settings: The settings.
        keys: A digest of each photograph, by its number.
        names: What each photograph is called in messages.
        position: Where to begin.

    Attributes:
        objective: The targets.
        split: Which photographs train.
        settings: The settings.
        position: The progress of the run.
        best: The parameters of the best epoch; None until there is one.
        best_outputs: The outputs (v, c) for the validation photographs in the best epoch; None until then.
        former_best: The best epoch before the run was resumed; None for a new run.
        ended_by: Why the loop ended before the last epoch; "" if it did not.
    """

    def __init__(
        self,
        staged: StagedRun,
        head: str,
        objective: Objective,
        split: RunSplit,
        settings: Settings,
        keys: Mapping[int, str],
        names: Sequence[str],
        position: Position,
    ) -> None:
        self._staged, self._head, self.objective = staged, head, objective
        self.split, self.settings, self._keys, self._names = split, settings, keys, names
        self.position = position
        self.best: GraphParameters | None = None
        self.best_outputs: Array | None = None
        self.former_best: FormerBest | None = None
        self.ended_by = ""
        self._augmentation: Augmentation = settings.augmentation
        self._targets = objective.trained_targets()
        self._class_weights = objective.class_weights(split.training)
        self._parts = split.parts(settings)

    @property
    def run(self) -> TrainingRun:
        """The run of the current stage."""
        return self._staged.run

    @property
    def store(self) -> BorderStore:
        """The border activations of the current stage."""
        return self._staged.store

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch."""
        return len(self._parts)

    @property
    def class_weights(self) -> dict[str, float] | None:
        """How much a photograph of each class weighs, by name; None for 1 each."""
        if self._class_weights is None:
            return None
        return dict(zip(self.objective.names, self._class_weights.tolist(), strict=True))

    @property
    def metric(self) -> str:
        """The name of the figure in the history."""
        return METRICS[FIGURES[self.objective.task]]

    @property
    def kept_examples(self) -> int:
        """The number of examples that later epochs use again: variants to train, photographs to validate."""
        variants = 1
        if self._augmentation.changes_pixels:
            variants = min(self._augmentation.variants or 0, self.settings.epochs)
        return len(self.split.training) * variants + len(self.split.validation)

    @property
    def is_random(self) -> bool:
        """Whether training figures are of augmented photographs, or of layers that act at random."""
        augmentation = self._augmentation
        return self.run.is_random or augmentation.changes_pixels or bool(augmentation.mixup)

    @property
    def shows_figure(self) -> bool:
        """Whether the figure is shown while training. Of mixtures it would mean nothing."""
        return self.objective.task != "labels" and not self._augmentation.mixup

    def begin(self, listener: Listener) -> None:
        """Validate the solved head: epoch 0, which competes for the best."""
        names = ["loss", *([self.metric] if self.shows_figure else []), "learning_rate", "seconds"]
        self._finish_epoch(listener, dict.fromkeys(names))

    def train(self, epochs: int, listener: Listener, interrupt: Interrupt) -> None:
        """Train up to an epoch, until nothing improves, or until an interrupt.

        Args:
            epochs: The number of the last epoch.
            listener: Follows the progress.
            interrupt: Whether an interrupt has come. The current batch is finished first.
        """
        while self.position.epoch < epochs and not self._has_stalled():
            try:
                if self._staged.stage < self.settings.stage_of(self.position.epoch + 1):
                    self._staged.advance()
                    listener.on_stage_begin(self._staged.stage)
                if not self._train_epoch(listener, interrupt):
                    self.ended_by = "interrupted"
                    return
            except TrainingError as error:
                self.ended_by = str(error)
                warnings.warn(str(error), stacklevel=2)
                return

    def _has_stalled(self) -> bool:
        if self.position.waited < self.settings.patience:
            return False
        self.ended_by = f"{FIGURES[self.objective.task]} did not improve for {self.position.waited} epochs"
        return True

    def _train_epoch(self, listener: Listener, interrupt: Interrupt) -> bool:
        """Train the rest of an epoch, and validate; return False if an interrupt came."""
        position, epoch = self.position, self.position.epoch
        order = self.split.training[epoch_order(len(self.split.training), self.settings.seed, epoch)]
        listener.on_epoch_begin(epoch + 1, len(self._parts) - position.batch)
        begun = time.monotonic()
        if not position.batch:
            position.running.learning_rate = self.run.optimizer.learning_rate
        for part in self._parts[position.batch :]:
            if interrupt.is_requested:
                return False
            start = time.monotonic()
            batch = self._batch(order[part], epoch)
            self._count(self.run.step(batch), order[part])
            position.batch += 1
            figures = {"loss": position.running.mean_loss}
            if self.shows_figure:
                figures[self.metric] = position.running.mean_figure
            listener.on_batch_end(figures, time.monotonic() - start)
        self.run.write_back()  # raises TrainingError if the weights are not finite
        running = position.running
        row: dict[str, float | None] = {"loss": running.mean_loss if running.count else None}
        if self.shows_figure:
            row[self.metric] = running.mean_figure if running.count else None
        row |= {"learning_rate": running.learning_rate, "seconds": round(time.monotonic() - begun, 3)}
        position.epoch, position.batch, position.running = epoch + 1, 0, Running()
        self._finish_epoch(listener, row)
        return not interrupt.is_requested

    def _batch(self, numbers: Rows, epoch: int) -> Batch:
        variant = self._augmentation.variant(epoch) if self._augmentation.changes_pixels else None
        values = self.store.values([Example(int(number), variant) for number in numbers])
        targets = self._targets[numbers]
        weights = None if self._class_weights is None else self._class_weights[targets.argmax(axis=1)]
        mixing = self._augmentation.pair(
            self.settings.seed, epoch, [self._keys[int(number)] for number in numbers]
        )
        if mixing is not None:
            values = {name: mixing.mix(array) for name, array in values.items()}
            targets = mixing.mix(targets)
            weights = None if weights is None else mixing.mix(weights)
        keys = [(self.settings.seed, epoch, int(number)) for number in numbers]
        return Batch(values, targets, weights, keys, [self._names[number] for number in numbers])

    def _count(self, outcome: Outcome, numbers: Rows) -> None:
        running, objective = self.position.running, self.objective
        if outcome.is_skipped:
            running.skipped += 1
            warnings.warn(
                f"epoch {self.position.epoch + 1}, batch {self.position.batch + 1}: the loss or the gradient "
                f"is not finite; the batch changes nothing: {list_some(outcome.names, MAX_NAMES)}",
                stacklevel=4,
            )
            return
        running.count += len(numbers)
        running.loss += outcome.loss * len(numbers)
        if objective.task == "classes":
            right = outcome.outputs.argmax(axis=1) == objective.indices[numbers]
            running.figure += int(right.sum())
        elif objective.task == "regression":
            errors = np.abs(objective.answers(outcome.outputs) - objective.targets[numbers])
            running.figure += float(errors.mean(axis=1).sum())

    def _finish_epoch(self, listener: Listener, row: dict[str, float | None]) -> None:
        position = self.position
        is_best = True
        figures = Figures(self.objective.task, None, 0.0, 0)
        outputs = None
        if len(self.split.validation):
            outputs = self.validate()
            figures = self.objective.measure(outputs, self.split.validation)
            row |= {"val_loss": figures.loss, f"val_{self.metric}": figures.value}
            is_best = position.best is None or figures.rank > position.best.rank
        position.history.append(row)
        position.waited = 0 if is_best else position.waited + 1
        if is_best:
            position.best_epoch, position.best = position.epoch, figures
            # These arrays stay as they are: `write_back` gives the model new ones.
            self.best, self.best_outputs = self.run.model.parameters, outputs
        listener.on_epoch_end(position, figures, is_best)

    def adopt_best(self, former: FormerBest) -> None:
        """Adopt the best epoch of the run before it was resumed.

        Args:
            former: The epoch.
        """
        self.former_best = former
        if former.model is not None:
            parameters = dict(former.model.parameters)
            arrays = parameters[self._head]
            kernel, bias = self.objective.unfold(arrays["kernel"], arrays["bias"])
            parameters[self._head] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
            best_epoch = self.position.best_epoch
            if self.settings.stage_of(best_epoch) == self._staged.stage:
                self.best_outputs = self.validate(parameters)
                return
            with self._staged.former_store(best_epoch, former.model) as store:
                self.best_outputs = self.validate(parameters, store)

    def validate(self, parameters: GraphParameters | None = None, store: BorderStore | None = None) -> Array:
        """Return the outputs (v, c) for the validation photographs, which are not augmented.

        Args:
            parameters: Those of the model; by default the present ones, after `write_back`.
            store: The border activations; by default those of the current stage.
        """
        run, size, store = self.run, self.settings.batch_size, store or self.store
        tail = ForwardTail(run.head, store.border.nodes, parameters or run.model.parameters, run.model.plan)
        numbers = self.split.validation.tolist()
        parts = [
            tail.run(store.values([Example(number) for number in numbers[first : first + size]]))
            for first in range(0, len(numbers), size)
        ]
        return np.concatenate(parts)

    def finished_model(self, parameters: GraphParameters | None = None) -> Model:
        """Return the model with the parameters of the best epoch, as it is used.

        Args:
            parameters: Those of another epoch.
        """
        chosen = dict(parameters or self.best or self.run.model.parameters)
        arrays = chosen[self._head]
        kernel, bias = self.objective.fold(arrays["kernel"], arrays["bias"])
        chosen[self._head] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
        model = copy_model(self.run.model, chosen)
        self._staged.set_flags(model, self.position.best_epoch)
        return model
