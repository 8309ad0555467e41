"""Division of photographs into sides, each with its share of each class, by units that stay together."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.validation import as_int
from .joining import Units

Mask = NDArray[np.bool_]
Numbers = NDArray[np.intp]

#: Attempts at a division of units that hold several classes, each in another order.
MAX_ATTEMPTS = 20
#: Outweighs what a unit gains by bringing amounts nearer to their targets: at most 2 for each class.
MISSING_CLASS_WEIGHT = 1e6


def divide(
    units: Units, rows: Numbers, labels: Numbers, count: int, shares: NDArray[Any], seed: int, required: int
) -> Numbers:
    """Divide photographs so that each side has its share of each class.

    Args:
        units: Which of the n photographs stay together.
        rows: (m,) the photograph of each label.
        labels: (m,) the class of each label.
        count: The number of classes.
        shares: (s,) the share of each side, which sum to 1.
        seed: Decides which units are on which side.
        required: The number of leading classes that should be on at least two sides. It may be impossible:
            see `find_presence`.

    Returns:
        (n,) the side of each photograph, from 0.
    """
    labels_of_unit: list[list[int]] = [[] for _ in range(units.count)]
    for number, label in zip(units.numbers[rows].tolist(), labels.tolist(), strict=True):
        labels_of_unit[number].append(label)
    sizes = np.bincount(units.numbers, minlength=units.count)
    totals = np.bincount(labels, minlength=count)
    division = _Division(labels_of_unit, sizes, totals, shares)
    ranks = _rank_units(units, as_int("seed", seed, 0))
    sides = division.run(ranks, by_size=True)[units.numbers]
    for attempt in range(1, MAX_ATTEMPTS):
        where = find_presence(rows, labels, sides, count, len(shares))
        if where[:required].sum(axis=1).min(initial=2) >= 2:
            break
        ranks = np.random.default_rng((seed, attempt)).permutation(units.count)
        sides = division.run(ranks, by_size=False)[units.numbers]
    return sides


def _rank_units(units: Units, seed: int) -> Numbers:
    """Return the rank of each unit in a random order that adding photographs does not change."""
    digests = [
        hashlib.blake2b(f"{seed} {key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
        for key in units.first_keys
    ]
    ranks = np.empty(units.count, np.intp)
    ranks[sorted(range(units.count), key=digests.__getitem__)] = np.arange(units.count)
    return ranks


class _Division:
    """A division of units into sides.

    Args:
        labels_of_unit: (u,) the classes of the labels of each unit's photographs.
        sizes: (u,) how many photographs each has.
        totals: (c,) how many photographs each class has.
        shares: (s,) the share of each side.
    """

    def __init__(
        self, labels_of_unit: list[list[int]], sizes: Numbers, totals: Numbers, shares: NDArray[Any]
    ) -> None:
        self._labels_of_unit, self._sizes, self._totals, self._shares = labels_of_unit, sizes, totals, shares
        self._targets = _targets(totals, shares)  # (c, s)
        #: Photographs on their own, with one label: any of a class may be in the place of another.
        self._is_simple = (sizes == 1) & (np.array([len(labels) for labels in labels_of_unit]) == 1)
        self._rarest = [
            min((int(totals[label]) for label in labels), default=len(labels_of_unit))
            for labels in labels_of_unit
        ]

    def run(self, ranks: Numbers, by_size: bool) -> Numbers:
        """Return the side (u,) of each unit.

        Args:
            ranks: (u,) the place of each unit in a random order.
            by_size: Whether large units come first, which fit in fewer places, and among units of the same
                size those with a rare class.
        """
        sides = np.zeros(len(self._sizes), np.intp)
        remaining = self._targets.astype(float)  # due on each side, (c, s)
        order = np.flatnonzero(~self._is_simple).tolist()
        order.sort(key=lambda u: (-self._sizes[u], self._rarest[u], ranks[u]) if by_size else ranks[u])
        self._place_each(order, sides, remaining)
        simple = np.flatnonzero(self._is_simple)
        labels = np.array([self._labels_of_unit[unit][0] for unit in simple.tolist()], np.intp)
        for label in np.unique(labels).tolist():
            members = simple[labels == label]
            members = members[np.argsort(ranks[members])]
            amounts = _fit_amounts(remaining[label], len(members))
            sides[members] = np.repeat(np.arange(len(amounts)), amounts)
        return sides

    def _place_each(self, order: list[int], sides: Numbers, remaining: NDArray[Any]) -> None:
        """Place units one by one, each where it brings the amounts nearest to the targets."""
        total = self._sizes.sum()
        units_remaining = np.bincount(
            [label for labels in self._labels_of_unit for label in set(labels)], minlength=len(self._totals)
        )
        is_present = np.zeros(remaining.shape, bool)
        remaining_size = total * self._shares
        for unit in order:
            size = self._sizes[unit]
            labels, amounts = np.unique(np.array(self._labels_of_unit[unit], np.intp), return_counts=True)
            # How much the squared distances from the targets fall, as shares of the class and of the whole.
            falls = (2 * remaining[labels] - amounts[:, None]) * amounts[:, None]
            fall = (falls / self._totals[labels, None] ** 2).sum(axis=0)
            fall += (2 * remaining_size - size) * size / total**2
            # The last units of a class go where it would otherwise be missing.
            is_last = units_remaining[labels] <= 2 - is_present[labels].sum(axis=1)
            missing = (~is_present[labels] & is_last[:, None]).sum(axis=0)
            side = int((fall + missing * MISSING_CLASS_WEIGHT).argmax())
            sides[unit] = side
            is_present[labels, side] = True
            units_remaining[labels] -= 1
            remaining[labels, side] -= amounts
            remaining_size[side] -= size


def _targets(totals: Numbers, shares: NDArray[Any]) -> Numbers:
    """Return how many photographs of each class are due on each side, (classes, sides).

    Each side gets one at least, if there are as many. What remains after rounding down goes to the side that
    has too few of all classes so far, so that many small classes leave the sides of the right size.
    """
    targets = np.zeros((len(totals), len(shares)), np.intp)
    due = np.zeros(len(shares))
    for label, total in enumerate(totals.tolist()):
        due += total * shares
        amounts = np.maximum(np.floor(total * shares), total >= len(shares)).astype(np.intp)
        while amounts.sum() > total:
            amounts[amounts.argmax()] -= 1
        while amounts.sum() < total:
            amounts[(due - amounts).argmax()] += 1
        targets[label] = amounts
        due -= amounts
    return targets


def _fit_amounts(remaining: NDArray[Any], total: int) -> Numbers:
    """Return how many of `total` photographs each side gets, as near as possible to what remains due."""
    amounts = np.maximum(remaining, 0).astype(np.intp)
    while amounts.sum() > total:
        amounts[amounts.argmax()] -= 1
    while amounts.sum() < total:
        amounts[(remaining - amounts).argmax()] += 1
    return amounts


def find_presence(rows: Numbers, labels: Numbers, sides: Numbers, count: int, side_count: int) -> Mask:
    """Return whether each class is on each side.

    Args:
        rows: (m,) the photograph of each label.
        labels: (m,) the class of each label.
        sides: (n,) the side of each photograph.
        count: The number of classes.
        side_count: The number of sides.

    Returns:
        (classes, sides), True where it is.
    """
    is_present = np.zeros((count, side_count), bool)
    is_present[labels, sides[rows]] = True
    return is_present
