"""Photographs of a run and their targets: classes by folder or list, labels and numbers by table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...console.text import list_some
from ...data.class_names import as_class_names, check_printable
from ...data.failures import FailureLog
from ...data.label_tables import read_label_table
from ...data.locations import is_folder
from ...data.photographs import Photograph, find_photographs, list_files
from ...prediction.labels import check_count, list_labels
from ..transfer import labelled_by_folder
from .settings import Settings
from .task_objective import Objective, check_weights

if TYPE_CHECKING:
    from ...data.photographs import ImagesLike

MAX_NAMES = 12  #: classes that a message lists


def label_run(
    images: ImagesLike, labels: Any, settings: Settings, log: FailureLog
) -> tuple[list[Photograph], Objective]:
    """List the photographs of a run, and their targets.

    Args:
        images: See `fine_tune`.
        labels: See `fine_tune`.
        settings: The settings.
        log: Records what cannot be read or is left out.

    Returns:
        The photographs, and the objective.

    Raises:
        TypeError: As for `fine_tune`.
        ValueError: As for `fine_tune`.
    """
    if settings.task == "classes":
        photographs, names = _classes(images, labels, log)
        listed = tuple(sorted(set(names)))
        check_printable(as_class_names(list(listed)))
        index = {name: i for i, name in enumerate(listed)}
        targets = np.zeros((len(names), len(listed)))
        targets[np.arange(len(names)), [index[name] for name in names]] = 1
        if listed and all(name.isdecimal() for name in listed):
            log.note(
                f"all classes are numbers, sorted as text: {list_some(listed, MAX_NAMES)}; the model stores "
                "the names"
            )
    else:
        photographs, listed, targets = _table(images, labels, settings, log)
    check_weights(settings.class_weight, listed, settings.task)
    objective = Objective(
        settings.task, listed, targets, settings.balanced, settings.class_weight, settings.label_smoothing
    )
    return photographs, objective


def _classes(
    images: ImagesLike, labels: Iterable[str | int] | os.PathLike[str] | None, log: FailureLog
) -> tuple[list[Photograph], list[str]]:
    """Return the photographs, and the name of the class of each."""
    if labels is None:
        photographs = labelled_by_folder(images, log)
        return photographs, [photograph.label for photograph in photographs]
    if isinstance(labels, str | os.PathLike):
        raise ValueError(
            "labels in a file need the task 'labels' or 'regression' (--task); for classes, give a folder "
            "with a sub-folder of photographs for each class, or in Python a list of classes"
        )
    names = [str(label) for label in list_labels(labels, images)]
    counts = Counter(names)
    if len(counts) < 2:
        raise ValueError(f"a classifier needs at least two classes, got {', '.join(counts) or 'none'}")
    return list(check_count(find_photographs(images, log), len(names))), names


def _table(
    images: ImagesLike, labels: Any, settings: Settings, log: FailureLog
) -> tuple[list[Photograph], tuple[str, ...], Any]:
    """Return the photographs, the names of labels or targets, and the numbers (n, c)."""
    if labels is None:
        raise ValueError(
            f"the task {settings.task!r} needs labels: a CSV file (--labels FILE.csv), or in Python also a "
            "dict with a column for each name"
        )
    if isinstance(labels, str | os.PathLike):
        assert settings.task != "classes"
        is_root = isinstance(images, str | os.PathLike) and is_folder(images)
        if not is_root:
            raise ValueError(
                "a file of labels needs a folder as images, to which its paths are relative; got "
                f"{type(images).__name__}"
            )
        table = read_label_table(labels, settings.task, cast(str, images))
        return list(list_files(table.paths)), table.names, table.values
    if isinstance(labels, Mapping):
        columns = {str(name): np.asarray(column, np.float64) for name, column in labels.items()}
        names: tuple[str, ...] = tuple(columns)
        sizes = {column.shape for column in columns.values()}
        if len(sizes) != 1 or len(next(iter(sizes))) != 1:
            raise ValueError(
                "labels must be a dict of columns of equal length, one number for each photograph"
            )
        targets = np.stack(list(columns.values()), axis=1)
        photographs: Sequence[Photograph] = list(check_count(find_photographs(images, log), len(targets)))
    else:
        raise TypeError(f"labels must be a dict of columns by name, got {type(labels).__name__}")
    if not np.isfinite(targets).all():
        row, column = np.argwhere(~np.isfinite(targets))[0]
        raise ValueError(f"{names[column]} of photograph {row} is {targets[row, column]}, expected a number")
    if settings.task == "labels" and not np.isin(targets, (0, 1)).all():
        row, column = np.argwhere(~np.isin(targets, (0, 1)))[0]
        raise ValueError(f"{names[column]} of photograph {row} is {targets[row, column]:g}, expected 0 or 1")
    check_printable(as_class_names(list(names)))
    return list(photographs), names, targets
