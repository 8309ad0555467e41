"""Layers whose parameters may have regularizers and constraints, and what belongs to which parameter.

They act in training only. Layers that differ in nothing else are equal, and compute the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .base import Layer, Parameter
from .validation import store_setting

if TYPE_CHECKING:  # imported where there are some, to keep start-up short
    from .penalties import Constraint, Penalty, Regularizer

REGULARIZER, CONSTRAINT = "_regularizer", "_constraint"
ON_OUTPUTS = "activity_regularizer"  #: It is kept, but does not act.


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Penalized(Layer):
    """Base class of layers whose parameters may have regularizers and constraints, which act in training.

    Attributes:
        penalties: Regularizers and constraints by Keras's names of the settings, such as
            {"kernel_regularizer": L2(1e-4), "bias_constraint": "non_neg"}. A string is Keras's name of one;
            it is replaced by the object. None if there are none. Only training reads them, so that layers
            which differ in nothing else are equal.
        penalized: What may have penalties, as the names of the settings begin: "kernel" has
            "kernel_regularizer" and "kernel_constraint".
    """

    penalties: Mapping[str, Penalty | str | None] | None = field(
        default=None, kw_only=True, compare=False, repr=False
    )
    penalized: ClassVar[tuple[str, ...]] = ("kernel", "bias")

    @classmethod
    def penalty_names(cls) -> tuple[str, ...]:
        """Return the names that the layer's penalties may have."""
        own = (part + ending for part in cls.penalized for ending in (REGULARIZER, CONSTRAINT))
        return (*own, ON_OUTPUTS)

    def check_penalties(self) -> None:
        """Check the regularizers and constraints, and freeze them. Called from `__post_init__`.

        Raises:
            ValueError: One has a name or a value that the layer does not take.
        """
        if self.penalties is not None:
            from .penalties import freeze_penalties

            store_setting(
                self, "penalties", freeze_penalties(self.kind, self.penalty_names(), self.penalties)
            )


def penalties_of(layer: Layer) -> dict[str, Penalty]:
    """Return the regularizers and constraints of a layer by setting.

    Args:
        layer: Any layer.
    """
    penalties = layer.penalties if isinstance(layer, Penalized) else None
    return dict(penalties or {})  # type: ignore[arg-type]  # names are replaced in `check_penalties`


def find_regularizer(layer: Layer, parameter: str) -> Regularizer | None:
    """Return the regularizer of a parameter; None if it has none.

    Args:
        layer: The layer.
        parameter: Name of the parameter.
    """
    from .penalties import Regularizer

    found = _find(layer, parameter, REGULARIZER)
    return found if isinstance(found, Regularizer) else None


def find_constraint(layer: Layer, parameter: str) -> Constraint | None:
    """Return the constraint of a parameter; None if it has none.

    Args:
        layer: The layer.
        parameter: Name of the parameter.
    """
    from .penalties import Constraint

    found = _find(layer, parameter, CONSTRAINT)
    return found if isinstance(found, Constraint) else None


def describe_unsupported(layer: Layer, parameters: dict[str, Parameter]) -> list[str]:
    """Return the regularizers and constraints of a layer that cannot act, and why, in words.

    Args:
        layer: The layer.
        parameters: Its parameters, as those of its node in a graph.
    """
    from .penalties import OtherPenalty

    problems = []
    for name, value in penalties_of(_innermost(layer)).items():
        if name == ON_OUTPUTS:
            problems.append(f"{name} is a penalty on outputs; supported are those on parameters")
        elif isinstance(value, OtherPenalty):
            problems.append(f"{name} is {value.kind!r:.80}; supported are those of Keras's L1, L2 and norms")
    for parameter, specification in parameters.items():
        constraint = find_constraint(layer, parameter)
        try:
            if constraint is not None:
                constraint.check_rank(len(specification.shape))
        except ValueError as error:
            problems.append(f"the constraint of {parameter}: {error}")
    return problems


def _find(layer: Layer, parameter: str, ending: str) -> Penalty | None:
    """Return the penalty that belongs to a parameter: `depthwise_constraint` to `depthwise_kernel`."""
    layer = _innermost(layer)
    if parameter == "kernel" and isinstance(layer, Penalized) and "kernel" not in layer.penalized:
        parameter = "depthwise_kernel"  # as the setting of DepthwiseConv2D is called
    return penalties_of(layer).get(parameter.removesuffix("_kernel") + ending)


def _innermost(layer: Layer) -> Any:
    """Return the layer within `TimeDistributed`, at any depth; any other layer unchanged."""
    while layer.wraps == ("layer",):
        layer = layer.layer  # type: ignore[attr-defined]
    return layer
