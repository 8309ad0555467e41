"""Files of a run: the model of the best epoch, the state that an interrupted run goes on from, and a log."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...data.atomic import check_writable
from ...data.failures import FailureLog
from ...data.locations import expect_local
from ...data.overwriting import path_key, refuse_overwriting
from ...kernels import Array
from ...layers import BatchNormalization
from ...models.model import Model
from ..callbacks.csv_log import CSVLogger
from .loop import Loop
from .messages import Console
from .preparation import Preparation
from .report import FineTuning, Validation, history_of, validation_of

SUFFIX, RUN_SUFFIX = ".keras", ".run.keras"


class RunFiles:
    """Writes the files of a run.

    Args:
        output: The model. None for no files; in a resumed run, for the file beside its state.
        resume: The state from which the run resumes; None for a new run.
        log: The CSV file; None for none.
        has_state: Whether the state is written after each epoch.

    Attributes:
        output: Where the model is written; None for nowhere.
        state: Where the state is written; None for nowhere.

    Raises:
        ValueError: A name has another suffix.
        OSError: A file cannot be written.
    """

    def __init__(
        self,
        output: str | os.PathLike[str] | None,
        resume: str | os.PathLike[str] | None,
        log: str | os.PathLike[str] | None,
        has_state: bool = True,
    ) -> None:
        self._former_path = None if resume is None else model_beside(resume)
        output = self._former_path if output is None else output
        self.output = None if output is None else expect_local(output)
        self.state: Path | None = None
        if self.output is not None:
            name = self.output.name
            if not name.endswith(SUFFIX) or name.endswith(RUN_SUFFIX):
                raise ValueError(
                    f"{name}: expected a name that ends in {SUFFIX}; {RUN_SUFFIX} is the ending of the "
                    "file beside it, from which a run goes on"
                )
            check_writable(self.output)
            if has_state:
                self.state = self.output.with_name(name.removesuffix(SUFFIX) + RUN_SUFFIX)
                check_writable(self.state)
        self._log = None if log is None else CSVLogger(log, append=resume is not None)
        if self._log is not None:
            self._log.check([])
            own = [path for path in (self.output, self.state, resume) if path is not None]
            refuse_overwriting(self._log.path, own, "a file of the run")
        former = self._former_path
        self._is_elsewhere = former is not None and path_key(former) != path_key(self.output or former)

    def check_inputs(self, inputs: Sequence[object]) -> None:
        """Check that no file would be written over what the run reads: photographs, labels, a model.

        Args:
            inputs: What is read; all that is no path is passed over.

        Raises:
            ValueError: One of them would be.
        """
        for path in (self.output, self.state, None if self._log is None else self._log.path):
            if path is not None and path.exists():
                refuse_overwriting(path, inputs, "read by the run")

    def on_resume(self, loop: Loop, preparation: Preparation) -> None:
        """Write the files of a resumed run that goes on under another name."""
        former = loop.former_best
        if self._is_elsewhere and self.output is not None and former is not None:
            if former.model is not None:
                former.model.save(self.output)
            self.on_pause(loop, preparation)

    def describe_keras_limits(self, loop: Loop) -> str | None:
        """Return a note on what Keras 3 would ignore in the state; None if nothing, or without a state."""
        nodes = loop.run.model.graph.nodes
        is_normalized = any(
            isinstance(nodes[node].frame_layer, BatchNormalization) for node in loop.run.variables.by_node
        )
        unknown = [
            *loop.run.optimizer.settings_unknown_to_keras(),
            *loop.run.loss.settings_unknown_to_keras(),
            *(["frozen statistics"] if is_normalized and not loop.settings.uses_batch_statistics else []),
            *(["class weights"] if loop.class_weights else []),
            *(["stages"] if len(loop.settings.stages) > 1 else []),
        ]
        if self.state is None or not unknown:
            return None
        return f"{self.state.name}: Keras can go on training from it, but ignores {', '.join(unknown)}"

    def on_best(self, loop: Loop) -> None:
        """Write the model."""
        if self.output is not None:
            loop.finished_model().save(self.output)

    def on_epoch_end(self, loop: Loop) -> None:
        """Write a line of the log."""
        if self._log is not None:
            row = loop.position.history[-1]
            figures: dict[str, Any] = {name: "NA" if value is None else value for name, value in row.items()}
            self._log.on_epoch_end(loop.position.epoch, figures)

    def on_pause(self, loop: Loop, preparation: Preparation) -> None:
        """Write the state."""
        if self.state is not None:
            write_state(self.state, loop, preparation)

    def finish(
        self,
        loop: Loop,
        preparation: Preparation,
        failures: FailureLog,
        console: Console,
        validation: Validation | None = None,
        folds: Sequence[Any] = (),
    ) -> FineTuning:
        """Return the result of a run, and say where the files are."""
        position = loop.position
        if loop.ended_by == "interrupted" and self.state is not None:
            console.say(f"to go on: --resume {self.state}")
        model = loop.finished_model() if loop.best is not None else self._former_model(loop)
        return FineTuning(
            model, position.best_epoch, validation or validation_of(loop, preparation),
            history_of(position.history), list(folds), loop.ended_by, failures.failures, failures.notes,
        )  # fmt: skip

    def _former_model(self, loop: Loop) -> Model:
        """Return the model of the best epoch, which lies before the run was resumed."""
        former = loop.former_best
        if former is None or former.model is None:
            raise ValueError(
                f"{self._former_path}: expected the model of epoch {loop.position.best_epoch}, which is "
                "still the best one; put back the file that the run has written, or start anew"
            )
        return former.model


def model_beside(state: str | os.PathLike[str]) -> Path:
    """Return the path of the model that belongs to a state: "m.keras" for "m.run.keras".

    Raises:
        ValueError: The name is not that of a state.
    """
    path = expect_local(state)
    if not path.name.endswith(RUN_SUFFIX):
        raise ValueError(f"{path.name}: expected a file that ends in {RUN_SUFFIX}, as fine_tune writes it")
    return path.with_name(path.name.removesuffix(RUN_SUFFIX) + SUFFIX)


def write_state(path: Path, loop: Loop, preparation: Preparation) -> None:
    """Write the state of a run, with the parameters of its model.

    Args:
        path: The file.
        loop: The loop. The parameters of the run must have been written back.
        preparation: The photographs.
    """
    from ... import formats  # imports h5py

    model, objective = loop.run.model, loop.objective
    scaling = objective.scaling
    record = {
        "settings": loop.settings.to_dict(),
        "position": loop.position.to_dict(),
        "head": preparation.starting.head,
        "names": list(objective.names),
        "scaling": None if scaling is None else [scaling.center.tolist(), scaling.deviation.tolist()],
        "photographs": [preparation.digests[number] for number in preparation.readable.tolist()],
        "targets": targets_digest(objective.targets[preparation.readable]),
        "validation": sorted({preparation.digests[number] for number in loop.split.validation.tolist()}),
        "best": _best_digest(loop),
    }
    stored = formats.StoredModel(
        model.graph, model.parameters, model.network, model.class_names, model.preprocessing, model.task
    )
    formats.write_training(path, stored, loop.run.state(record))


def _best_digest(loop: Loop) -> str | None:
    if loop.best is not None:
        return parameters_digest(loop.finished_model())
    return loop.former_best.digest if loop.former_best is not None else None


def targets_digest(targets: Array) -> str:
    """Return a digest of what photographs teach: targets (n, c)."""
    return hashlib.blake2b(np.ascontiguousarray(targets, np.float64).data, digest_size=16).hexdigest()


def parameters_digest(model: Model) -> str:
    """Return a digest of a model's parameters."""
    digest = hashlib.blake2b(digest_size=16)
    for node in sorted(model.graph.nodes):  # a file may list them in another order
        for name, array in sorted(model.parameters.get(node, {}).items()):
            digest.update(f"{node}/{name}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
