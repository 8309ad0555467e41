"""Regularizers and constraints of parameters, as Keras's layers have them. They act in training only.

A regularizer adds a penalty to the loss. A constraint changes an array after each update. Both are settings
of the layer, such as `kernel_regularizer` and `kernel_constraint`. This module is imported only where there
are some.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..kernels import Array
from .base import KERAS_EPSILON
from .validation import check_axes, check_number

# --- regularizers ---------------------------------------------------------------------------


class Regularizer:
    """Base class of penalties on an array w: l1 · Σ|w| + l2 · Σw².

    The rules are those of Keras 3.15, `regularizers/regularizers.py`.

    Attributes:
        l1: Factor of the sum of magnitudes, at least 0.
        l2: Factor of the sum of squares, at least 0.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, *(setting.name for setting in fields(self)), minimum=0)  # type: ignore[arg-type]

    def penalty(self, w: Array) -> float:
        """Return the penalty, summed in float64.

        Args:
            w: A parameter, of any shape.
        """
        flat, penalty = w.reshape(-1), 0.0
        if self.l1:
            penalty += self.l1 * float(np.abs(flat).sum(dtype=np.float64))
        if self.l2:
            penalty += self.l2 * float(np.einsum("i,i", flat, flat, dtype=np.float64))
        return penalty

    def add_gradient(self, w: Array, gradient: Array) -> None:
        """Add the gradient of the penalty, l1 · sign(w) + 2 · l2 · w.

        Args:
            w: A parameter, of any shape.
            gradient: The array of its shape that is added to.
        """
        if self.l1:
            gradient += self.l1 * np.sign(w)
        if self.l2:
            gradient += 2 * self.l2 * w


@dataclass(frozen=True)
class L1(Regularizer):
    """The penalty l1 · Σ|w|.

    Attributes:
        l1: Its factor, at least 0.
    """

    l1: float = 0.01


@dataclass(frozen=True)
class L2(Regularizer):
    """The penalty l2 · Σw².

    Attributes:
        l2: Its factor, at least 0.
    """

    l2: float = 0.01


@dataclass(frozen=True)
class L1L2(Regularizer):
    """The penalty l1 · Σ|w| + l2 · Σw².

    Attributes:
        l1: Factor of the sum of magnitudes, at least 0.
        l2: Factor of the sum of squares, at least 0.
    """

    l1: float = 0.0
    l2: float = 0.0


# --- constraints ----------------------------------------------------------------------------


class Constraint:
    """Base class of constraints on an array (Keras 3.15, `constraints/constraints.py`)."""

    def apply(self, w: Array) -> None:
        """Change a parameter so that it satisfies the constraint.

        Args:
            w: The parameter. It is changed in place.

        Raises:
            ValueError: The array has no such axis.
        """
        raise NotImplementedError

    def check_rank(self, rank: int) -> None:
        """Raise ValueError unless arrays of this rank have the axes of the constraint.

        Args:
            rank: Number of axes.
        """


class NormConstraint(Constraint):
    """Base class of constraints on the norms √Σw² along axes.

    Attributes:
        axis: Axis or axes of the array along which norms are taken. In a `Dense` layer, whose kernel is
            (c, units), 0 is the norm of each unit; in `Conv2D` (0, 1, 2) is that of each filter.
    """

    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        numbers = [setting.name for setting in fields(self) if setting.name != "axis"]  # type: ignore[arg-type]
        check_number(self, *numbers, minimum=0)
        check_axes(self)

    def apply(self, w: Array) -> None:
        self.check_rank(w.ndim)
        norms = np.sqrt(np.square(w).sum(axis=self.axis, keepdims=True))
        w *= self.target(norms) / (KERAS_EPSILON + norms)

    def check_rank(self, rank: int) -> None:
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        inside = {axis % rank for axis in axes if -rank <= axis < rank}
        if len(inside) < len(axes):
            raise ValueError(
                f"axis of {type(self).__name__} must name different axes of {rank}, got {self.axis}"
            )

    def target(self, norms: Array) -> Array | float:
        """Return what these norms should be."""
        raise NotImplementedError


@dataclass(frozen=True)
class MaxNorm(NormConstraint):
    """Norms of at most `max_value`.

    Attributes:
        max_value: The largest norm, at least 0.
        axis: Axis or axes of the array along which norms are taken.
    """

    max_value: float = 2.0
    axis: int | tuple[int, ...] = 0

    def target(self, norms: Array) -> Array:
        return np.minimum(norms, np.asarray(self.max_value, norms.dtype))


@dataclass(frozen=True)
class UnitNorm(NormConstraint):
    """Norms of 1.

    Attributes:
        axis: Axis or axes of the array along which norms are taken.
    """

    axis: int | tuple[int, ...] = 0

    def target(self, norms: Array) -> float:
        return 1.0


@dataclass(frozen=True)
class MinMaxNorm(NormConstraint):
    """Norms from `min_value` to `max_value`, which each update approaches at a rate.

    Attributes:
        min_value: The smallest norm, at least 0.
        max_value: The largest norm, at least 0.
        rate: The part of the way that is gone at each update; 1 is all of it.
        axis: Axis or axes of the array along which norms are taken.
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | tuple[int, ...] = 0

    def target(self, norms: Array) -> Array:
        return self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Numbers of at least 0."""

    def apply(self, w: Array) -> None:
        np.maximum(w, 0, out=w)


# --- others ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class OtherPenalty:
    """A regularizer or constraint that cannot act here. Training of its layer is refused.

    Attributes:
        kind: Its class, or what a file has in its place.
        settings: Its settings as the text of a JSON object, so that a saved model has them; "" for a class
            that is not Keras's, which is not saved.
    """

    kind: str
    settings: str = ""


Penalty = Regularizer | Constraint | OtherPenalty

#: By the names that Keras accepts in their place.
REGULARIZERS: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}
CONSTRAINTS: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm, "unit_norm": UnitNorm, "min_max_norm": MinMaxNorm, "non_neg": NonNeg,
}  # fmt: skip


# --- of a layer -----------------------------------------------------------------------------


class FrozenPenalties(Mapping[str, Penalty]):
    """Regularizers and constraints by setting. It cannot be changed.

    Args:
        penalties: The objects by Keras's names of the settings.
    """

    def __init__(self, penalties: Mapping[str, Penalty]) -> None:
        self._penalties = dict(penalties)

    def __getitem__(self, name: str) -> Penalty:
        return self._penalties[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._penalties)

    def __len__(self) -> int:
        return len(self._penalties)

    def __repr__(self) -> str:
        return repr(self._penalties)


def freeze_penalties(kind: str, names: tuple[str, ...], penalties: object) -> FrozenPenalties | None:
    """Return the penalties of a layer after checks, with objects in place of names; None if there are none.

    Args:
        kind: The layer's class, for messages.
        names: The settings that the layer has.
        penalties: The penalties by setting. None is none.

    Raises:
        ValueError: The layer has no such setting, or a value is no regularizer or constraint.
    """
    if not isinstance(penalties, Mapping):
        raise ValueError(
            "penalties must be a mapping by Keras's names, such as {'kernel_regularizer': L2()}, got "
            f"{reprlib.repr(penalties)}"
        )
    checked = {}
    for name, value in penalties.items():
        if name not in names:
            raise ValueError(
                f"penalties of {kind} must be among {', '.join(names)}, got {reprlib.repr(name)}"
            )
        if value is not None:
            checked[name] = _as_penalty(name, value)
    return FrozenPenalties(checked) if checked else None


def _as_penalty(name: str, value: object) -> Penalty:
    is_constraint = name.endswith("_constraint")
    base: type[Penalty] = Constraint if is_constraint else Regularizer
    by_name: Mapping[str, type[Any]] = CONSTRAINTS if is_constraint else REGULARIZERS
    if isinstance(value, str) and value in by_name:
        built: Penalty = by_name[value]()
        return built
    if isinstance(value, base | OtherPenalty):
        return value
    classes = ", ".join(each.__name__ for each in by_name.values())
    raise ValueError(f"{name} must be None, {classes}, or Keras's name of one, got {value!r:.80}")
