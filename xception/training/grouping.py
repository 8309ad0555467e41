"""Groups of photographs, such as patients, videos or persons: by keys, by path, or as names suggest."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

#: What identifies a group; several of them connect these groups; None for a photograph of no group.
GroupKey = str | int | Iterable[str | int] | None
#: A key for each photograph, or a function of its path.
Groups = Sequence[GroupKey] | Callable[[str], GroupKey]

#: A name that ends in a number, after what may be the name of a video or a patient.
NUMBERED = re.compile(r"(.+?)[-_. ]?(\d+)\.\w+")
#: The same for `--group-by`.
SERIES_PATTERN = r"(.+?)[-_. ]?\d+\.\w+$"
#: So many numbered photographs are a series, if at least two series make up half of a class. In a class with
#: one series, photographs are more often just numbered.
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
        return [_as_keys(groups(path), path) for path in paths if path is not None]
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


def group_by_pattern(pattern: str, paths: Sequence[str | None]) -> list[tuple[str, ...]]:
    """Return the groups that a regular expression finds in paths.

    It is searched in the path below the folder that all photographs have in common. The groups are what it
    captures: two pairs of parentheses, as in `(\\d+)_(\\d+)`, give two keys, which connect both groups.
    Without parentheses, the group is what it matches.

    Args:
        pattern: The regular expression.
        paths: (n,) the path of each photograph.

    Raises:
        ValueError: The pattern is no regular expression, or does not match a path.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    if None in paths:
        raise ValueError(f"photograph {paths.index(None)} has no path in which to search for {pattern!r}")
    texts = _below_common_folder([path for path in paths if path is not None])
    matches = [expression.search(text) for text in texts]
    unmatched = [text for text, match in zip(texts, matches, strict=True) if match is None]
    if unmatched:
        more = f" and {len(unmatched) - MAX_LISTED:,} more" if len(unmatched) > MAX_LISTED else ""
        raise ValueError(
            f"the pattern {pattern!r} of groups does not match {', '.join(unmatched[:MAX_LISTED])}{more}. It "
            "is searched in the path below the common folder, and matches "
            f"{len(texts) - len(unmatched):,} of {len(texts):,} photographs"
        )
    return [
        tuple(key for key in match.groups() if key is not None) or (match[0],)
        for match in matches
        if match is not None
    ]


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
    shown = ", ".join(f"{os.path.basename(stem)}…" for stem in suspicious[:MAX_LISTED])
    more = f" and {len(suspicious) - MAX_LISTED:,} more" if len(suspicious) > MAX_LISTED else ""
    return (
        f"names look like series of photographs: {shown}{more}. If a series is a video, a patient, or one "
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
    """Whether it is a column of a table, such as a pandas Series."""
    return hasattr(groups, "__len__") and hasattr(groups, "to_list")


def _below_common_folder(paths: list[str]) -> list[str]:
    texts = [path.replace(os.sep, "/") for path in paths]
    folders = [text[: text.rfind("/") + 1] for text in texts]
    common = os.path.commonprefix(folders)  # noqa: RUF071 - of characters: URLs are no paths
    start = common.rfind("/") + 1
    return [text[start:] for text in texts]
