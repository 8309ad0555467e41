"""Which classes are meant: by number, by name, by pattern, or by what the model finds."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.class_names import ClassNames
from ..kernels import Array

Target = int | str | Sequence[int | str] | None


class Targets:
    """The classes that are asked for, of each image: the same ones, or its own best ones."""

    def __init__(self, target: Target, top: int | None, labels: ClassNames) -> None:
        if top is not None and target is not None:
            raise ValueError(f"give either a target or top, not both ({target!r} and {top})")
        if top is not None and not 1 <= top <= len(labels):
            raise ValueError(f"top must be from 1 to {len(labels)}, got {top}")
        found = [] if target is None else numbers(target, labels)
        self._found: NDArray[np.intp] = np.array(found, np.intp)
        self.count = top or len(found) or 1
        #: whether a single class is meant, rather than a list that may hold but one
        self.single = top is None and (target is None or _is_single(target, found, labels))

    def of(self, scores: Array) -> NDArray[np.intp]:
        """(n, classes) -> the classes' numbers, (n, targets)"""
        if self._found.size:
            return np.tile(self._found, (len(scores), 1))
        return np.argsort(-scores, axis=1, kind="stable")[:, : self.count]


def numbers(target: int | str | Sequence[int | str], labels: ClassNames) -> list[int]:
    """The numbers of the classes, each once. Raises ValueError for what fits none, or not clearly one."""
    several = [target] if isinstance(target, int | np.integer | str) else list(target)
    if not several:
        raise ValueError("expected a class or several, got an empty list")
    return list(dict.fromkeys(number for one in several for number in _numbers(one, labels)))


def _numbers(target: object, labels: ClassNames) -> list[int]:
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        if not 0 <= target < len(labels):
            raise ValueError(f"classes are numbered from 0 to {len(labels) - 1}, got {target}")
        return [int(target)]
    if not isinstance(target, str):
        raise ValueError(f"a class is a number, a name or a pattern, got {target!r}")
    named = _named(target, labels)
    if len(named) > 1:
        ids = ", ".join(labels[number][0] for number in named)
        raise ValueError(f"several classes are called {target!r}: give the id of one, of {ids}")
    if named:
        return named
    if _is_pattern(target):
        found = [n for n, (_, name) in enumerate(labels) if fnmatch.fnmatchcase(_plain(name), _plain(target))]
        if found:
            return found
    elif target.isdecimal():
        return _numbers(int(target), labels)
    near = difflib.get_close_matches(_plain(target), [_plain(name) for _, name in labels], n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"there is no class {target!r} among the {len(labels)}{hint}")


def _named(target: str, labels: ClassNames) -> list[int]:
    """The classes of this id, or else of this name."""
    by_id = [number for number, (class_id, _) in enumerate(labels) if class_id == target != str(number)]
    return by_id or [n for n, (_, name) in enumerate(labels) if _plain(name) == _plain(target)]


def _is_single(target: object, found: list[int], labels: ClassNames) -> bool:
    if isinstance(target, str):
        return not _is_pattern(target) or bool(_named(target, labels))
    return isinstance(target, int | np.integer)


def _is_pattern(target: str) -> bool:
    return any(sign in target for sign in "*?[")


def _plain(name: str) -> str:
    """ClassNamesLike are compared without regard to case; ImageNet's have _ for a blank."""
    return name.replace("_", " ").casefold()
