"""Callbacks that monitor a figure: early stopping, lower learning rates, checkpoints, by Keras's rules."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from ...data.atomic import check_writable
from ...kernels import Array
from ...layers.validation import as_float, as_int
from ..objectives.losses import LOSSES
from ..objectives.metrics import METRICS, Direction
from .base import Callback, Logs


class MonitorCallback(Callback):
    """Base class of callbacks that watch one figure. Keras's `callbacks/monitor_callback.py`.

    A figure that is NaN is never the best, and of equal figures the first one is.

    Args:
        monitor: The name of the figure.
        mode: Whether the best figure is the smallest ("min") or the largest ("max"). By default it follows
            from the name.
        min_delta: By how much a figure must be better than the best one so far, absolute.

    Attributes:
        monitor: The name of the figure.
        best: The best figure so far; None before the first.

    Raises:
        ValueError: `mode` is something else, or `min_delta` is not a number.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: Literal["auto", "min", "max"] = "auto", min_delta: float = 0.0
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r:.100}")
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(as_float("min_delta", min_delta))
        self.best: float | None = None

    def check(self, names: Collection[str]) -> None:
        if self.monitor not in names:
            hint = ""
            if self.monitor.startswith("val_") and not any(name.startswith("val_") for name in names):
                hint = ": it needs validation data"
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not in the logs{hint}; "
                f"they have {', '.join(names)}"
            )
        self.direction  # noqa: B018, raises if it does not follow from the name

    @property
    def direction(self) -> Direction:
        """Whether the best figure is the smallest or the largest.

        Raises:
            ValueError: It does not follow from the name of the figure.
        """
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name in LOSSES:
            return "min"
        known = {metric.name: metric.direction for metric in getattr(self.trainer, "metrics", ())}
        if name in known:
            return known[name]
        if name in METRICS:
            return METRICS[name].direction
        raise ValueError(
            f"{type(self).__name__} cannot tell whether {self.monitor!r} is better when it is larger: "
            "pass mode='max' or mode='min'"
        )

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Return True if a figure is better than another one by more than `min_delta`.

        Args:
            value: The figure. NaN is no improvement.
            reference: The other one; None for none, which every number improves on.
        """
        if math.isnan(value) or reference is None:
            return not math.isnan(value)
        if self.direction == "min":
            return value + self.min_delta < reference
        return value - self.min_delta > reference


class EarlyStopping(MonitorCallback):
    """Ends training when a figure has stopped improving. Keras's `callbacks/early_stopping.py`.

    Unlike in Keras, the model has the weights of the best epoch afterwards unless asked otherwise, also if
    all epochs were run.

    Args:
        monitor: The name of the figure.
        min_delta: By how much a figure must be better than the best one so far, absolute.
        patience: The number of epochs without improvement after which training ends.
        verbose: Whether to say so on standard error, 0 or 1.
        mode: Whether the best figure is the smallest ("min") or the largest ("max"). By default it follows
            from the name.
        baseline: A figure that must be reached: without, an improvement does not restart the patience.
        restore_best_weights: Whether the model gets the weights of the best epoch. Keras's default is False.
        start_from_epoch: The first epoch that is looked at, from 0.

    Attributes:
        best_epoch: The epoch of the best figure, from 0; None before the first.
        stopped_epoch: The epoch after which training was ended; None if it was not.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 1,
        mode: Literal["auto", "min", "max"] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = as_int("patience", patience, minimum=0)
        self.start_from_epoch = as_int("start_from_epoch", start_from_epoch, minimum=0)
        self.verbose, self.restore_best_weights = verbose, restore_best_weights
        self.baseline = None if baseline is None else as_float("baseline", baseline)
        self._reset()

    def _reset(self) -> None:
        self.best, self.best_epoch, self.stopped_epoch = None, None, None
        self._wait = 0
        self._best_weights: list[Array] | None = None

    best_epoch: int | None
    stopped_epoch: int | None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = (logs or {})[self.monitor]
        if epoch < self.start_from_epoch:
            return
        self._wait += 1
        if self.is_improvement(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self._wait = 0
        elif self._wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.trainer.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
        if not self.verbose or self.best_epoch is None:
            return
        ended = "" if self.stopped_epoch is None else f"ended after epoch {self.stopped_epoch + 1}: "
        has = "the model has its weights"
        if self._best_weights is None:
            has = "the model has the weights of the last epoch"
        print(
            f"{ended}{self.monitor} was best in epoch {self.best_epoch + 1}, {self.best:.6g}; {has}",
            file=sys.stderr,
        )
        self._best_weights = None


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a figure has stopped improving.

    Keras's `callbacks/reduce_lr_on_plateau.py`.

    It adds "learning_rate", that of the epoch, to the logs.

    Args:
        monitor: The name of the figure.
        factor: What the learning rate is multiplied by, from 0 to below 1.
        patience: The number of epochs without improvement after which it is lowered; 0 acts as 1.
        verbose: Whether to say so on standard error, 0 or 1.
        mode: Whether the best figure is the smallest ("min") or the largest ("max"). By default it follows
            from the name.
        min_delta: By how much a figure must be better than the best one so far, absolute.
        cooldown: Of n epochs after a cut, n − 1 are not looked at.
        min_lr: The smallest learning rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = as_float("factor", factor, minimum=0)
        if self.factor >= 1:
            raise ValueError(f"factor must be below 1, got {factor}")
        self.patience = as_int("patience", patience, minimum=0)
        self.cooldown = as_int("cooldown", cooldown, minimum=0)
        self.min_lr, self.verbose = as_float("min_lr", min_lr, minimum=0), verbose
        self._wait = self._cooling = 0

    def check(self, names: Collection[str]) -> None:
        super().check(names)
        if (schedule := self.trainer.optimizer.schedule) is not None:
            raise TypeError(
                f"ReduceLROnPlateau cannot change a learning rate that {type(schedule).__name__} gives: "
                "give the optimizer a number as its learning_rate"
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self._wait, self._cooling = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = self.trainer.optimizer.learning_rate
        value = logs[self.monitor]
        if self._cooling:
            self._cooling -= 1
            self._wait = 0
        if self.is_improvement(value, self.best):
            self.best, self._wait = value, 0
        elif not self._cooling:
            self._wait += 1
            if self._wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.trainer.optimizer
        if optimizer.learning_rate <= self.min_lr:
            return
        optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
        self._cooling, self._wait = self.cooldown, 0
        if self.verbose:
            print(f"epoch {epoch + 1}: learning rate {optimizer.learning_rate:.3g}", file=sys.stderr)


class ModelCheckpoint(MonitorCallback):
    """Saves the model after epochs. Keras's `callbacks/model_checkpoint.py`, without saving within an epoch.

    Args:
        filepath: A path that ends in `.keras`, or in `.weights.h5` with `save_weights_only`. It may hold
            `{epoch}`, from 1, and figures, as `{epoch:02d}-{val_loss:.3f}`.
        monitor: The name of the figure.
        verbose: Whether to say so on standard error, 0 or 1.
        save_best_only: Whether to save only after epochs that improve the figure.
        save_weights_only: Whether to save the weights, not the model.
        mode: Whether the best figure is the smallest ("min") or the largest ("max"). By default it follows
            from the name.
        initial_value_threshold: With `save_best_only`, the figure that the first epoch must improve on.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Literal["auto", "min", "max"] = "auto",
        *,
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        suffix = ".weights.h5" if save_weights_only else ".keras"
        self.filepath = os.fspath(filepath)
        if not self.filepath.endswith(suffix):
            raise ValueError(f"filepath must end in {suffix}, got {self.filepath!r:.200}")
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.initial_value_threshold = initial_value_threshold

    def check(self, names: Collection[str]) -> None:
        if self.save_best_only:
            super().check(names)
        check_writable(Path(self._path(0, dict.fromkeys(names, 0.0))))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = self.initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.save_best_only:
            if not self.is_improvement(logs[self.monitor], self.best):
                return
            self.best = logs[self.monitor]
        path = self._path(epoch, logs)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}", file=sys.stderr)

    def _path(self, epoch: int, logs: Mapping[str, float]) -> str:
        try:
            return self.filepath.format(**{"epoch": epoch + 1, **logs})
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ValueError(
                f"filepath {self.filepath!r:.200} cannot be filled in: {error}; "
                f"there are epoch, {', '.join(logs)}"
            ) from None
