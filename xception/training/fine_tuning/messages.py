"""Messages of a run: a summary before the first epoch, and a line for each epoch."""

from __future__ import annotations

import sys
from contextlib import suppress

from ...console.progress import ProgressBar, Verbose, is_silenced
from ...console.text import count_of, terminal_safe
from ...limits import format_bytes
from ..running.run import TrainingRun
from .loop import Loop, RunSplit
from .position import Position, Running
from .preparation import Preparation
from .settings import Settings
from .task_objective import Figures

#: Forward and backward pass of the trained part, relative to its forward pass alone.
STEP_COST = 4.0


class Console:
    """Shows the progress of a run on stderr.

    Args:
        verbose: "auto" or 1 or 2 for a line an epoch, and a bar of its batches; 0 for nothing.
        prefix: Text before each line, such as "fold 2 of 5: ".

    Attributes:
        is_augmented: Whether training figures are those of augmented photographs.
    """

    def __init__(self, verbose: Verbose = "auto", prefix: str = "") -> None:
        self._verbose, self._prefix = verbose, prefix
        self._bar: ProgressBar | None = None
        self.is_augmented = False

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
        self._bar = ProgressBar(batches, "batch", self._verbose, task=f"{self._prefix}epoch {epoch}")
        self._bar.__enter__()

    def on_batch_end(self, running: Running) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(1)

    def on_epoch_end(self, position: Position, figures: Figures, is_best: bool) -> None:
        """Print the line of an epoch."""
        self.close()
        row, parts = position.history[-1], []
        if "loss" in row:
            loss = row["loss"]
            how = "running, augmented" if self.is_augmented else "running"
            parts.append("" if loss is None else f"loss {loss:.4f} ({how})")
        if figures.count:
            parts.append(f"validation: {figures}")
        if is_best and figures.count:
            parts.append("best so far")
        what = "epoch 0 (the solved head)" if position.epoch == 0 else f"epoch {position.epoch}"
        self.say(f"{what}: {'; '.join(filter(None, parts))}")

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def describe_start(preparation: Preparation, split: RunSplit, run: TrainingRun, settings: Settings) -> str:
    """Return a line on the run: photographs, what trains, which statistics, and the memory.

    Args:
        preparation: The photographs and the starting model.
        split: Which of them train.
        run: The run, before its first step.
        settings: The settings.
    """
    training, validation = len(split.training), len(split.validation)
    count = training + validation
    objective = preparation.objective
    variables, numbers = run.variables, run.variables.flat.size
    # Values, gradients, and the slots of the optimizer.
    copies = 2 + len(run.optimizer.slots)
    memory = preparation.store.kept_bytes + copies * run.variables.flat.nbytes
    first = next(iter(run.variables.by_node))
    parts = [
        f"{count_of(count, 'photograph')}, {training} to train, {validation} to validate",
        f"{len(objective.names)} {objective.task}",
        f"train={settings.train!r}: {count_of(len(variables.variables), 'array')} with {numbers:,} numbers, "
        f"from {first} on",
        f"statistics of normalization: {'of the batch' if settings.uses_batch_statistics else 'frozen'}",
        f"memory {format_bytes(memory)}",
    ]
    return "; ".join(parts)


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


def estimate_seconds(loop: Loop, preparation: Preparation) -> float:
    """Return about how long the first epoch will take.

    Args:
        loop: The loop, after the validation of epoch 0.
        preparation: The preparation, which has timed the whole network.
    """
    training, validation = len(loop.split.training), len(loop.split.validation)
    forward = loop.time_forward()  # of the part that trains
    new = preparation.seconds_per_photograph if loop.changes_pixels else 0.0
    return training * (STEP_COST * forward + new) + validation * forward
