"""Cross-validation of fine-tuning: a fresh model for each fold, and then one for all photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...console.text import count_of
from ...data.failures import FailureLog
from ...errors import TrainingError
from ..running.interrupts import Interrupt
from .loop import RunSplit
from .messages import Console
from .preparation import Preparation
from .report import FineTuning, Validation, validation_of
from .run_file import RunFiles
from .session import begin_loop, run_loop
from .settings import Settings


def run_folds(
    preparation: Preparation,
    splits: Sequence[RunSplit],
    settings: Settings,
    console: Console,
    files: RunFiles,
    failures: FailureLog,
    interrupt: Interrupt,
) -> FineTuning:
    """Train on each fold, and then on all photographs.

    The last training takes the median of the folds' best epochs, with the same learning rates. It has no
    validation of its own.

    Args:
        preparation: The photographs and the starting model.
        splits: The folds.
        settings: The settings.
        console: Shows the progress.
        files: Writes the model.
        failures: What could not be read.
        interrupt: Whether an interrupt has come.

    Raises:
        TrainingError: An interrupt came before all folds were done, so that there is no model.
    """
    parts: list[Validation] = []
    best_epochs: list[int] = []
    for number, split in enumerate(splits, 1):
        loop = begin_loop(preparation, split, settings)
        own = console.prefixed(f"fold {number} of {len(splits)}: ")
        run_loop(loop, preparation, settings, settings.epochs, own, None, interrupt)
        if interrupt.is_requested:
            raise TrainingError(f"interrupted in fold {number} of {len(splits)}: there is no model yet")
        parts.append(validation_of(loop, preparation))
        best_epochs.append(loop.position.best_epoch)
    epochs = int(np.median(best_epochs))
    listed = ", ".join(map(str, best_epochs))
    console.say(f"best epochs of the folds: {listed}; now {count_of(epochs, 'epoch')} on all photographs")
    everything = RunSplit(preparation.readable, np.empty(0, np.intp))
    loop = begin_loop(preparation, everything, settings)
    run_loop(loop, preparation, settings, epochs, console, files, interrupt)
    return files.finish(
        loop, preparation, failures, console, Validation.pooled(parts), [p.figures for p in parts]
    )
