"""Base class of callbacks, which a trainer calls before, within and after epochs. The methods are Keras's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, MutableMapping, Sequence
from typing import ClassVar, Protocol

from ...models.model import Model
from ..objectives.metrics import Metric
from ..optimization.base import Optimizer

#: Figures of an epoch by name, such as "loss" and "val_loss".
Logs = MutableMapping[str, float]


class CallbackTrainer(Protocol):
    """What callbacks use of the trainer that calls them.

    Attributes:
        model: Its model.
        optimizer: Its optimizer.
        metrics: Its metrics.
        stop_training: Set to True, it ends training after the epoch.
    """

    @property
    def model(self) -> Model: ...

    @property
    def metrics(self) -> Sequence[Metric]: ...

    optimizer: Optimizer
    stop_training: bool


class Callback:
    """Base class of callbacks. Each method does nothing here.

    Epochs and batches count from 0.

    Attributes:
        trainer: The trainer that calls, set before `check`.
        model: Its model. At the end of an epoch it has the weights of that epoch.
        is_recorder: Whether it is called after the others, so that it sees what they add to the logs.
    """

    is_recorder: ClassVar[bool] = False

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


class CallbackList(Callback):
    """Several callbacks as one, in the order given, with recorders last.

    Args:
        callbacks: The callbacks.
        trainer: The trainer that calls.
        names: The names that the logs of an epoch will have.

    Raises:
        TypeError: One is no callback, or cannot do its work.
        ValueError: One cannot do its work: for instance, it monitors an unknown figure.
        OSError: A file that one writes cannot be written.
    """

    def __init__(
        self,
        callbacks: Iterable[Callback],
        trainer: CallbackTrainer,
        names: Collection[str],
    ) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"a callback must be derived from xception.training.Callback, got {callback!r:.100}"
                )
        self.callbacks.sort(key=lambda callback: callback.is_recorder)
        for callback in self.callbacks:
            callback.trainer, callback.model = trainer, trainer.model
            callback.check(names)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_end(logs)
