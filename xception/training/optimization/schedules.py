"""Schedules: the learning rate as a function of the optimizer's step, by the formulas of Keras 3.15.

Keras's source is `optimizers/schedules/learning_rate_schedule.py`. Steps count from 0.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from ...layers.validation import as_bool, as_float, as_int
from ..objectives.named import get_named


@dataclass(frozen=True)
class Schedule(ABC):
    """Base class of schedules."""

    default_name: ClassVar[str]

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the learning rate of a step.

        Args:
            step: The number of steps before it.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the settings, as Keras's `get_config` does."""
        return {**asdict(self), "name": self.default_name}

    def serialize(self) -> dict[str, Any]:
        """Return the class and the settings, as Keras writes them into a file."""
        return {
            "module": "keras.optimizers.schedules",
            "class_name": type(self).__name__,
            "config": self.get_config(),
            "registered_name": None,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a schedule from what Keras's `get_config` returned.

        Args:
            config: The settings by name.

        Raises:
            ValueError: A setting is unknown or missing, or has a value that cannot be used.
        """
        try:
            return cls(**{name: value for name, value in config.items() if name != "name"})
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None

    def _store_floats(self, *names: str, **limits: float) -> None:
        for name in names:
            object.__setattr__(self, name, as_float(name, getattr(self, name), **limits))


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine from the initial rate down, after an optional warm-up.

    Step 0 of a warm-up has the initial learning rate: if that is 0, the first batch changes nothing.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The steps from the peak to the end, without those of the warm-up.
        alpha: The rate at the end, as a fraction of that at the peak.
        warmup_target: The rate at the peak, which the warm-up rises to in a straight line; None for no
            warm-up, so that the peak is the initial rate.
        warmup_steps: The steps of the warm-up.
    """

    default_name = "CosineDecay"

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = field(default=None, kw_only=True)
    warmup_steps: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        self._store_floats("initial_learning_rate", "alpha", minimum=0)
        as_int("decay_steps", self.decay_steps)
        as_int("warmup_steps", self.warmup_steps, minimum=0)
        if self.warmup_target is not None:
            self._store_floats("warmup_target", minimum=0)

    def __call__(self, step: int) -> float:
        peak, warmup = self.initial_learning_rate, 0
        if self.warmup_target is not None:
            peak, warmup = self.warmup_target, self.warmup_steps
            if step < warmup:
                return self.initial_learning_rate + (peak - self.initial_learning_rate) * step / warmup
        done = min(step - warmup, self.decay_steps) / self.decay_steps
        return peak * ((1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * done)) + self.alpha)


@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """A constant rate up to and including each boundary.

    Args:
        boundaries: The last step of each rate but the last one, rising.
        values: The rates, one more than boundaries.
    """

    default_name = "PiecewiseConstant"

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        boundaries = tuple(as_int("boundaries", step, minimum=0) for step in self.boundaries)
        values = tuple(as_float("values", value, minimum=0) for value in self.values)
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "values", values)
        if len(boundaries) != len(values) - 1 or not boundaries:
            raise ValueError(
                f"there must be one value more than boundaries, and a boundary; "
                f"got {len(boundaries)} boundaries and {len(values)} values"
            )
        if any(b <= a for a, b in pairwise(boundaries)):
            raise ValueError(f"boundaries must rise, got {list(boundaries)}")

    def __call__(self, step: int) -> float:
        return self.values[int(np.searchsorted(self.boundaries, step))]

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": list(self.boundaries), "values": list(self.values), "name": self.default_name}


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The initial rate times `decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: The steps after which the rate has been multiplied by `decay_rate` once.
        decay_rate: The factor.
        staircase: Whether the rate changes every `decay_steps` only, instead of at each step.
    """

    default_name = "ExponentialDecay"

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._store_floats("initial_learning_rate", "decay_rate", minimum=0)
        as_int("decay_steps", self.decay_steps)
        as_bool("staircase", self.staircase)

    def __call__(self, step: int) -> float:
        power = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate**power


#: The schedules by Keras's names.
SCHEDULES: dict[str, type[Schedule]] = {
    kind.__name__: kind for kind in (CosineDecay, PiecewiseConstantDecay, ExponentialDecay)
}


def get_schedule(identifier: object) -> Schedule:
    """Return a schedule.

    Args:
        identifier: A `Schedule`, or Keras's `{"class_name": …, "config": …}`.

    Raises:
        TypeError: It is none of these.
        ValueError: No schedule has this name, or a setting is unknown.
    """
    return get_named(identifier, Schedule, SCHEDULES, "schedule")
