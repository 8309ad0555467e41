"""Base classes of callbacks: what a trainer calls, and figures that are monitored."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any, Literal, Protocol

from ..layers.validation import as_float
from ..models.model import Model
from .losses import LOSSES
from .metrics import METRICS, Direction, Metric
from .optimizer_base import Optimizer

#: Figures of an epoch by name, such as "loss" and "val_loss".
Logs = MutableMapping[str, float]


class CallbackTrainer(Protocol):
    """What callbacks use of the trainer that calls them.

    Attributes:
        optimizer: Its optimizer.
        metrics: Its metrics.
        stop_training: Set to True, it ends training after the epoch.
    """

    optimizer: Optimizer
    metrics: Sequence[Metric]
    stop_training: bool


class Callback:
    """Base class of callbacks. Each method does nothing here.

    Epochs and batches count from 0. Where a run is resumed, `on_train_begin` is called first, and
    `set_state` after it.

    Attributes:
        trainer: The trainer that calls, set before `check`.
        model: Its model. At the end of an epoch it has the weights of that epoch.
    """

    trainer: CallbackTrainer
    model: Model

    def check(self, names: Collection[str]) -> None:
        """Raise an error if this callback cannot do its work. It is called before the first step.

        Args:
            names: The names that the logs of an epoch will have.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Act before the first epoch.

        Args:
            logs: Nothing yet.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Act before an epoch.

        Args:
            epoch: The epoch.
            logs: Nothing yet.
        """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Act after a step.

        Args:
            batch: The batch within its epoch.
            logs: The running figures of the epoch.
        """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Act after an epoch.

        Args:
            epoch: The epoch.
            logs: Its figures. What is added to them is seen by the callbacks that follow, and in the history.
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Act after the last epoch.

        Args:
            logs: The figures of the last epoch.
        """

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed run must know, as JSON can hold it."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: The state.
        """


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
                f"{type(self).__name__} monitors {self.monitor!r}, which there is not{hint}; "
                f"there are {', '.join(names)}"
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
