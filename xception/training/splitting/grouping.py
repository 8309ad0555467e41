"""Groups of photographs, such as patients, videos or persons: by keys, by path, or as names suggest."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...console.text import list_some

#: What identifies a group; several of them connect these groups; None for a photograph of no group.
GroupKey = str | int | Iterable[str | int] | None
#: A key for each photograph, or a function of its path.
Groups = Sequence[GroupKey] | Callable[[str], GroupKey]

#: A name that ends in a number, after what may be the name of a video or a patient.
NUMBERED = re.compile(r"(.+?)[-_. ]?(\d+)\.\w+")
#: The same for `--group-by`.
SERIES_PATTERN = r"(.+?)[-_. ]?\d+\.\w+$"
#: Numbered photographs are a series from this number on, if at least two series make up half of a class.
#: In a class with one series, photographs are more often just numbered.
MIN_SERIES_PHOTOGRAPHS = 3
MIN_SERIES_SHARE = 0.5
#: Numbers within a series differ by so much on average, at most: frames that are taken every four seconds,
#: but no times of the day.
MAX_SERIES_STEP = 100
MAX_LISTED = 3  #: examples that a message lists


def list_groups(groups: Groups, paths: Sequence[str | None]) -> list[list[str]]:
    """Return the keys of the groups of each photograph, as text.

    Args:
        groups: For each photograph a text or an integer; several in a tuple, list or set, which connects
            these groups, as a face swapped from one video to another does; or None. Or a function that
            returns one of these for a path.
        paths: (n,) the path of each photograph.

    Raises:
        TypeError: `groups` is neither a sequence nor a function, or a key is of another type.
        ValueError: There are not as many groups as photographs, or a photograph has no path to call a
            function with.
    """
    if callable(groups):
        if None in paths:
            raise ValueError(
                f"groups is a function of the path, but photograph {paths.index(None)} has none: give a "
                "group for each photograph"
            )
        known = [path for path in paths if path is not None]
        if isinstance(groups, PathPattern):
            groups.check(known)  # all of them, before the first error
        return [_as_keys(groups(path), path) for path in known]
    is_listed = isinstance(groups, Sequence | np.ndarray) or _is_column(groups)
    if isinstance(groups, str | bytes) or not is_listed:
        raise TypeError(
            "groups must be a sequence with the group of each photograph, or a function of its path; got "
            f"{type(groups).__name__}"
        )
    listed = list(groups)
    if len(listed) != len(paths):
        raise ValueError(f"expected a group for each photograph, got {len(listed)} for {len(paths)}")
    return [_as_keys(key, paths[index] or f"photograph {index}") for index, key in enumerate(listed)]


class PathPattern:
    """Groups that a regular expression finds in paths: a function for `groups=`.

    The groups are what it captures: two pairs of parentheses, as in `(\\d+)_(\\d+)`, give two keys, which
    connect both groups. Without parentheses, the group is what it matches.

    Args:
        pattern: The regular expression.
        folder: The folder of the photographs. The expression is searched in the paths below it, whose parts
            are separated by "/".

    Raises:
        ValueError: The pattern is no regular expression.
    """

    def __init__(self, pattern: str, folder: str | os.PathLike[str] = "") -> None:
        try:
            self._expression = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        self._folder = os.fspath(folder).replace(os.sep, "/").rstrip("/") + "/"

    def __call__(self, path: str) -> tuple[str, ...]:
        """Return the keys of the groups of a photograph.

        Raises:
            ValueError: The expression does not match its path.
        """
        match = self._search(path)
        if match is None:
            self.check([path])
            return ()
        return tuple(key for key in match.groups() if key is not None) or (match[0],)

    def check(self, paths: Sequence[str]) -> None:
        """Raise ValueError, with their number, if there are paths that the expression does not match."""
        unmatched = [path for path in paths if self._search(path) is None]
        if unmatched:
            listed = list_some([self._shorten(path) for path in unmatched], MAX_LISTED)
            raise ValueError(
                f"the pattern {self._expression.pattern!r} of groups does not match {listed}; it "
                f"matches {len(paths) - len(unmatched):,} of {len(paths):,} paths"
            )

    def _search(self, path: str) -> re.Match[str] | None:
        return self._expression.search(self._shorten(path))

    def _shorten(self, path: str) -> str:
        return path.replace(os.sep, "/").removeprefix(self._folder)


def describe_series(paths: Sequence[str | None], labels: Sequence[str] | None = None) -> str:
    """Return a warning if names look like series, such as the frames of videos; else "".

    Args:
        paths: (n,) the path of each photograph.
        labels: (n,) its class; None if there are no classes.
    """
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    for index, path in enumerate(paths):
        label = labels[index] if labels is not None else ""
        totals[label] += 1
        folder, name = os.path.split(path or "")
        if match := NUMBERED.fullmatch(name):
            numbers[label, os.path.join(folder, match[1])].append(int(match[2][:18]))
    series: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for (label, stem), found in numbers.items():
        is_dense = max(found) - min(found) <= MAX_SERIES_STEP * (len(found) - 1)
        if is_dense and len(found) >= MIN_SERIES_PHOTOGRAPHS:
            series[label][stem] = found
    suspicious = [
        stem
        for label, own in series.items()
        if len(own) >= 2 and sum(map(len, own.values())) >= MIN_SERIES_SHARE * totals[label]
        for stem in own
    ]
    if not suspicious:
        return ""
    beginnings = dict.fromkeys(f"{os.path.basename(stem)}…" for stem in suspicious)
    shown = list_some(list(beginnings), MAX_LISTED)
    return (
        f"names look like series of photographs: {shown}. If a series is a video, a patient, or one "
        "object, keep it on one side, or validation figures will be too good: "
        f"--group-by '{SERIES_PATTERN}', or groups="
    )


def _as_keys(key: Any, name: str) -> list[str]:
    if key is None:
        return []
    if isinstance(key, str | int | np.integer):
        key = [key]
    if isinstance(key, tuple | list | set | frozenset):
        keys = list(key)
        if all(isinstance(part, str | int | np.integer) and not isinstance(part, bool) for part in keys):
            return [str(part) for part in keys]
    raise TypeError(
        f"{name}: a group is a text, an integer, several of them in a tuple, or None; got {key!r:.80}"
    )


def _is_column(groups: object) -> bool:
    """Return True for a column of a table, such as a pandas Series."""
    return hasattr(groups, "__len__") and hasattr(groups, "to_list")
