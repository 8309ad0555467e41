"""Layers whose parameters have regularizers and constraints: checks of them, and which belongs to what.

They act in training only. Layers that differ in nothing else are equal, and compute the same.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

from .base import CONSTRAINT, ON_OUTPUTS, REGULARIZER, Layer, Parameter, Penalized
from .penalties import CONSTRAINTS, REGULARIZERS, Constraint, OtherPenalty, Penalty, Regularizer


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


def frozen_penalties(layer: Penalized) -> FrozenPenalties | None:
    """Return the penalties of a layer after checks, with objects in place of names; None if there are none.

    Args:
        layer: The layer.

    Raises:
        ValueError: The layer has no such setting, or a value is no regularizer or constraint.
    """
    if not isinstance(layer.penalties, Mapping):
        raise ValueError(
            "penalties must be a mapping by Keras's names, such as {'kernel_regularizer': L2()}, got "
            f"{reprlib.repr(layer.penalties)}"
        )
    names, checked = layer.penalty_names(), {}
    for name, value in layer.penalties.items():
        if name not in names:
            raise ValueError(
                f"penalties of {layer.kind} must be among {', '.join(names)}, got {reprlib.repr(name)}"
            )
        if value is not None:
            checked[name] = _as_penalty(name, value)
    return FrozenPenalties(checked) if checked else None


def _as_penalty(name: str, value: object) -> Penalty:
    is_constraint = name.endswith(CONSTRAINT)
    base: type[Penalty] = Constraint if is_constraint else Regularizer
    by_name: Mapping[str, type[Any]] = CONSTRAINTS if is_constraint else REGULARIZERS
    if isinstance(value, str) and value in by_name:
        built: Penalty = by_name[value]()
        return built
    if isinstance(value, base | OtherPenalty):
        return value
    classes = ", ".join(each.__name__ for each in by_name.values())
    raise ValueError(f"{name} must be None, {classes}, or Keras's name of one, got {value!r:.80}")


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
    found = _find(layer, parameter, REGULARIZER)
    return found if isinstance(found, Regularizer) else None


def find_constraint(layer: Layer, parameter: str) -> Constraint | None:
    """Return the constraint of a parameter; None if it has none.

    Args:
        layer: The layer.
        parameter: Name of the parameter.
    """
    found = _find(layer, parameter, CONSTRAINT)
    return found if isinstance(found, Constraint) else None


def describe_unsupported(layer: Layer, parameters: dict[str, Parameter]) -> list[str]:
    """Return the regularizers and constraints of a layer that cannot act, and why, in words.

    Args:
        layer: The layer.
        parameters: Its parameters, as those of its node in a graph.
    """
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
