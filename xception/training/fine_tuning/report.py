"""Result of fine-tuning: the model, its history, and its validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...console.html import preformatted
from ...console.tables import Column, wrap
from ...console.text import count_of
from ...console.text_layout import PLAIN, TextLayout
from ...data.failures import Failure
from ...data.tasks import Task
from ...kernels import Array
from ...models.model import Model
from ...prediction.pictured import WithMistakes
from ...prediction.rates import rank_auc
from ...prediction.report import class_table, confusion_table, count_confusions, lay_out_rates, optional
from ..callbacks.history import History
from .loop import Loop
from .preparation import Preparation
from .task_objective import FIGURES, Figures, Objective, Rows, mean_auc

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Validation:
    """Outputs of a model for photographs that it was not trained on.

    Attributes:
        task: The task.
        names: (c,) the names of the classes, labels or targets.
        figures: Accuracy, mean AUC or MAE, and the loss.
        outputs: (n, c) probabilities, or numbers in the unit of the target.
        targets: (n, c) one-hot classes, 0 or 1 for each label, or numbers.
        paths: (n,) the photographs; None for those that did not come from a file.
        indices: (n,) their positions among all photographs of the fine-tuning, from 0.
    """

    task: Task
    names: tuple[str, ...]
    figures: Figures
    outputs: Array = field(repr=False)
    targets: Array = field(repr=False)
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)

    @classmethod
    def of(cls, objective: Objective, outputs: Array, rows: Rows, paths: Sequence[str | None]) -> Validation:
        """Return the validation of outputs (len(rows), c) as the loss takes them."""
        figures, answers = objective.measure(outputs, rows), objective.answers(outputs)
        chosen = [paths[row] for row in rows]
        targets = objective.targets[rows]
        return cls(objective.task, objective.names, figures, answers, targets, chosen, rows.tolist())

    @classmethod
    def pooled(cls, parts: Sequence[Validation]) -> Validation:
        """Return the validations of several models together, each on photographs of its own."""
        first, counts = parts[0], [len(part.targets) for part in parts]
        outputs = np.concatenate([part.outputs for part in parts])
        targets = np.concatenate([part.targets for part in parts])
        loss = float(np.average([part.figures.loss for part in parts], weights=counts))
        correct = None
        if first.task == "classes":
            correct = sum(part.figures.correct or 0 for part in parts)
            value: float | None = correct / len(targets)
        elif first.task == "labels":
            value = mean_auc(outputs, targets)
        else:
            value = float(np.abs(outputs - targets).mean())
        figures = Figures(first.task, value, loss, len(targets), correct)
        paths = [path for part in parts for path in part.paths]
        indices = [index for part in parts for index in part.indices]
        return cls(first.task, first.names, figures, outputs, targets, paths, indices)

    @property
    def confusion(self) -> Rows:
        """(c, c) of classes: how many photographs of the row's class were taken for the column's."""
        return count_confusions(self.targets.argmax(axis=1), self.outputs.argmax(axis=1), len(self.names))

    def lines(self, layout: TextLayout = PLAIN) -> list[str]:
        """Return a row for each class, label or target, and the confusion matrix of classes."""
        if self.task == "classes":
            counts = self.confusion
            rows = zip(self.names, counts.sum(1), counts.sum(0), counts.diagonal(), strict=True)
            table = class_table(((name, int(n), int(p), int(c)) for name, n, p, c in rows), layout)
            matrix = confusion_table(self.names, counts.tolist(), "validation.confusion", layout)
            return [*table, "", *matrix]
        cells: list[tuple[str, ...]] = []
        if self.task == "labels":
            columns = (Column("label", may_cut=True), Column("AUC"), Column("photographs", is_number=True))
            for i, name in enumerate(self.names):
                auc = rank_auc(self.outputs[:, i], self.targets[:, i] == 1)
                cells.append((name, optional(auc), str(int(self.targets[:, i].sum()))))
            return lay_out_rates(columns, cells, layout)
        figures = (Column(name, is_number=True) for name in ("MAE", "MAE of always the median"))
        for i, name in enumerate(self.names):
            truth = self.targets[:, i]
            mae = np.abs(self.outputs[:, i] - truth).mean()
            cells.append((name, f"{mae:.4g}", f"{np.abs(np.median(truth) - truth).mean():.4g}"))
        return lay_out_rates((Column("target", may_cut=True), *figures), cells, layout)


@dataclass(frozen=True, eq=False)
class FineTuning(WithMistakes):
    """What `fine_tune` returns.

    Attributes:
        model: The model of the best epoch. `save` writes it, with its names and preprocessing.
        best_epoch: The number of this epoch; 0 is the head that was solved, before any training.
        validation: How this epoch did on the photographs for validation; with folds, how the best epochs of
            all folds did, each on the photographs that it was not trained on.
        history: The figures of each epoch, from epoch 0 on; NaN where there is none. With folds, of the last
            training, on all photographs.
        folds: The figures of the best epoch of each fold; none without folds.
        ended_by: Why training ended before the last epoch; "" if it did not.
        failures: What could not be read, where `on_error="skip"`.
        notes: What was left out of the folders, and what looked odd, as the warnings said.
    """

    model: Model
    best_epoch: int
    validation: Validation
    history: History = field(repr=False)
    folds: list[Figures] = field(repr=False)
    ended_by: str
    failures: list[Failure]
    notes: list[str]

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        lines = [self._headline()]
        if self.folds:
            lines.append(f"{count_of(len(self.folds), 'fold')}: {self._describe_folds()}")
        if self.ended_by:
            lines.append(f"ended early: {self.ended_by}")
        lines = [part for line in lines for part in wrap(line, layout)]
        return "\n".join([*lines, "", *self.validation.lines(layout)])

    def _describe_folds(self) -> str:
        name = FIGURES[self.validation.task]
        values = [figures.value for figures in self.folds if figures.value is not None]
        if not values:  # labels that are all present, or all absent
            return f"{name} is defined in none"
        return (
            f"{name} {np.mean(values):.3f} on average, from {min(values):.3f} to {max(values):.3f}, "
            f"standard deviation {np.std(values):.3f}"
        )

    def plot(self) -> Figure:
        """Draw the curves with matplotlib, and mark the best epoch. See `xception.plot.history`.

        Raises:
            MissingPackageError: matplotlib is not installed: `pip install "xception[plots]"`.
        """
        from ... import plot  # a higher room

        return plot.history(self)

    def _headline(self) -> str:
        what = "validation, all folds together" if self.folds else "validation"
        if self.best_epoch:
            best = f"best epoch {self.best_epoch}"
        else:
            best = "best epoch 0, the solved head: training did not improve on it"
        return f"{best}; {what}: {self.validation.figures}"

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def __repr__(self) -> str:
        return f"<FineTuning: best epoch {self.best_epoch}, {self.validation.figures}>"


def validation_of(loop: Loop, preparation: Preparation) -> Validation:
    """Return the validation of a loop's best epoch.

    Args:
        loop: The loop, after training.
        preparation: The photographs.
    """
    assert loop.best_outputs is not None
    paths = [photograph.path for photograph in preparation.photographs]
    return Validation.of(loop.objective, loop.best_outputs, loop.split.validation, paths)


def history_of(rows: Sequence[Mapping[str, float | None]]) -> History:
    """Return the history of epochs, the first of which is epoch 0, from a row {name: value} for each."""
    history = History(shown_from=0)
    for epoch, row in enumerate(rows):
        history.append(epoch, {name: np.nan if value is None else value for name, value in row.items()})
    return history
