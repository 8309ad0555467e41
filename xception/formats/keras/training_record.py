"""The training record in a `.keras` archive: `xception.json`.

It holds what is needed to use a model correctly, and has no place in Keras's own members:

    {
        "version": 1,
        "class_names": [["n01440764", "tench"], …],
        "preprocessing": {"scaling": "tf", "interpolation": "bilinear", "from_logits": false},
        "task": "classes",
        "training": {"epoch": 7, …}
    }

Only the file of a run, from which training goes on, has "training". All keys but the version are optional,
and unknown keys are ignored, so that files of later versions can hold more. The version rises only when older
readers would misread a file. Keras ignores the member. Version 0.1 of this library wrote `labels.json`
instead, with class names only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...data.class_names import ClassNames, as_class_names, check_printable
from ...data.preprocessing import Preprocessing
from ...data.tasks import Task, check_task
from ...errors import ModelFileError
from ..limits import MAX_TEXT_BYTES

RECORD = "xception.json"
OLD_RECORD = "labels.json"  #: read if there is no RECORD
RECORD_ATTRIBUTE = "xception"  #: of a whole model in `.h5`, with the same content as RECORD
VERSION = 1


@dataclass(frozen=True)
class TrainingRecord:
    """The class names, the preprocessing and the task that a model was trained with.

    Attributes:
        class_names: (class id, class name) of each class; None if not recorded.
        preprocessing: How photographs become the model's input.
        task: What the outputs mean; None if not recorded.
        run: What a run of training needs in order to go on, as JSON can hold it; None in other files.
    """

    class_names: ClassNames | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    task: Task | None = None
    run: Mapping[str, Any] | None = None

    def to_json(self) -> str | None:
        """Return the content of `xception.json`; None if there is nothing to record.

        Raises:
            TypeError: `run` holds what JSON cannot.
            ValueError: The file could not be loaded: a class name has control characters, or the record is
                longer than `MAX_TEXT_BYTES`.
        """
        values: dict[str, Any] = {}
        if self.class_names is not None:
            check_printable(self.class_names)
            values["class_names"] = self.class_names
        if self.preprocessing != Preprocessing():
            values["preprocessing"] = self.preprocessing.to_dict()
        if self.task is not None:
            values["task"] = self.task
        if self.run is not None:
            values["training"] = self.run
        text = json.dumps({"version": VERSION} | values) if values else None
        if text is not None and len(text) > MAX_TEXT_BYTES:
            raise ValueError(f"the record has {len(text):,} bytes; at most {MAX_TEXT_BYTES:,} are read again")
        return text


def read_training_record(members: Mapping[str, Mapping[str, Any]], archive_name: str) -> TrainingRecord:
    """Read the training record of an archive.

    Args:
        members: The JSON objects in the archive by member name; RECORD and OLD_RECORD are looked up.
        archive_name: For messages.

    Returns:
        The record, empty if the archive has none.

    Raises:
        ModelFileError: The record is of a later version, or has a value that is not valid.
    """
    name = RECORD if RECORD in members else OLD_RECORD
    values = members.get(name, {})
    try:
        if name == RECORD:
            _check_version(values.get("version"))
            return TrainingRecord(
                _read_class_names(values, "class_names"),
                _read_preprocessing(values.get("preprocessing", {})),
                _read_task(values.get("task")),
                _read_run(values.get("training")),
            )
        if name in members:
            return TrainingRecord(_read_class_names({"labels": None} | dict(values), "labels"))
        return TrainingRecord()
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{archive_name}:{name}: {error}") from None


def _check_version(version: object) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"its version should be a positive integer, found {version!r}")
    if version > VERSION:
        raise ValueError(f"its version {version} is newer than {VERSION}; update xception")


def _read_class_names(values: Mapping[str, Any], key: str) -> ClassNames | None:
    if key not in values:
        return None
    listed = values[key]
    if not isinstance(listed, list):
        raise ValueError(f"{key!r} should be a list, found {type(listed).__name__}")
    class_names = as_class_names(listed)
    check_printable(class_names)
    return class_names


def _read_preprocessing(values: object) -> Preprocessing:
    if not isinstance(values, dict):
        raise ValueError(f"'preprocessing' should be an object, found {type(values).__name__}")
    return Preprocessing.from_dict(values)


def _read_task(task: Any) -> Task | None:
    check_task(task)
    return task


def _read_run(run: Any) -> dict[str, Any] | None:
    if not isinstance(run, dict | None):
        raise ValueError(f"'training' should be an object, found {type(run).__name__}")
    return run
