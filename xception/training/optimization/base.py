"""Base class of optimizers: learning rates, clipping, weight decay, and state.

The rules are those of Keras 3.15, `optimizers/base_optimizer.py`. All variables are one flat vector, which is
updated in place, a block at a time: the numbers of a block stay in the processor's cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from ...kernels import Array
from ...layers.validation import as_float, as_int
from ..variables import Variables
from .flat_blocks import (
    BlockUpdate,
    Segment,
    blocks,
    clip_factor,
    gradient_norm,
    merge_segments,
    update_blocks,
)
from .keras_settings import ONLY_IN_KERAS, own_settings
from .schedules import Schedule, get_schedule
from .state_checks import check_slots
from .variable_settings import VariableSettings


class Optimizer(ABC):
    """Base class of optimizers.

    A step clips the gradient, decays the variables, and then updates them, in this order, as Keras does.

    Args:
        learning_rate: The learning rate, or a schedule of it.
        weight_decay: Before each update, `w −= learning_rate · weight_decay · w`, for every variable that
            `exclude_from_weight_decay` did not name, biases and normalization included; None for no decay.
        clipnorm: The largest norm of the gradient of each variable; None for no limit.
        clipvalue: The largest absolute value of a number of the gradient; None for no limit.
        global_clipnorm: The largest norm of the whole gradient; None for no limit.
        name: Keras's name of the object; by default that of the class.

    Attributes:
        iterations: The number of steps so far.
        slots: What the optimizer remembers, as vectors like `Variables.flat`, by Keras's names.
        variables: What `build` was given; None before.

    Raises:
        ValueError: A setting is out of range, or more than one kind of clipping is set.
    """

    default_name: ClassVar[str]

    def __init__(
        self,
        learning_rate: float | Schedule | Mapping[str, Any],
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        clipping = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {name: value for name, value in clipping.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"only one of {', '.join(clipping)} can be set, got {' and '.join(given)}")
        for setting, value in given.items():
            if as_float(setting, value) <= 0:
                raise ValueError(f"{setting} must be above 0, got {value}; None is no clipping")
        if weight_decay is not None:
            weight_decay = as_float("weight_decay", weight_decay, minimum=0)
        self.weight_decay, self.clipnorm, self.clipvalue = weight_decay, clipnorm, clipvalue
        self.global_clipnorm = global_clipnorm
        if not isinstance(name, str | None):
            raise ValueError(f"name must be a string, got {name!r:.100}")
        self.name, self.iterations = name or self.default_name, 0
        self.slots: dict[str, Array] = {}
        self.variables: Variables | None = None
        self._schedule: Schedule | None = None
        self._learning_rate = 0.0
        if isinstance(learning_rate, Schedule | Mapping):
            self._schedule = get_schedule(learning_rate)
        else:
            self._learning_rate = as_float("learning_rate", learning_rate, minimum=0)
        self._by_variable = VariableSettings()
        self._segments: list[Segment] | None = None

    # --- settings ----------------------------------------------------------------------------

    @property
    def schedule(self) -> Schedule | None:
        """The schedule of the learning rate; None if it is a number."""
        return self._schedule

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step. It can be set if it is not that of a schedule.

        Raises:
            TypeError: It is set, and a schedule gives it.
        """
        return self._learning_rate if self._schedule is None else self._schedule(self.iterations)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self._schedule is not None:
            raise TypeError(
                f"the learning rate is given by {type(self._schedule).__name__} and cannot be set: "
                "give the optimizer a number as its learning_rate"
            )
        self._learning_rate = as_float("learning_rate", value, minimum=0)

    @property
    def rates(self) -> dict[str, float]:
        """Factors of the learning rate by node; 1 for those not named.

        The factor scales the step and the decay of the node's variables, not their gradient: Adam's steps
        do not depend on the scale of a gradient. Assign a new dict to change it.
        """
        return dict(self._by_variable.rates)

    @rates.setter
    def rates(self, factors: Mapping[str, float]) -> None:
        factors = {node: as_float(f"rates[{node!r}]", value, minimum=0) for node, value in factors.items()}
        self._set_by_variable(rates=factors)

    @property
    def ages(self) -> dict[str, int]:
        """Steps that a node's variables had taken before `iterations` began at 0; 0 for those not named.

        Adam corrects the bias of slots by the variables' own number of steps: those that begin to train
        later, with slots of 0, do not begin with larger steps. Keras has one number for all.
        """
        return dict(self._by_variable.ages)

    @ages.setter
    def ages(self, steps: Mapping[str, int]) -> None:
        steps = {node: as_int(f"ages[{node!r}]", value, minimum=0) for node, value in steps.items()}
        self._set_by_variable(ages=steps)

    def exclude_from_weight_decay(
        self, var_list: Sequence[str] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Name the variables that do not decay. A second call replaces the first.

        Args:
            var_list: Variables as "node/parameter", such as "block14_sepconv2_bn/gamma".
            var_names: Parts of the parameters' own names: "bias" excludes every bias.
        """
        self._set_by_variable(no_decay_paths=tuple(var_list or ()), no_decay_names=tuple(var_names or ()))

    def _set_by_variable(self, **changes: Any) -> None:
        changed = replace(self._by_variable, **changes)
        if self.variables is not None:
            changed.check(self.variables)
        self._by_variable, self._segments = changed, None

    # --- steps -------------------------------------------------------------------------------

    def build(self, variables: Variables) -> None:
        """Prepare for variables: forget all steps, and set all slots to 0.

        Args:
            variables: The variables that `apply` will change.

        Raises:
            ValueError: `rates` or `ages` names a node that has none of them.
        """
        self._by_variable.check(variables)
        self.variables, self._segments = variables, None
        self.iterations = 0
        self.slots = {name: np.zeros_like(variables.flat) for name in self._slot_names()}
        self._scratch: list[Array] = []  # for each thread, three rows of a block

    def apply(self, values: Array, gradient: Array) -> None:
        """Take a step.

        Args:
            values: All variables, as in `Variables.flat`; they are changed in place.
            gradient: Their gradient. It is not changed. Numbers that are not finite spoil the variables:
                check `gradient_norm` before.

        Raises:
            RuntimeError: `build` has not been called.
            ValueError: The sizes or types do not fit.
        """
        expected = self._built_variables().flat
        for what, array in {"values": values, "gradient": gradient}.items():
            if array.shape != expected.shape or array.dtype != expected.dtype:
                raise ValueError(
                    f"{what} must be {expected.size} numbers of {expected.dtype}, "
                    f"got shape {array.shape} of {array.dtype}"
                )
        learning_rate, scale = self.learning_rate, 1.0
        if self.global_clipnorm is not None:
            scale = clip_factor(gradient_norm(gradient), self.global_clipnorm)
        work: list[BlockUpdate] = []
        for segment in self._all_segments():
            if self.clipnorm is not None:
                scale = clip_factor(gradient_norm(gradient[segment.start : segment.stop]), self.clipnorm)
            work += [
                partial(self._apply_block, values, gradient, block, segment, learning_rate, scale)
                for block in blocks(segment.start, segment.stop)
            ]
        update_blocks(work, self._scratch, values.dtype)
        self.iterations += 1

    def _apply_block(
        self, values: Array, gradient: Array, block: slice, segment: Segment, learning_rate: float,
        scale: float, scratch: Array,
    ) -> None:  # fmt: skip
        scratch = scratch[:, : block.stop - block.start]
        w, g = values[block], self._clipped(gradient[block], scale, scratch[2])
        decay = (self.weight_decay or 0.0) * learning_rate * segment.rate if segment.decays else 0.0
        if decay:
            w -= np.multiply(w, decay, out=scratch[0])
        self._update(w, g, block, learning_rate, segment, scratch)

    @abstractmethod
    def _slot_names(self) -> tuple[str, ...]:
        """Return the names of the slots, in Keras's order."""

    @abstractmethod
    def _update(
        self, w: Array, g: Array, block: slice, learning_rate: float, segment: Segment, scratch: Array
    ) -> None:
        """Update a block of variables.

        Args:
            w: The variables.
            g: Their gradient. It must not be changed.
            block: Where they lie in the slots.
            learning_rate: The learning rate of this step.
            segment: The variables that the block is part of: the factor of the step, and their age.
            scratch: Two rows that can be overwritten, and a third that g may lie in.
        """

    def _clipped(self, g: Array, scale: float, out: Array) -> Array:
        if self.clipvalue is not None:
            return np.clip(g, -self.clipvalue, self.clipvalue, out=out)
        return g if scale == 1 else np.multiply(g, scale, out=out)

    def _all_segments(self) -> list[Segment]:
        if self._segments is None:
            segments = self._by_variable.segments(self._built_variables(), bool(self.weight_decay))
            # `clipnorm` needs the norm of each variable, so that they are not merged.
            self._segments = segments if self.clipnorm is not None else merge_segments(segments)
        return self._segments

    def _built_variables(self) -> Variables:
        if self.variables is None:
            raise RuntimeError("the optimizer has no variables yet: call build(variables) first")
        return self.variables

    # --- state -------------------------------------------------------------------------------

    def slots_by_variable(self) -> list[dict[str, Array]]:
        """Return what is remembered of each variable, in Keras's order: {slot: view in its shape}.

        The views are those of `slots`: writing to them changes the optimizer.
        """
        variables = self._built_variables()
        return [
            {name: slot[part].reshape(variable.shape) for name, slot in self.slots.items()}
            for variable, part in zip(variables.variables, variables.slices, strict=True)
        ]

    def restore(
        self, iterations: int, slots: Sequence[Mapping[str, Array]], learning_rate: float | None = None
    ) -> None:
        """Go on where another optimizer of this class stopped. `build` must have been called.

        Args:
            iterations: Its number of steps.
            slots: What its `slots_by_variable` returned.
            learning_rate: Its learning rate; None keeps this one's. It is ignored under a schedule.

        Raises:
            ValueError: The slots do not fit. Nothing is changed then.
        """
        own = self.slots_by_variable()
        iterations = as_int("iterations", iterations, minimum=0)
        check_slots(slots, own, self._built_variables())
        if learning_rate is not None and self._schedule is None:
            self.learning_rate = learning_rate
        for mine, given in zip(own, slots, strict=True):
            for name, array in mine.items():
                array[...] = given[name]
        self.iterations = iterations

    def settings_unknown_to_keras(self) -> tuple[str, ...]:
        """Return the settings that Keras 3.15 cannot be told in a file."""
        settings = {
            "the rates of single layers": any(rate != 1 for rate in self.rates.values()),
            "ages of layers": any(self.ages.values()),
            "variables excluded from weight decay": self.weight_decay
            and (self._by_variable.no_decay_paths or self._by_variable.no_decay_names),
        }
        return tuple(setting for setting, is_used in settings.items() if is_used)

    def get_config(self) -> dict[str, Any]:
        """Return the settings, as Keras's `get_config` does, those at their defaults included."""
        return {
            "name": self.name,
            "learning_rate": self._learning_rate if self._schedule is None else self._schedule.serialize(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            **ONLY_IN_KERAS,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build an optimizer from what Keras's `get_config` returned.

        Args:
            config: The settings by name.

        Raises:
            ValueError: A setting is unknown here, or has a value that cannot be used.
        """
        try:
            return cls(**own_settings(config, cls.__name__))
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None
