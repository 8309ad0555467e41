"""Division of the photographs of a run into those that train and those that validate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...data.failures import FailureLog
from ..splitting import validation
from ..splitting.grouping import Groups, list_groups
from ..splitting.joining import Units, join_photographs
from .loop import RunSplit
from .preparation import Preparation
from .settings import Settings


def divide(preparation: Preparation, settings: Settings, groups: Groups | None, log: FailureLog) -> RunSplit:
    """Choose the photographs that validate.

    Args:
        preparation: The photographs, with features that show near copies.
        settings: The settings.
        groups: See `fine_tune`.
        log: Records notes for the user.

    Raises:
        ValueError: A class cannot be on both sides.
    """
    units = _join(preparation, groups)
    strata, names = _strata(preparation)
    split = validation.split_validation(units, strata, settings.validation, settings.seed, names)
    return _as_split(preparation, split, log)


def divide_into_folds(
    preparation: Preparation, folds: int, settings: Settings, groups: Groups | None, log: FailureLog
) -> list[RunSplit]:
    """Divide the photographs into folds, each of which validates once.

    Args:
        preparation: As for `divide`.
        folds: Their number.
        settings: As for `divide`.
        groups: As for `divide`.
        log: As for `divide`.

    Raises:
        ValueError: There are too few photographs of a class.
    """
    units = _join(preparation, groups)
    strata, names = _strata(preparation)
    splits = validation.split_folds(units, strata, folds, settings.seed, names)
    return [_as_split(preparation, split, log) for split in splits]


def _join(preparation: Preparation, groups: Groups | None) -> Units:
    photographs, numbers = preparation.photographs, preparation.readable
    objective = preparation.objective
    if groups is not None and not callable(groups):
        by_number = list_groups(groups, [photograph.path for photograph in photographs])
        groups = [by_number[number] for number in numbers]
    labels = [objective.names[i] for i in objective.indices[numbers]] if objective.task == "classes" else None
    return join_photographs(
        [preparation.digests[number] for number in numbers.tolist()],
        [photographs[number].path for number in numbers.tolist()],
        labels, preparation.features[numbers], groups,
    )  # fmt: skip


def _strata(preparation: Preparation) -> tuple[Any, Sequence[str] | None]:
    """Return what splits are stratified by, and the names of the strata that must be on both sides."""
    objective, numbers = preparation.objective, preparation.readable
    if objective.task == "classes":
        return objective.indices[numbers], objective.names
    if objective.task == "labels":
        return objective.targets[numbers] == 1, objective.names
    return validation.bin_targets(objective.targets[numbers, 0]), None  # by the first target


def _as_split(preparation: Preparation, split: validation.Split, log: FailureLog) -> RunSplit:
    for note in split.notes:
        log.note(note)
    numbers, chosen = preparation.readable, np.asarray(split.is_validation)
    return RunSplit(numbers[~chosen], numbers[chosen])
