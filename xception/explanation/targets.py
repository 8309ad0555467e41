"""Target classes of an explanation: given by index, id, name or pattern, or each photograph's best."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.class_names import ClassNames
from ..kernels import Array

#: A class's index, id or name, or a pattern such as "*cat*"; or several of these. None: the best class.
Target = int | str | Sequence[int | str] | None

Indices = NDArray[np.intp]


class TargetSelector:
    """Selects the classes to explain: the same for every photograph, or each photograph's best.

    Args:
        target: The classes, see `Target`; None for each photograph's best.
        top: Explain this many best classes of each photograph, instead of `target`.
        class_names: (class id, class name) of each class.

    Attributes:
        count: Classes per photograph, t.
        is_single: Whether one class was asked for, rather than a list or pattern that may hold one.

    Raises:
        ValueError: No class, or more than one, is meant by a name; or `top` is out of range or given
            together with `target`.
    """

    def __init__(self, target: Target, top: int | None, class_names: ClassNames) -> None:
        if top is not None and target is not None:
            raise ValueError(f"give either target or top, not both; got target={target!r} and top={top}")
        if top is not None and not 1 <= top <= len(class_names):
            raise ValueError(f"top must be from 1 to {len(class_names)}, got {top}")
        fixed = [] if target is None else find_classes(target, class_names)
        self._fixed: Indices = np.array(fixed, np.intp)
        self.count = top or len(fixed) or 1
        self.is_single = top is None and (target is None or _is_single(target, class_names))

    def select(self, probabilities: Array) -> Indices:
        """Return the indices of the classes to explain: (n, classes) -> (n, t)."""
        if self._fixed.size:
            return np.tile(self._fixed, (len(probabilities), 1))
        # Stable, as `best_classes` sorts: of equal scores the first class comes first.
        return np.argsort(-probabilities, axis=1, kind="stable")[:, : self.count]


def find_classes(target: int | str | Sequence[int | str], class_names: ClassNames) -> list[int]:
    """Return the indices of the classes that a target stands for, each once.

    An id comes before a name, a name before a pattern, and a pattern before an index in digits. Names
    are compared without regard to case, and "_" equals a space.

    Args:
        target: An index, an id, a name or a pattern, or several of these.
        class_names: (class id, class name) of each class.

    Raises:
        ValueError: There is no such class, or several have the same name.

    Examples:
        >>> find_classes("*cat", (("n1", "tabby"), ("n2", "Egyptian_cat"), ("n3", "tiger_cat")))
        [1, 2]
    """
    targets = [target] if isinstance(target, int | np.integer | str) else list(target)
    if not targets:
        raise ValueError("target is empty, expected at least one class")
    return list(dict.fromkeys(index for item in targets for index in _find(item, class_names)))


def _find(target: object, class_names: ClassNames) -> list[int]:
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        if not 0 <= target < len(class_names):
            raise ValueError(f"classes are numbered from 0 to {len(class_names) - 1}, got {target}")
        return [int(target)]
    if not isinstance(target, str):
        raise ValueError(f"a class is an index, an id, a name or a pattern; got {target!r}")
    matches = _find_by_name(target, class_names)
    if len(matches) > 1:
        ids = ", ".join(class_names[index][0] for index in matches)
        raise ValueError(f"several classes are named {target!r}; give the id of one: {ids}")
    if not matches and _is_pattern(target):
        pattern = _normalize(target)
        matches = [
            i for i, (_, name) in enumerate(class_names) if fnmatch.fnmatchcase(_normalize(name), pattern)
        ]
    elif not matches and target.isdecimal():
        matches = _find(int(target), class_names)
    if matches:
        return matches
    similar = difflib.get_close_matches(
        _normalize(target), [_normalize(name) for _, name in class_names], n=3
    )
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    raise ValueError(f"there is no class {target!r} among the {len(class_names)}{hint}")


def _find_by_name(target: str, class_names: ClassNames) -> list[int]:
    """Return the classes with this id, or else with this name."""
    # An id that is only the index in digits was not given by anybody; a name "1" comes before it.
    by_id = [index for index, (class_id, _) in enumerate(class_names) if class_id == target != str(index)]
    name = _normalize(target)
    return by_id or [index for index, pair in enumerate(class_names) if _normalize(pair[1]) == name]


def _is_single(target: object, class_names: ClassNames) -> bool:
    if isinstance(target, str):
        return not _is_pattern(target) or bool(_find_by_name(target, class_names))
    return isinstance(target, int | np.integer)


def _is_pattern(target: str) -> bool:
    return any(character in target for character in "*?[")


def _normalize(name: str) -> str:
    """Return a name as it is compared; ImageNet's have "_" for a space."""
    return name.replace("_", " ").casefold()
