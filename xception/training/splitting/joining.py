"""Photographs that must be on one side of a split: copies, near copies, and groups such as patients."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...console.text import count_of, list_some
from ...kernels import Array
from .grouping import Groups, describe_series, list_groups

#: Two photographs are near copies if the cosine of their features is at least 0.97. Of ImageNet features at
#: 299×299, JPEG copies with quality 75 have 0.986 at least, copies of half the size 0.970 in the median; the
#: two eyes of a stereo camera 0.969, and 36 other photographs 0.71 at most with their nearest.
MAX_NEAR_DISTANCE = 0.03
#: And if they are nearer than this share of the median distance: different digits and textures are alike.
MAX_NEAR_SHARE = 0.1
MAX_SAMPLED_PAIRS = 5000  #: for the median distance
#: Number of random projections from which distances are first estimated, which takes an eighth of the time
#: of 2048 features. Their standard deviation is 9 %; a margin of six times that misses no pair.
PROJECTIONS = 256
PROJECTION_MARGIN = 1.55
BLOCK_ROWS = 1024  #: whose distances to all others are in memory at a time

MAX_LISTED = 3  #: examples that a message lists


@dataclass(frozen=True, eq=False)
class Units:
    """Photographs, and which of them stay together: those with the same number.

    Attributes:
        keys: (n,) the digest of each photograph.
        numbers: (n,) the number of its unit, from 0.
        copies: How many photographs have the same pixels as one before them.
        near_copies: How many pairs of others are near copies.
        groups: How many groups were given; None if there were none.
        notes: What the user should know.
    """

    keys: tuple[str, ...] = field(repr=False)
    numbers: NDArray[np.intp] = field(repr=False)
    copies: int = 0
    near_copies: int = 0
    groups: int | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def count(self) -> int:
        """How many units there are."""
        return int(self.numbers.max(initial=-1)) + 1

    @cached_property
    def first_keys(self) -> list[str]:
        """The smallest digest of each unit."""
        first: dict[int, str] = {}
        for number, key in zip(self.numbers.tolist(), self.keys, strict=True):
            first[number] = min(key, first.get(number, key))
        return [first[number] for number in range(self.count)]


def digest_pixels(pixels: NDArray[Any]) -> str:
    """Return a digest of a photograph's pixels at the size that the model takes.

    Copies of a file have the same digest, and so have files in two formats that decode to the same pixels.

    Args:
        pixels: (h, w, c).
    """
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype.str}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def join_photographs(
    keys: Sequence[str],
    paths: Sequence[str | None],
    labels: Sequence[str] | None = None,
    features: Array | None = None,
    groups: Groups | None = None,
) -> Units:
    """Find the photographs that must stay together.

    Args:
        keys: (n,) `digest_pixels` of each.
        paths: (n,) the path of each; None for those that did not come from a file.
        labels: (n,) the label of each, as text; None if there are no classes.
        features: (n, d) of each, which show near copies; None if they are not looked for.
        groups: Keys of the group or groups of each photograph, or a function of the path; see `list_groups`.

    Returns:
        The units, with notes on copies, on copies with different labels, and on names that look like series.

    Raises:
        TypeError: `groups` is neither a sequence nor a function, or a key is no text, integer, or several.
        ValueError: There are not as many groups as photographs, or no paths for a function.
    """
    forest = _Forest(len(keys))
    notes = []
    copies = _pairs_of_equals([[key] for key in keys])
    forest.join(copies)
    if copies:
        how_many = count_of(len(copies), "photograph")
        have = "has" if len(copies) == 1 else "have"
        notes.append(f"{how_many} {have} the same pixels as another: copies stay on one side")
        notes += _describe_contradictions(copies, paths, labels)
    group_count = None
    if groups is not None:
        keys_of_groups = list_groups(groups, paths)
        group_count = len({key for own in keys_of_groups for key in own})
        joined = _pairs_of_equals(keys_of_groups)
        forest.join(joined)
        if not joined and len(keys) > 1:
            notes.append(
                f"the {count_of(group_count, 'group')} have one photograph each: they change nothing"
            )
    elif series := describe_series(paths, labels):
        notes.append(series)
    near: list[tuple[int, int]] = []
    if features is not None:
        near = [(i, j) for i, j in find_near_copies(features) if keys[i] != keys[j]]
        alone = forest.numbers()
        forest.join(near)
        if near:
            examples = " and ".join(_name(i, paths) for i in near[0])
            text = f"{count_of(len(near), 'pair')} of near copies, such as {examples}"
            if _leaves_too_few_units(alone, forest.numbers(), labels):
                notes.append(
                    f"{text}: too many to keep them on one side, so that validation figures may be too good; "
                    "give groups"
                )
                return Units(tuple(keys), alone, len(copies), len(near), group_count, tuple(notes))
            notes.append(f"{text}: they stay on one side")
    return Units(tuple(keys), forest.numbers(), len(copies), len(near), group_count, tuple(notes))


def find_near_copies(features: Array) -> list[tuple[int, int]]:
    """Find photographs that are probably the same one, encoded, resized or cropped in another way.

    Args:
        features: (n, d) of the photographs, without augmentation.

    Returns:
        Pairs (i, j) with i < j, sorted.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows = (features / np.where(lengths, lengths, 1)).astype(np.float32)  # (n, d), of length 1
    count, width = rows.shape
    if count < 2:
        return []
    generator = np.random.default_rng(0)
    sample = generator.integers(count, size=(MAX_SAMPLED_PAIRS, 2))
    sample = sample[sample[:, 0] != sample[:, 1]]
    cosines = np.concatenate([np.einsum("nd,nd->n", *rows[part.T]) for part in np.array_split(sample, 10)])
    limit = min(MAX_NEAR_DISTANCE, MAX_NEAR_SHARE * float(1 - np.median(cosines)))
    estimates, estimated_limit = rows, limit
    if width > PROJECTIONS:
        projection = generator.standard_normal((width, PROJECTIONS), np.float32) / np.sqrt(PROJECTIONS)
        estimates, estimated_limit = rows @ projection.astype(np.float32), limit * PROJECTION_MARGIN
    halves = np.einsum("nd,nd->n", estimates, estimates) / 2  # |a − b|²/2 = 1 − cos of rows of length 1
    pairs = []
    for start in range(0, count, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        distances = halves[block, None] + halves[start:] - estimates[block] @ estimates[start:].T
        first, second = np.nonzero(np.triu(distances <= estimated_limit, 1))
        first, second = first + start, second + start
        for part in np.array_split(np.arange(len(first)), len(first) // BLOCK_ROWS + 1):
            i, j = first[part], second[part]
            is_near = 1 - np.einsum("nd,nd->n", rows[i], rows[j]) <= limit
            pairs += list(zip(i[is_near].tolist(), j[is_near].tolist(), strict=True))
    return sorted(pairs)


class _Forest:
    """Photographs that are joined in pairs: a union-find structure."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        for first, second in pairs:
            first, second = sorted((self._root(first), self._root(second)))
            self._parents[second] = first

    def numbers(self) -> NDArray[np.intp]:
        """Return the number of the tree (n,) that each photograph is in, by its first photograph."""
        roots = [self._root(index) for index in range(len(self._parents))]
        return np.unique(np.array(roots, np.intp), return_inverse=True)[1].reshape(-1).astype(np.intp)

    def _root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index


def _pairs_of_equals(keys: Sequence[Iterable[str]]) -> list[tuple[int, int]]:
    """Return each photograph with the first one that has one of its keys."""
    first: dict[str, int] = {}
    pairs = []
    for index, own in enumerate(keys):
        pairs += [(first[key], index) for key in own if first.setdefault(key, index) != index]
    return pairs


def _describe_contradictions(
    copies: list[tuple[int, int]], paths: Sequence[str | None], labels: Sequence[str] | None
) -> list[str]:
    if labels is None:
        return []
    pairs = [(i, j) for i, j in copies if labels[i] != labels[j]]
    if not pairs:
        return []
    described = [f"{_name(i, paths)} ({labels[i]}) and {_name(j, paths)} ({labels[j]})" for i, j in pairs]
    return [f"the same pixels with different labels: {list_some(described, MAX_LISTED, '; ')}"]


def _leaves_too_few_units(
    alone: NDArray[np.intp], joined: NDArray[np.intp], labels: Sequence[str] | None
) -> bool:
    """Return True if joining leaves a single unit of a class, or one unit with half of all photographs."""
    largest_before, largest_after = (max(Counter(units.tolist()).values()) for units in (alone, joined))
    if largest_before <= len(alone) / 2 < largest_after:
        return True
    if labels is None:
        return False
    units_before = Counter(label for label, _ in set(zip(labels, alone.tolist(), strict=True)))
    units_after = Counter(label for label, _ in set(zip(labels, joined.tolist(), strict=True)))
    return any(units_after[label] < 2 <= count for label, count in units_before.items())


def _name(index: int, paths: Sequence[str | None]) -> str:
    return paths[index] or f"photograph {index}"
