"""State of a training run, which a file holds besides the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..kernels import Array
from ..layers.validation import as_float, as_int

#: {(node, parameter): {name of the slot: array of the parameter's shape}}.
Slots = Mapping[tuple[str, str], Mapping[str, Array]]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """State of the optimizer of a run, and what the run itself needs to continue.

    Attributes:
        optimizer: Keras's class name, such as "Adam".
        config: Its settings, as Keras's `get_config` returns them. `learning_rate` is a number or the object
            that describes a schedule.
        iterations: The number of steps so far, at least 0.
        slots: What the optimizer remembers of each variable that is trained, under Keras's names: "momentum"
            of `SGD`; "momentum" and "velocity" of `Adam` and `AdamW`. Without momentum, an empty dict.
        learning_rate: The present learning rate; None if a schedule gives it.
        loss: The loss, as it stands in a file of Keras: its name, or the object that describes it.
        metrics: The metrics, in the same form.
        run: What JSON can hold: history, counters, seeds. Empty in a file that Keras wrote.

    Raises:
        ValueError: A number is out of range.
    """

    optimizer: str
    config: Mapping[str, Any]
    iterations: int
    slots: Slots = field(repr=False)
    learning_rate: float | None = None
    loss: Any = None
    metrics: Any = None
    run: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        as_int("iterations", self.iterations, minimum=0)
        if self.learning_rate is not None:
            as_float("learning_rate", self.learning_rate, minimum=0)
        elif not self.has_schedule:
            raise ValueError("learning_rate must be a number, as the config has no schedule")

    @property
    def has_schedule(self) -> bool:
        """Whether the learning rate is given by a schedule."""
        return isinstance(self.config.get("learning_rate"), Mapping)
