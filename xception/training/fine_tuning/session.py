"""Training of one model of a run: its head is solved and competes as epoch 0, then the network trains."""

from __future__ import annotations

import warnings
from typing import Protocol

from ...models.model import Model
from ..running.interrupts import Interrupt
from ..running.moving_statistics import describe_old_share
from .loop import Loop, RunSplit
from .messages import Console, describe_counts, describe_stage, describe_start
from .position import Position
from .preparation import Preparation, logits_of
from .settings import Settings
from .staging import StagedRun
from .task_objective import Figures, Objective


class Observer(Protocol):
    """Interface of what writes a run to files."""

    def on_best(self, loop: Loop) -> None:
        """The epoch that has just been validated is the best so far."""

    def on_epoch_end(self, loop: Loop) -> None:
        """An epoch has been validated."""

    def on_pause(self, loop: Loop, preparation: Preparation) -> None:
        """An epoch is complete, or an interrupt has ended a batch."""


def begin_loop(preparation: Preparation, split: RunSplit, settings: Settings) -> Loop:
    """Solve the head on the training photographs alone, and make the loop of a fresh copy of the model.

    Args:
        preparation: The photographs and the starting model.
        split: Which of them train.
        settings: The settings.

    Raises:
        ValueError: There are too few photographs for the head.
    """
    objective, kernel, bias = preparation.objective.solve(preparation.features, split.training, settings.seed)
    model = preparation.starting.with_head(kernel, bias)
    return make_loop(preparation, split, settings, objective, model, Position())


def make_loop(
    preparation: Preparation,
    split: RunSplit,
    settings: Settings,
    objective: Objective,
    model: Model,
    position: Position,
) -> Loop:
    """Make the loop of a model.

    Args:
        preparation: The photographs, and what each stage trains.
        split: Which photographs train.
        settings: The settings.
        objective: Their targets, with the scaling of numbers.
        model: The model, with a head. It changes with each epoch.
        position: Where to begin.
    """
    staged = StagedRun(
        model, preparation, logits_of(model, objective), objective.loss(), settings,
        len(split.parts(settings)), position.stage_steps,
    )  # fmt: skip
    return Loop(
        staged, preparation.starting.head, objective, split, settings, preparation.digests, preparation.names,
        position,
    )  # fmt: skip


def run_loop(
    loop: Loop,
    preparation: Preparation,
    settings: Settings,
    epochs: int,
    console: Console,
    observer: Observer | None,
    interrupt: Interrupt,
) -> None:
    """Train up to an epoch, and show and write the progress.

    Args:
        loop: The loop, at its beginning or where it was resumed.
        preparation: The photographs and the starting model.
        settings: The settings.
        epochs: The number of the last epoch.
        console: Shows the progress.
        observer: Writes the files; None for no files.
        interrupt: Whether an interrupt has come.
    """
    listener = _Listener(loop, preparation, console, observer)
    console.say(describe_start(loop, preparation))
    if epochs and loop.position.epoch >= epochs:
        console.say(f"epoch {epochs}, the last one, was trained before: nothing is left to do")
    console.is_augmented = loop.is_random
    console.epochs, console.steps_per_epoch = epochs, loop.steps_per_epoch
    weights = loop.class_weights
    for line in describe_counts(preparation, loop.split, weights):
        console.say(f"  {line}")
    momentum = loop.run.moving_momentum
    if momentum is not None and epochs:
        text, is_too_much = describe_old_share(momentum, epochs * loop.steps_per_epoch)
        console.say(text)
        if is_too_much:
            warnings.warn(text, stacklevel=3)
    try:
        if not loop.position.history:
            loop.begin(listener)
        loop.train(epochs, listener, interrupt)
    finally:
        console.close()
    if loop.ended_by == "interrupted" and observer is not None:
        loop.run.write_back()
        observer.on_pause(loop, preparation)


class _Listener:
    """Forwards the progress of the loop to the console and the observer."""

    def __init__(
        self, loop: Loop, preparation: Preparation, console: Console, observer: Observer | None
    ) -> None:
        self._loop, self._preparation = loop, preparation
        self._console, self._observer = console, observer
        self.on_epoch_begin = console.on_epoch_begin
        self.on_batch_end = console.on_batch_end

    def on_stage_begin(self, stage: int) -> None:
        """Show what is about to train."""
        self._console.on_stage_begin(describe_stage(self._loop, self._preparation))

    def on_epoch_end(self, position: Position, figures: Figures, is_best: bool) -> None:
        """Show the epoch, and write the files."""
        self._console.on_epoch_end(position, figures, is_best)
        if self._observer is not None:
            if is_best:
                self._observer.on_best(self._loop)
            self._observer.on_epoch_end(self._loop)
            self._observer.on_pause(self._loop, self._preparation)
