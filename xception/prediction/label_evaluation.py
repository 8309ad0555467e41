"""Evaluation of a model that gives several labels at once: how well each label is told apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..console.html import preformatted
from ..console.tables import Column, lay_out_facts
from ..console.text_layout import PLAIN, TextLayout
from ..data.class_names import ClassNames
from ..data.failures import Failure
from .pictured import WithMistakes
from .rates import rank_auc
from .report import lay_out_rates, mistake_table, optional, share


class LabelMetrics(NamedTuple):
    """Counts and rates of one label.

    Attributes:
        class_id: Its id.
        class_name: Its name.
        support: Photographs that have the label.
        predicted: Photographs that it was predicted for: those whose score reaches the threshold.
        correct: Photographs that have it and that it was predicted for.
        precision: correct / predicted; None if it was predicted for none.
        recall: correct / support; None if no photograph has it.
        auc: The area under the ROC curve; None if no photograph has it, or all have.
    """

    class_id: str
    class_name: str
    support: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    auc: float | None


@dataclass(frozen=True)
class LabelMistake:
    """A label that was predicted for a photograph without it, or was not predicted for one with it.

    Attributes:
        path: The photograph's path; None if it did not come from a file.
        index: Its position among the photographs that were given, from 0.
        class_name: The label.
        has_label: Whether the photograph has it.
        score: The label's score.
    """

    path: str | None
    index: int
    class_name: str
    has_label: bool
    score: float


@dataclass(frozen=True, eq=False)
class LabelEvaluation(WithMistakes):
    """What `xception.evaluate` returns for a model whose task is "labels", for n photographs and c labels.

    There is no accuracy: with many labels, of which a photograph has few, it is high for a model that
    predicts none.

    Attributes:
        class_names: (class id, class name) of each label that the model knows.
        labels: (n, c) whether each photograph has each label.
        scores: (n, c) float32.
        threshold: The score from which on a label is predicted.
        paths: The path of each photograph; None for those that did not come from a file.
        indices: The position of each among the photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`.
    """

    class_names: ClassNames = field(repr=False)
    labels: NDArray[np.bool_] = field(repr=False)
    scores: NDArray[np.float32] = field(repr=False)
    threshold: float
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    failures: list[Failure]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"<LabelEvaluation: mean AUC {optional(self.mean_auc)} on {len(self)} photographs, "
            f"{len(self.failures)} failures>"
        )

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        rows = self.per_label
        defined = sum(row.auc is not None for row in rows)
        figures = [
            ("photographs", str(len(self))),
            ("mean AUC", f"{layout.spell(optional(self.mean_auc))}, of {defined} of {len(rows)} labels"),
            ("threshold", f"{self.threshold:g}"),
        ]
        columns = (Column("label", may_cut=True), *map(Column, ("AUC", "precision", "recall")))
        table = [
            (row.class_name, optional(row.auc), share(row.correct, row.predicted),
             share(row.correct, row.support))
            for row in rows
        ]  # fmt: skip
        lines = [*lay_out_facts(figures, layout), "", *lay_out_rates(columns, table, layout)]
        mistakes = [
            (m.score, m.path or f"photograph {m.index}",
             f"{m.class_name}: {'has it' if m.has_label else 'does not have it'}")
            for m in self.mistakes()
        ]  # fmt: skip
        if mistakes:
            lines += ["", "most confident mistakes", *mistake_table(mistakes, layout)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """(n, c) whether each label is predicted for each photograph."""
        reached: NDArray[np.bool_] = self.scores >= np.float32(self.threshold)
        return reached

    @property
    def mean_auc(self) -> float | None:
        """The mean area under the ROC curve of the labels that have one; None if none has."""
        areas = [metrics.auc for metrics in self.per_label if metrics.auc is not None]
        return float(np.mean(areas)) if areas else None

    @property
    def per_label(self) -> list[LabelMetrics]:
        """Area under the ROC curve, precision, recall, and counts of each label."""
        predicted = self.predicted
        columns = zip(
            self.class_names, self.labels.sum(axis=0).tolist(), predicted.sum(axis=0).tolist(),
            (self.labels & predicted).sum(axis=0).tolist(), self.scores.T, self.labels.T, strict=True,
        )  # fmt: skip
        return [
            LabelMetrics(
                id_, name, s, p, r, r / p if p else None, r / s if s else None, rank_auc(scores, labels)
            )
            for (id_, name), s, p, r, scores, labels in columns
        ]

    def mistakes(self, count: int = 10) -> list[LabelMistake]:
        """Return the `count` wrong answers whose scores are farthest from the truth, farthest first."""
        distance = np.where(self.predicted != self.labels, np.abs(self.labels - self.scores), -1).ravel()
        order = np.argsort(-distance, kind="stable")[:count]
        mistakes = []
        for position in order[distance[order] >= 0].tolist():
            row, label = divmod(position, len(self.class_names))
            mistakes.append(
                LabelMistake(
                    self.paths[row], self.indices[row], self.class_names[label][1],
                    bool(self.labels[row, label]), float(self.scores[row, label]),
                )
            )  # fmt: skip
        return mistakes

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as a dict that JSON can hold; undefined ones are None."""
        return {
            "task": "labels",
            "photographs": len(self),
            "mean_auc": self.mean_auc,
            "threshold": self.threshold,
            "per_label": [metrics._asdict() for metrics in self.per_label],
            "mistakes": [asdict(mistake) for mistake in self.mistakes()],
            "failures": [{"path": failure.path, "error": str(failure)} for failure in self.failures],
        }
