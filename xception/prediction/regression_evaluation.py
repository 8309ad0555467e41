"""Evaluation of a regression: how far its numbers are from the right ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..console.html import preformatted
from ..console.tables import Column, lay_out_table
from ..console.text_layout import PLAIN, TextLayout
from ..data.class_names import ClassNames
from ..data.failures import Failure
from .pictured import WithMistakes


class TargetMetrics(NamedTuple):
    """Errors of one target, in its own unit.

    Attributes:
        name: Its name.
        mae: The mean absolute error.
        median_mae: The mean absolute error of always answering with the median of these photographs.
        rmse: The root of the mean squared error.
        mean_error: The mean of predicted − right: above 0 if the model answers too high.
    """

    name: str
    mae: float
    median_mae: float
    rmse: float
    mean_error: float


@dataclass(frozen=True)
class NumberError:
    """A number that is far from the right one.

    Attributes:
        path: The photograph's path; None if it did not come from a file.
        index: Its position among the photographs that were given, from 0.
        name: The target.
        target: The right number.
        predicted: The model's.
    """

    path: str | None
    index: int
    name: str
    target: float
    predicted: float


@dataclass(frozen=True, eq=False)
class RegressionEvaluation(WithMistakes):
    """What `xception.evaluate` returns for a model whose task is "regression", for n photographs, c targets.

    Attributes:
        class_names: (id, name) of each target.
        targets: (n, c) float64, the right numbers.
        predicted: (n, c) float32, the model's.
        paths: The path of each photograph; None for those that did not come from a file.
        indices: The position of each among the photographs that were given, from 0.
        failures: What could not be read, where `on_error="skip"`.
    """

    class_names: ClassNames = field(repr=False)
    targets: NDArray[np.float64] = field(repr=False)
    predicted: NDArray[np.float32] = field(repr=False)
    paths: list[str | None] = field(repr=False)
    indices: list[int] = field(repr=False)
    failures: list[Failure]

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        errors = ", ".join(f"{metrics.name} {metrics.mae:.4g}" for metrics in self.per_target)
        return (
            f"<RegressionEvaluation: MAE {errors} on {len(self)} photographs, {len(self.failures)} failures>"
        )

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        figures = ("MAE", "always the median", "RMSE", "mean error")
        columns = (Column("target", may_cut=True), *(Column(name, is_number=True) for name in figures))
        table = [
            (name, f"{mae:.4g}", f"{median_mae:.4g}", f"{rmse:.4g}", f"{mean_error:.4g}")
            for name, mae, median_mae, rmse, mean_error in self.per_target
        ]
        errors = [
            (e.path or f"photograph {e.index}", f"({e.name}: {e.target:.4g}, predicted {e.predicted:.4g})")
            for e in self.largest_errors()
        ]
        lines = [f"photographs  {len(self)}", "", *lay_out_table(columns, table, layout)]
        if errors:
            lines += ["", "largest errors"]
            lines += lay_out_table((Column(may_cut=True), Column()), errors, layout, indent=2)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    @property
    def per_target(self) -> list[TargetMetrics]:
        """The errors of each target."""
        error = self.predicted - self.targets  # (n, c) float64
        columns = zip(self.class_names, error.T, self.targets.T, strict=True)
        return [
            TargetMetrics(
                name, float(np.abs(e).mean()), float(np.abs(np.median(t) - t).mean()),
                float(np.sqrt((e**2).mean())), float(e.mean()),
            )
            for (_, name), e, t in columns
        ]  # fmt: skip

    def largest_errors(self, count: int = 10) -> list[NumberError]:
        """Return the `count` largest errors, relative to how much their target varies, largest first.

        Predictions that are exact are not among them.
        """
        spread = self.targets.std(axis=0)
        error = (np.abs(self.predicted - self.targets) / np.where(spread > 0, spread, 1)).ravel()
        errors = []
        largest = np.argsort(-error, kind="stable")[:count]
        for position in largest[error[largest] != 0].tolist():
            row, target = divmod(position, len(self.class_names))
            errors.append(
                NumberError(
                    self.paths[row], self.indices[row], self.class_names[target][1],
                    float(self.targets[row, target]), float(self.predicted[row, target]),
                )
            )  # fmt: skip
        return errors

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as a dict that JSON can hold."""
        return {
            "task": "regression",
            "photographs": len(self),
            "per_target": [metrics._asdict() for metrics in self.per_target],
            "largest_errors": [asdict(error) for error in self.largest_errors()],
            "failures": [{"path": failure.path, "error": str(failure)} for failure in self.failures],
        }
