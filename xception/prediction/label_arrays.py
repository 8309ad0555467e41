"""Labels and targets of photographs as an array: from a table, a 0/1 array, numbers, or lists of names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.class_names import ClassNames
from ..data.failures import FailureLog
from ..data.label_tables import LabelTable, TableTask, read_label_table
from ..data.locations import is_folder
from ..data.photographs import Photograph, find_photographs, list_files
from .labels import check_count, match_labels

if TYPE_CHECKING:
    from ..data.photographs import ImagesLike

#: What a message says that labels should be.
EXPECTED = {
    "labels": "the labels of each photograph: a .csv file, an array (n, labels) of 0 and 1, or a list with "
    "the names of each photograph's labels",
    "regression": "the numbers of each photograph: a .csv file, or an array (n,) or (n, targets)",
}


def list_label_arrays(
    images: ImagesLike, labels: Any, task: TableTask, class_names: ClassNames, log: FailureLog
) -> tuple[Iterable[Photograph], NDArray[np.float64]]:
    """List photographs, and the labels or targets of each.

    Args:
        images: The photographs, as `evaluate` takes them.
        labels: What `EXPECTED` says.
        task: What the model's outputs mean.
        class_names: (class id, class name) of each label or target of the model.
        log: Records patterns without photographs.

    Returns:
        The photographs, and (n, c) float64 in the order of the model's outputs.

    Raises:
        TypeError: `labels` is of another type.
        ValueError: There are no labels, too few or too many, or some that the model does not have.
    """
    if labels is None:
        raise ValueError(f"the task of this model is {task!r}: give {EXPECTED[task]} (--labels)")
    if isinstance(labels, str | os.PathLike):
        table = _read_table(images, labels, task)
        return list_files(table.paths), arrange_columns(table, class_names)
    if isinstance(images, str | os.PathLike) and is_folder(images):
        raise ValueError(
            f"{os.fspath(images)}: a list of labels goes with a list of photographs; those in a folder need "
            "a .csv file"
        )
    values = as_label_array(labels, task, class_names)
    return check_count(find_photographs(images, log), len(values)), values


def _read_table(images: ImagesLike, labels: str | os.PathLike[str], task: TableTask) -> LabelTable:
    if not isinstance(images, str | os.PathLike) or not is_folder(images):
        raise ValueError(
            f"{os.fspath(labels)}: a .csv file lists the photographs of a folder; give the folder as the "
            "images"
        )
    return read_label_table(labels, task, root=images)


def arrange_columns(table: LabelTable, class_names: ClassNames) -> NDArray[np.float64]:
    """Return the columns (n, c) of a table in the order of a model's labels or targets.

    Raises:
        ValueError: A column stands for none of them, or one of them has no column.
    """
    order = match_labels(table.names, class_names)
    repeated = [class_names[index][1] for index in sorted(set(order)) if order.count(index) > 1]
    if repeated:
        raise ValueError(f"several columns stand for {', '.join(map(repr, repeated))}")
    missing = [name for index, (_, name) in enumerate(class_names) if index not in order]
    if missing:
        raise ValueError(f"the table has no column for {', '.join(map(repr, missing[:10]))}")
    arranged = np.empty_like(table.values)
    arranged[:, order] = table.values
    return arranged


def as_label_array(labels: Any, task: TableTask, class_names: ClassNames) -> NDArray[np.float64]:
    """Convert labels or targets from Python to an array (n, c).

    Args:
        labels: An array, or a list with the names of each photograph's labels.
        task: What they are.
        class_names: (class id, class name) of each label or target of the model.

    Raises:
        TypeError: They are something else.
        ValueError: They have another shape, an unknown name, or a value that is not 0 or 1, or not finite.
    """
    if isinstance(labels, bytes) or not isinstance(labels, Iterable):
        raise TypeError(f"expected {EXPECTED[task]}; got {type(labels).__name__}")
    rows = labels if isinstance(labels, np.ndarray) else list(labels)
    if task == "labels" and isinstance(rows, list) and any(_names_labels(row) for row in rows):
        return _from_names(rows, class_names)
    try:
        values = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"expected {EXPECTED[task]}; got {rows!r:.80}") from None
    if values.ndim == 1 and len(class_names) == 1:
        values = values[:, np.newaxis]  # (n,) -> (n, 1)
    if values.ndim != 2 or values.shape[1] != len(class_names):
        raise ValueError(f"expected {EXPECTED[task]}, with {len(class_names)} columns; got {values.shape}")
    wrong = values[~np.isfinite(values) if task == "regression" else (values != 0) & (values != 1)]
    if wrong.size:
        expected = "finite numbers" if task == "regression" else "0 or 1"
        raise ValueError(f"expected {expected} for each photograph, got {wrong[0]:g}")
    return values


def _names_labels(row: Any) -> bool:
    """Return True for a list of names, or an empty list."""
    is_list = isinstance(row, list | tuple | set | frozenset)
    return isinstance(row, str) or (is_list and all(isinstance(name, str) for name in row))


def _from_names(rows: list[Any], class_names: ClassNames) -> NDArray[np.float64]:
    values = np.zeros((len(rows), len(class_names)))
    for position, row in enumerate(rows):
        if isinstance(row, str) or not _names_labels(row):
            raise TypeError(
                f"expected a list of names for each photograph, got {row!r:.80} for number {position}"
            )
        values[position, match_labels(sorted(row), class_names)] = 1
    return values
