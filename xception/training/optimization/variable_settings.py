"""Settings of an optimizer for single variables: factors of the rate, ages, and no weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...gradients.training_pass import Variable
from ..variables import Variables
from .flat_blocks import Segment


@dataclass(frozen=True)
class VariableSettings:
    """Settings by node or variable.

    Attributes:
        rates: Factors of the learning rate by node; 1 for those not named.
        ages: Steps that a node's variables had taken before the optimizer counts; 0 for those not named.
        no_decay_paths: "node/parameter" of the variables that do not decay.
        no_decay_names: Parts of the names of parameters that do not decay.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    ages: Mapping[str, int] = field(default_factory=dict)
    no_decay_paths: tuple[str, ...] = ()
    no_decay_names: tuple[str, ...] = ()

    def check(self, variables: Variables) -> None:
        """Raise ValueError if a node is named that has none of the variables."""
        for what, values in (("rates", self.rates), ("ages", self.ages)):
            if unknown := values.keys() - variables.by_node.keys():
                raise ValueError(f"{what} names {min(unknown)!r}, which is not a node that trains")

    def segments(self, variables: Variables, has_decay: bool) -> list[Segment]:
        """Return a segment for each variable.

        Args:
            variables: The variables.
            has_decay: Whether the optimizer has weight decay.
        """
        return [
            Segment(
                part.start,
                part.stop,
                self.rates.get(variable.node, 1.0),
                has_decay and not self._is_excluded(variable),
                self.ages.get(variable.node, 0),
            )
            for variable, part in zip(variables.variables, variables.slices, strict=True)
        ]

    def _is_excluded(self, variable: Variable) -> bool:
        return f"{variable.node}/{variable.parameter}" in self.no_decay_paths or any(
            name in variable.parameter for name in self.no_decay_names
        )
