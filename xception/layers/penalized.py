"""Layers whose parameters may have regularizers and constraints: the settings, and their checks.

They act in training only. Layers that differ in nothing else are equal, and compute the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from .base import Layer, Parameter
from .validation import store_setting

if TYPE_CHECKING:  # `penalties` is imported where there are some, to keep start-up short
    from .penalties import Constraint, OtherPenalty, Regularizer

#: A string is one of Keras's names, such as "l2". It is replaced by the object.
AnyRegularizer: TypeAlias = "Regularizer | OtherPenalty | str | None"
AnyConstraint: TypeAlias = "Constraint | OtherPenalty | str | None"

REGULARIZER, CONSTRAINT = "_regularizer", "_constraint"


# Only training reads these settings: they are compared and shown nowhere. The layers that inherit them have
# methods of their own, so that none is made here.


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class Penalized(Layer):
    """Base class of layers whose parameters may have regularizers and constraints.

    Attributes:
        activity_regularizer: Penalty on the outputs. It is kept, but does not act; see
            `describe_unsupported`.
    """

    activity_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class PenalizedBias(Penalized):
    """Settings of layers with a parameter `bias`."""

    bias_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    bias_constraint: AnyConstraint = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class PenalizedKernel(PenalizedBias):
    """Settings of layers with the parameters `kernel` and `bias`."""

    kernel_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    kernel_constraint: AnyConstraint = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class PenalizedDepthwiseKernel(PenalizedBias):
    """Settings of depthwise convolutions."""

    depthwise_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    depthwise_constraint: AnyConstraint = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class PenalizedSeparableKernel(PenalizedDepthwiseKernel):
    """Settings of separable convolutions."""

    pointwise_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    pointwise_constraint: AnyConstraint = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, init=False, repr=False, eq=False, kw_only=True)
class PenalizedGammaAndBeta(Penalized):
    """Settings of normalization with the parameters `gamma` and `beta`."""

    beta_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    gamma_regularizer: AnyRegularizer = field(default=None, compare=False, repr=False)
    beta_constraint: AnyConstraint = field(default=None, compare=False, repr=False)
    gamma_constraint: AnyConstraint = field(default=None, compare=False, repr=False)


def is_penalty(setting: str) -> bool:
    """Return True if a setting of this name is a regularizer or a constraint."""
    return setting.endswith((REGULARIZER, CONSTRAINT))


def check_penalties(layer: Penalized) -> None:
    """Check the regularizers and constraints of a layer; replace Keras's names by objects."""
    for name, value in penalties_of(layer).items():
        from . import penalties

        is_constraint = name.endswith(CONSTRAINT)
        base: type = penalties.Constraint if is_constraint else penalties.Regularizer
        by_name: dict[str, Any] = penalties.CONSTRAINTS if is_constraint else penalties.REGULARIZERS
        if isinstance(value, str) and value in by_name:
            store_setting(layer, name, by_name[value]())
        elif not isinstance(value, base | penalties.OtherPenalty):
            classes = ", ".join(each.__name__ for each in by_name.values())
            raise ValueError(f"{name} must be None, {classes}, or Keras's name of one, got {value!r:.80}")


def penalties_of(layer: Layer) -> dict[str, Any]:
    """Return the regularizers and constraints of a layer by setting, without those that are None.

    Args:
        layer: Any layer.
    """
    settings = vars(layer).items()
    return {name: value for name, value in settings if value is not None and is_penalty(name)}


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
        if name == "activity_regularizer":
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


def _find(layer: Layer, parameter: str, ending: str) -> object:
    """Return the setting that belongs to a parameter: `depthwise_constraint` to `depthwise_kernel`."""
    layer = _innermost(layer)
    if parameter == "kernel" and isinstance(layer, PenalizedDepthwiseKernel):
        parameter = "depthwise_kernel"
    return getattr(layer, parameter.removesuffix("_kernel") + ending, None)


def _innermost(layer: Layer) -> Any:
    """Return the layer within `TimeDistributed`, at any depth; any other layer unchanged."""
    while layer.wraps == ("layer",):
        layer = layer.layer  # type: ignore[attr-defined]
    return layer
