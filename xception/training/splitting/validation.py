"""Validation splits and folds: stratified, with copies and groups on one side.

Photographs that must stay together form a unit: see `joining.py`. Which units are drawn is a function of the
seed and of the photographs' digests, not of their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...console.text import count_of, list_some
from ...layers.validation import as_float, as_int
from .division import Mask, Numbers, divide, find_presence
from .joining import Units

#: With fewer photographs the interval of a validation figure is wider than 20 points: 40 right of 50 is
#: 67–89 % (95 %, Wilson).
MIN_VALIDATION = 50
#: The share of photographs that validation may have more or less than requested without a note.
MAX_SHARE_DIFFERENCE = 0.05
MAX_LISTED = 5  #: classes that a message lists
BINS = 10  #: quantiles of a target by which regression is stratified


@dataclass(frozen=True, eq=False)
class Split:
    """Which of n photographs validate.

    Attributes:
        is_validation: (n,) True for validation, False for training.
        notes: What the user should know.
    """

    is_validation: Mask = field(repr=False)
    notes: tuple[str, ...] = ()


def split_validation(
    units: Units, strata: NDArray[Any], share: float = 0.2, seed: int = 0, names: Sequence[str] | None = None
) -> Split:
    """Choose the photographs that validate: the same share of each class.

    Args:
        units: Which of the n photographs stay together.
        strata: (n,) the class of each, as an index; or (n, c), True for each of its labels.
        share: The share of the photographs that validate, between 0 and 1.
        seed: Decides which units are chosen.
        names: The name of each class. Each must be on both sides. None if they need not, as bins of a target.

    Returns:
        The split.

    Raises:
        ValueError: `share` is out of range, or a class cannot be on both sides. The message gives counts.
    """
    share = as_float("validation", share)
    if not 0 < share < 1:
        raise ValueError(f"validation must be a share of the photographs between 0 and 1, got {share:g}")
    rows, labels, count = _list_labels(strata, names)
    _check_classes(units, rows, labels, names, 2, "on both sides of a validation split")
    sides = divide(units, rows, labels, count, np.array([share, 1 - share]), seed, len(names or ()))
    if names is not None:
        _check_sides(units, rows, labels, sides, names, 2)
    is_validation = sides == 0
    if not is_validation.any() or is_validation.all():
        raise ValueError(
            f"{count_of(len(sides), 'photograph')} in {count_of(units.count, 'group')} cannot be divided: "
            "give more photographs, smaller groups, or validation photographs of their own"
        )
    notes = _describe_split(is_validation, share)
    return Split(is_validation, (*units.notes, *notes))


def split_folds(
    units: Units, strata: NDArray[Any], folds: int = 5, seed: int = 0, names: Sequence[str] | None = None
) -> list[Split]:
    """Divide photographs into folds of equal size, each of which validates once.

    Args:
        units: As for `split_validation`.
        strata: As for `split_validation`.
        folds: The number of folds, at least 2.
        seed: Decides which units are in which fold.
        names: The name of each class. Each must be in at least two folds, so that it is always trained. None
            if they need not.

    Returns:
        A split for each fold. The first one has the notes.

    Raises:
        ValueError: `folds` is out of range, there are fewer units, or a class is in fewer than two units.
    """
    folds = as_int("folds", folds, 2)
    if units.count < folds:
        raise ValueError(
            f"{folds} folds need at least {folds} groups or photographs, without copies; got {units.count}"
        )
    rows, labels, count = _list_labels(strata, names)
    _check_classes(units, rows, labels, names, 2, "in training and in validation")
    fold_of = divide(units, rows, labels, count, np.full(folds, 1 / folds), seed, len(names or ()))
    if names is not None:
        _check_sides(units, rows, labels, fold_of, names, 2)
    empty = sorted(set(range(folds)) - set(fold_of.tolist()))
    if empty:
        raise ValueError(
            f"{len(empty)} of {folds} folds would be empty, since the {units.count} groups differ in size: "
            "use fewer folds"
        )
    notes = list(units.notes)
    if names is not None:
        where = find_presence(rows, labels, fold_of, count, folds)
        partial = [name for name, on_sides in zip(names, where, strict=False) if on_sides.sum() < folds]
        if partial:
            notes.append(f"too few photographs to be in every fold: {list_some(partial, MAX_LISTED)}")
    return [Split(fold_of == fold, tuple(notes) if not fold else ()) for fold in range(folds)]


def bin_targets(targets: NDArray[Any], bins: int = BINS) -> Numbers:
    """Return the quantile in which each target of a regression lies, by which it is stratified.

    Args:
        targets: (n,) numbers.
        bins: The number of quantiles at most.
    """
    edges = np.quantile(targets, np.linspace(0, 1, min(bins, max(len(targets) // 5, 1)) + 1)[1:-1])
    return np.searchsorted(np.unique(edges), targets, side="right").astype(np.intp)


# --- checks and notes -----------------------------------------------------------------------


def _list_labels(strata: NDArray[Any], names: Sequence[str] | None) -> tuple[Numbers, Numbers, int]:
    """Return the photograph and the class of each label, and the number of classes."""
    strata = np.asarray(strata)
    if strata.ndim == 2:
        unlabelled = ~strata.any(axis=1, keepdims=True)  # a class of their own, which need not be anywhere
        rows, labels = np.nonzero(np.hstack([strata, unlabelled]))
        return rows, labels, strata.shape[1] + 1
    count = len(names) if names is not None else int(strata.max(initial=-1)) + 1
    return np.arange(len(strata)), strata.astype(np.intp), count


def _check_classes(
    units: Units, rows: Numbers, labels: Numbers, names: Sequence[str] | None, needed: int, where: str
) -> None:
    """Raise ValueError unless each class has enough units to be on `needed` sides."""
    if names is None:
        return
    problems = []
    for label, name in enumerate(names):
        own = rows[labels == label]
        unit_count = len(np.unique(units.numbers[own]))
        if unit_count < needed:
            together = ", which must stay together (copies or one group)" if len(own) > 1 else ""
            problems.append(f"{name!r} has {count_of(len(own), 'photograph')}{together}")
    if problems:
        raise ValueError(
            f"every class must be {where}, but {list_some(problems, MAX_LISTED, '; ')}: add photographs of "
            "other groups, or remove the class"
        )


def _check_sides(
    units: Units, rows: Numbers, labels: Numbers, sides: Numbers, names: Sequence[str], needed: int
) -> None:
    """Raise ValueError unless each class is on `needed` sides."""
    where = find_presence(rows, labels, sides, int(labels.max()) + 1, int(sides.max()) + 1)
    problems = []
    for label in np.flatnonzero(where[: len(names)].sum(axis=1) < needed).tolist():
        own = rows[labels == label]
        unit_count = len(np.unique(units.numbers[own]))
        problems.append(f"{names[label]!r} has {count_of(len(own), 'photograph')} in {unit_count} groups")
    if problems:
        raise ValueError(
            "no division was found with every class on both sides, since photographs of several classes must "
            f"stay together: {list_some(problems, MAX_LISTED, '; ')}. Use smaller groups, or validation "
            "photographs of their own"
        )


def _describe_split(is_validation: Mask, share: float) -> list[str]:
    count, total = int(is_validation.sum()), len(is_validation)
    notes = []
    if abs(count / total - share) > MAX_SHARE_DIFFERENCE:
        notes.append(
            f"{count} of {count_of(total, 'photograph')} validate, {count / total:.0%} in place of "
            f"{share:.0%}, since every class must be on both sides and groups must stay together"
        )
    if count < MIN_VALIDATION:
        notes.append(
            f"only {count_of(count, 'photograph')} for validation: its figures have wide intervals; --folds "
            "5, or folds=5, validates on all photographs"
        )
    return notes
