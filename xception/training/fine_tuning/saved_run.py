"""State of an interrupted run, read from its file and checked, and the loop that goes on from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...console.text import list_some
from ...data.locations import expect_local
from ...errors import ModelFileError, printable
from ...kernels import Array
from ...models.factory import load_model
from ...models.model import Model
from ..regression.ridge_regression import TargetScaling
from .loop import FormerBest, Loop, RunSplit
from .position import Position
from .preparation import Preparation
from .run_file import model_beside, parameters_digest, targets_digest
from .session import make_loop
from .settings import Settings
from .starting_model import StartingModel
from .task_objective import Objective

MAX_NAMES = 20  #: classes that a message lists


@dataclass(frozen=True, eq=False)
class SavedRun:
    """The state of an interrupted run, as its file holds it.

    Attributes:
        path: The file.
        model: The model of the last epoch.
        settings: The settings.
        record: What the file says of the run.
        state: The state of the optimizer.
        position: How far the run has come.
        best: Its best epoch, whose model lies beside the state.
    """

    path: Path
    model: Model
    settings: Settings
    record: Mapping[str, Any]
    state: Any
    position: Position
    best: FormerBest

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SavedRun:
        """Read a state.

        Args:
            path: The file.

        Raises:
            ModelFileError: It is damaged, or not that of a run of `fine_tune`.
            OSError: It cannot be read.
        """
        from ... import formats  # imports h5py

        location = expect_local(path)
        model_beside(location)  # or an error, if the name is that of the model
        stored, state = formats.read_training(location)
        record = state.run
        model = Model(
            stored.graph, stored.parameters, stored.network, stored.class_names, stored.preprocessing,
            task=stored.task,
        )  # fmt: skip
        try:
            if not isinstance(record.get("settings"), Mapping):
                raise ValueError("it is not of a run of fine_tune")
            settings = Settings.from_dict(record["settings"])
            _check_record(record, model)
            position = Position.from_dict(settings.task, record.get("position", {}))
            # At the end of a stage, the next one has not begun yet.
            expected = [settings.stage_of(position.epoch), settings.stage_of(position.epoch + 1)]
            if position.stage not in expected:
                raise ValueError(f"{position.epoch} epochs do not end in stage {position.stage + 1}")
        except (TypeError, ValueError) as error:
            raise ModelFileError(printable(f"{location.name}: cannot be resumed: {error}")) from None
        former = load_model(model_beside(location))
        # A run that was killed may have written the model of an epoch that its state does not know.
        is_best = parameters_digest(former) == record["best"]
        best = FormerBest(record["best"], former if is_best else None)
        return cls(location, model, settings, record, state, position, best)

    def starting_model(self, objective: Objective) -> StartingModel:
        """Return the model to prepare with, whose frozen part is that of the run.

        Args:
            objective: The targets of the photographs that were given.

        Raises:
            ValueError: They have other classes, labels or targets than the run.
        """
        if list(objective.names) != self.record["names"]:
            raise ValueError(printable(
                f"{self.path.name}: was trained on {list_some(self.record['names'], MAX_NAMES)}; the "
                f"photographs have {list_some(objective.names, MAX_NAMES)}"
            ))  # fmt: skip
        head = self.record["head"]
        return StartingModel(self.model, head, self.model.graph.nodes[head].inputs[0])

    def resume(self, preparation: Preparation) -> Loop:
        """Return the loop where it was interrupted.

        Args:
            preparation: The photographs, which must be those of the run.

        Raises:
            ValueError: They are other photographs.
            ModelFileError: The state does not fit the model.
        """
        split = self._split(preparation)
        objective, scaling = preparation.objective, self.record["scaling"]
        if targets_digest(objective.targets[preparation.readable]) != self.record["targets"]:
            raise ValueError(
                f"{self.path.name}: is of a run with other labels or targets for some of these photographs. "
                "It can only be resumed with the same ones"
            )
        if scaling is not None:
            center, deviation = (np.asarray(values, np.float64) for values in scaling)
            objective = replace(objective, scaling=TargetScaling(center, deviation))
        loop = make_loop(preparation, split, self.settings, objective, self.model, self.position)
        if self.position.batch > loop.steps_per_epoch:
            raise ModelFileError(
                f"{self.path.name}: cannot be resumed: it has done {self.position.batch} batches of an epoch "
                f"of {loop.steps_per_epoch}"
            )
        try:
            loop.run.restore(self.state)
        except ValueError as error:
            raise ModelFileError(f"{self.path.name}: cannot be resumed: {error}") from None
        loop.adopt_best(self.best)
        return loop

    def _split(self, preparation: Preparation) -> RunSplit:
        numbers = preparation.readable.tolist()
        digests = [preparation.digests[number] for number in numbers]
        recorded = self.record["photographs"]
        if digests != recorded:
            new, gone = len(set(digests) - set(recorded)), len(set(recorded) - set(digests))
            change = f"{new} are new, and {gone} are missing" if new or gone else "they are in another order"
            raise ValueError(
                f"{self.path.name}: is of a run on {len(recorded)} other photographs: {change}. It can only "
                "be resumed on the same ones"
            )
        validation = set(self.record["validation"])
        is_validation = np.array([digest in validation for digest in digests])
        if is_validation.all() or not is_validation.any():
            raise ModelFileError(
                f"{self.path.name}: cannot be resumed: it should say which photographs validate, and "
                f"{int(is_validation.sum())} of {len(digests)} do"
            )
        return RunSplit(preparation.readable[~is_validation], preparation.readable[is_validation])


def _check_record(record: Mapping[str, Any], model: Model) -> None:
    """Raise ValueError unless a record, from a file, has what resuming needs."""
    for key in ("photographs", "validation", "names"):
        values = record.get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"{key} should be a list of texts")
    if missing := {"scaling", "best", "position", "targets"} - record.keys():
        raise ValueError(f"{', '.join(sorted(missing))} should be in it")
    head = record.get("head")
    if (
        not isinstance(head, str)
        or head not in model.graph.nodes
        or "kernel" not in model.parameters.get(head, {})
    ):
        raise ValueError("its head is no layer of the model")
    if not isinstance(record.get("best"), str | None):
        raise ValueError("the digest of the best model should be a text")
    units = model.parameters[head]["kernel"].shape[-1]
    scaling: Any = record.get("scaling")
    if scaling is not None:
        values = _as_numbers(scaling)
        if values.shape != (2, units) or not np.isfinite(values).all() or (values[1] <= 0).any():
            raise ValueError("scaling should be the means and deviations of the targets")
    if len(record["names"]) != units:
        raise ValueError(f"{len(record['names'])} names do not fit {units} outputs")


def _as_numbers(values: object) -> Array:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("scaling should be numbers") from None
