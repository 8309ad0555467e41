"""Target classes of an explanation: given by index, id, name or pattern, or each photograph's best."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.class_names import ClassNames, ambiguity, find_by_name, fold_name
from ..data.tasks import Task
from ..kernels import Array
from ..layers.validation import as_int

MAX_LISTED = 10  #: classes, or targets of a regression, that an error message lists

#: A class's index, id or name, or a pattern such as "*cat*"; or several of these. None: the best class.
Target = int | str | Sequence[int | str] | None

Indices = NDArray[np.intp]


class TargetSelector:
    """Selects the classes to explain: the same for every photograph, or each photograph's best.

    Args:
        target: The classes, see `Target`; None for each photograph's best.
        top: Explain this many best classes of each photograph, instead of `target`.
        class_names: (class id, class name) of each class.
        task: What the classes are: of a regression there is no best one.

    Attributes:
        count: Classes per photograph, t.
        is_single: Whether one class was requested, rather than a list or pattern, even of one.

    Raises:
        ValueError: A name stands for no class, or for several; or `top` is out of range, or given
            together with `target`; or a regression has several targets, and none is named.
    """

    def __init__(
        self, target: Target, top: int | None, class_names: ClassNames, task: Task = "classes"
    ) -> None:
        if top is not None and target is not None:
            raise ValueError(f"give either a target (--class) or top, not both; got {target!r} and top {top}")
        if task == "regression":
            _check_numbers(target, top, class_names)
        if top is not None and as_int("top", top) > len(class_names):
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


def _check_numbers(target: Target, top: int | None, class_names: ClassNames) -> None:
    """Raise ValueError if the best of several numbers is asked for: they have different units."""
    names = ", ".join(name for _, name in class_names[:MAX_LISTED])
    if top is not None:
        raise ValueError(
            "top explains the best of several classes, and this model gives numbers (its task is "
            f"'regression'): give one as the target (--class): {names}"
        )
    if target is None and len(class_names) > 1:
        raise ValueError(
            f"this model gives {len(class_names)} numbers: give one as the target (--class): {names}"
        )


def find_classes(target: int | str | Sequence[int | str], class_names: ClassNames) -> list[int]:
    """Return the indices of the classes that a target stands for, each once.

    A text is a name or an id, as `find_by_name` looks it up; else a pattern; else an index in digits.

    Args:
        target: An index, an id, a name or a pattern, or several of these.
        class_names: (class id, class name) of each class.

    Raises:
        ValueError: There is no such class, or several have the same name.

    Examples:
        >>> find_classes("*cat", (("n1", "tabby"), ("n2", "Egyptian_cat"), ("n3", "tiger_cat")))
        [1, 2]
    """
    is_one = isinstance(target, str | bytes) or getattr(target, "ndim", None) == 0
    targets: list[object] = [target]
    if isinstance(target, Iterable) and not is_one:
        targets = list(target)
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
    matches = find_by_name(target, class_names)
    if len(matches) > 1:
        raise ValueError(ambiguity(target, matches, class_names))
    names = [fold_name(name) for _, name in class_names]
    if not matches and _is_pattern(target):
        pattern = fold_name(target)
        matches = [index for index, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)]
    elif not matches and target.isdecimal():
        matches = _find(int(target), class_names)
    if matches:
        return matches
    near = difflib.get_close_matches(fold_name(target), names, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    listed = f": {', '.join(name for _, name in class_names)}" if len(class_names) <= MAX_LISTED else ""
    raise ValueError(f"there is no class {target!r} among the {len(class_names)}{listed}{hint}")


def _is_single(target: object, class_names: ClassNames) -> bool:
    if isinstance(target, str):
        return not _is_pattern(target) or bool(find_by_name(target, class_names))
    return isinstance(target, int | np.integer)


def _is_pattern(target: str) -> bool:
    return any(character in target for character in "*?[")
