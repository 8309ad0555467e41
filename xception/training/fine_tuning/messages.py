"""Messages of a run: a summary before the first epoch, and a line for each epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from ...console.progress import ProgressBar, Verbose, is_silenced
from ...console.text import count_of, terminal_safe
from ..overview import describe_duration, describe_progress, describe_running, describe_training
from .loop import METRICS, Loop, RunSplit
from .position import Position
from .preparation import Preparation
from .task_objective import Figures

#: What a model gives numbers for, in the line of a run; there are always several classes.
NAMES_OF: dict[str, Callable[[int], str]] = {
    "classes": "{} classes".format,
    "labels": lambda count: count_of(count, "label"),
    "regression": lambda count: f"regression of {count_of(count, 'number')}",
}


class Console:
    """Shows the progress of a run on stderr.

    Args:
        verbose: "auto" or 1 or 2 for a line an epoch, and a bar of its batches; 0 for nothing.
        prefix: Text before each line, such as "fold 2 of 5: ".

    Attributes:
        is_augmented: Whether training figures are those of augmented photographs.
        epochs: The number of the last epoch.
        steps_per_epoch: Batches per epoch.
    """

    def __init__(self, verbose: Verbose = "auto", prefix: str = "") -> None:
        self._verbose, self._prefix = verbose, prefix
        self._bar: ProgressBar | None = None
        self._task = ""
        self._stage_batches = 0
        self.is_augmented = False
        self.epochs = self.steps_per_epoch = 0

    def prefixed(self, prefix: str) -> Console:
        """Return a console that shows a text before each line."""
        return Console(self._verbose, prefix)

    def say(self, text: str) -> None:
        """Print a line, unless the run is silent."""
        if self._verbose == 0 or (self._verbose == "auto" and is_silenced()):
            return
        with suppress(AttributeError, OSError, ValueError):  # no console, or its reader has gone
            print(terminal_safe(f"xception: {self._prefix}{text}"), file=sys.stderr, flush=True)

    def on_epoch_begin(self, epoch: int, batches: int) -> None:
        """Begin a bar."""
        self.close()
        self._task = f"{self._prefix}epoch {epoch} of {self.epochs}"
        self._bar = ProgressBar(batches, "step", self._verbose, task=self._task)
        self._bar.__enter__()

    def on_batch_end(self, figures: Mapping[str, float], seconds: float) -> None:
        """Move the bar, and show the figures of the epoch so far.

        Args:
            figures: By name.
            seconds: What the batch took. That of the second one of a stage tells how long an epoch takes.
        """
        if self._bar is None:
            return
        self._bar.set_task(describe_progress(self._task, figures, self.is_augmented))
        self._bar.advance(1)
        self._stage_batches += 1
        if self._stage_batches == 2 and (text := describe_duration(seconds * self.steps_per_epoch)):
            with self._bar.paused():
                self.say(text)

    def on_stage_begin(self, text: str) -> None:
        """Print what is about to train."""
        self.close()
        self.say(text)
        self._stage_batches = 0

    def on_epoch_end(self, position: Position, figures: Figures, is_best: bool) -> None:
        """Print the line of an epoch."""
        self.close()
        row, parts = position.history[-1], []
        values = {name: row.get(name) for name in ("loss", *METRICS.values())}
        running = {name: value for name, value in values.items() if value is not None}
        if running:
            parts.append(describe_running(running, self.is_augmented))
        if figures.count:
            parts.append(f"validation: {figures}")
        if is_best and figures.count:
            parts.append("best so far")
        what = "epoch 0 (the solved head)" if position.epoch == 0 else f"epoch {position.epoch}"
        figures_shown = "; ".join(filter(None, parts))
        self.say(f"{what}: {figures_shown}" if figures_shown else what)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def describe_start(loop: Loop, preparation: Preparation) -> str:
    """Return a line on the run: how many photographs, and what the current stage trains.

    Args:
        loop: The loop.
        preparation: The photographs and the starting model.
    """
    training, validation = len(loop.split.training), len(loop.split.validation)
    objective = preparation.objective
    names = NAMES_OF[objective.task](len(objective.names))
    return (
        f"{count_of(training + validation, 'photograph')}, {training} to train, {validation} to validate; "
        f"{names}; {describe_stage(loop, preparation)}"
    )


def describe_stage(loop: Loop, preparation: Preparation) -> str:
    """Return what the current stage trains, by which statistics, and the memory that it takes.

    Args:
        loop: The loop.
        preparation: The photographs and the starting model.
    """
    settings, stage = loop.settings, loop.position.stage
    first = next(iter(loop.run.variables.by_node))
    epochs = ""
    if len(settings.stages) > 1:
        count = settings.stage_epochs[stage]
        epochs = f" for {count_of(count, 'epoch')} (stage {stage + 1} of {len(settings.stages)})"
    examples = min(settings.batch_size, len(loop.split.training))
    kept = loop.store.expected_bytes(loop.kept_examples)
    return (
        f"train={settings.stages[stage]!r}{epochs}, from {first} on: "
        f"{describe_training(loop.run, examples, kept)}"
    )


def describe_counts(preparation: Preparation, split: RunSplit, weights: dict[str, float] | None) -> list[str]:
    """Return "index name count" of each class, with its weight; for labels, how many have each.

    Args:
        preparation: The photographs.
        split: Which of them train.
        weights: How much a photograph of each class weighs, by name.
    """
    objective = preparation.objective
    if objective.task == "regression":
        targets = objective.targets[split.training]
        return [
            f"{name}: {low:g} to {high:g}, mean {mean:g}"
            for name, low, high, mean in zip(
                objective.names, targets.min(0), targets.max(0), targets.mean(0), strict=True
            )
        ]
    lines = []
    for index, name in enumerate(objective.names):
        training = int(objective.targets[split.training, index].sum())
        validation = int(objective.targets[split.validation, index].sum())
        weight = f", weight {weights[name]:.3g}" if weights and name in weights else ""
        lines.append(f"{index} {name}: {training} to train, {validation} to validate{weight}")
    return lines
