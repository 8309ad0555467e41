"""Tasks that a model is trained for: classes, labels or regression."""

from __future__ import annotations

from typing import Literal, get_args

from .preprocessing import check_option

#: What the outputs of a model mean. "classes": one score for each class, of which one is right. "labels": one
#: score for each label, any number of which are right. "regression": numbers in the unit of the target.
Task = Literal["classes", "labels", "regression"]

TASKS: tuple[Task, ...] = get_args(Task)


def check_task(task: object) -> None:
    """Raise ValueError unless `task` is one of `TASKS`, or None."""
    if task is not None:
        check_option("task", task, TASKS)
