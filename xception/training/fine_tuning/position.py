"""Progress of a run, which resuming needs besides the weights and the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...data.tasks import Task
from .task_objective import Figures, as_count, as_number


@dataclass
class Running:
    """Sums over the batches of an epoch, with dropout, augmentation and weights.

    Attributes:
        loss: The sum of the losses.
        figure: The number of right answers, or the sum of absolute errors.
        count: The number of photographs.
        skipped: The number of batches that were skipped.
        learning_rate: The learning rate of the first batch.
    """

    loss: float = 0.0
    figure: float = 0.0
    count: int = 0
    skipped: int = 0
    learning_rate: float = 0.0

    @property
    def mean_loss(self) -> float:
        """The loss of a photograph; NaN before the first batch."""
        return self.loss / self.count if self.count else float("nan")

    @property
    def mean_figure(self) -> float:
        """The accuracy, or the mean absolute error; NaN before the first batch."""
        return self.figure / self.count if self.count else float("nan")


@dataclass
class Position:
    """Progress of a run.

    Attributes:
        epoch: The number of complete epochs.
        batch: The number of batches of the next epoch that are done.
        running: The sums over these batches.
        history: {name: value} of each complete epoch. The first is epoch 0, the solved head.
        best_epoch: The best epoch so far.
        best: Its figures.
        waited: The number of epochs since then.
        stage_steps: The steps of each complete stage. The current stage is the next one.
    """

    epoch: int = 0
    batch: int = 0
    running: Running = field(default_factory=Running)
    history: list[dict[str, float | None]] = field(default_factory=list)
    best_epoch: int = 0
    best: Figures | None = None
    waited: int = 0
    stage_steps: list[int] = field(default_factory=list)

    @property
    def stage(self) -> int:
        """The current stage, from 0."""
        return len(self.stage_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the position as a dict that JSON can hold."""
        return {
            "epoch": self.epoch, "batch": self.batch, "running": vars(self.running).copy(),
            "history": [dict(row) for row in self.history], "best_epoch": self.best_epoch,
            "best": self.best.to_dict() if self.best else None, "waited": self.waited,
            "stage_steps": list(self.stage_steps),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, task: Task, values: Mapping[str, Any]) -> Position:
        """Return the position of a dict from `to_dict`.

        Args:
            task: The task of the run.
            values: The dict, from a file.

        Raises:
            ValueError: It is no such dict.
        """
        try:
            running = values["running"]
            position = cls(
                as_count(values["epoch"]), as_count(values["batch"]),
                Running(
                    as_number(running["loss"]), as_number(running["figure"]), as_count(running["count"]),
                    as_count(running["skipped"]), as_number(running["learning_rate"]),
                ),
                [
                    {str(name): None if value is None else as_number(value) for name, value in row.items()}
                    for row in values["history"]
                ],
                as_count(values["best_epoch"]), Figures.from_dict(task, values["best"]),
                as_count(values["waited"]), [as_count(steps) for steps in values["stage_steps"]],
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"the file does not say how far the run has come ({error!r:.200})") from None
        if len(position.history) != position.epoch + 1 or position.best_epoch > position.epoch:
            raise ValueError("the file's history is not that of as many epochs as it names")
        return position
