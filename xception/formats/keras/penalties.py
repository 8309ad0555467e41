"""Regularizers and constraints in configs of Keras 1, 2 and 3, and as Keras 3 writes them.

A model predicts whatever they are, so nothing here refuses a file: what is not known becomes an
`OtherPenalty`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...errors import printable
from ...layers.penalized import CONSTRAINT
from ...layers.penalties import (
    CONSTRAINTS,
    REGULARIZERS,
    Constraint,
    OtherPenalty,
    Penalty,
    Regularizer,
)
from .json_reader import unwrap_array

CLASSES: dict[str, type[Any]] = {
    each.__name__: each for each in (*REGULARIZERS.values(), *CONSTRAINTS.values())
}

#: Classes of Keras 1, and names in place of a class.
OTHER_NAMES = {
    "L1L2Regularizer": "L1L2",
    "WeightRegularizer": "L1L2",
    **{name: each.__name__ for name, each in (*REGULARIZERS.items(), *CONSTRAINTS.items())},
}

#: Settings of Keras 1.
OLD_SETTINGS = {"m": "max_value"}

#: Classes of Keras that do not act here, and their settings.
KEPT = {"OrthogonalRegularizer": ("factor", "mode")}
#: Of a setting that is kept: they are names.
MAX_CHARACTERS = 20


def read_penalty(setting: str, value: Any, is_own: bool) -> Penalty | None:
    """Return the regularizer or constraint that a config describes.

    Args:
        setting: The layer's setting, such as "kernel_regularizer".
        value: A name, null, or the object that describes it.
        is_own: Whether its class is Keras's own, not one of the same name.
    """
    if value is None:
        return None
    described = {"class_name": value} if isinstance(value, str) else value
    if not isinstance(described, Mapping):
        return OtherPenalty(type(value).__name__)
    # Keras 1 wrote the settings beside the name.
    kind = described.get("class_name", described.get("name"))
    kind = OTHER_NAMES.get(kind, kind) if isinstance(kind, str) else type(kind).__name__
    settings = described.get("config", described if "name" in described else {})
    family = Constraint if setting.endswith(CONSTRAINT) else Regularizer
    if is_own and isinstance(settings, Mapping):
        if kind in CLASSES and issubclass(CLASSES[kind], family):
            try:
                return _build(CLASSES[kind], settings)
            except (TypeError, ValueError):
                return OtherPenalty(f"{kind} with settings that are not valid")
        if (
            kind in KEPT
            and family is Regularizer
            and all(_is_plain(settings.get(name)) for name in KEPT[kind])
        ):
            kept = {name: settings[name] for name in KEPT[kind] if name in settings}
            return OtherPenalty(kind, json.dumps(kept))
    return OtherPenalty(printable(kind[:100]))


def describe_penalty(penalty: Penalty) -> dict[str, Any] | None:
    """Return a regularizer or constraint as Keras 3 writes it; None for one of a class not of Keras."""
    if isinstance(penalty, OtherPenalty):
        if not penalty.settings:
            return None
        kind, config = penalty.kind, json.loads(penalty.settings)
        module = "keras.regularizers"  # all that are in KEPT
    else:
        kind = type(penalty).__name__
        names = [setting.name for setting in fields(penalty)]  # type: ignore[arg-type]
        config = {name: getattr(penalty, name) for name in names}
        module = "keras.regularizers" if isinstance(penalty, Regularizer) else "keras.constraints"
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def _build(penalty_class: type[Any], settings: Mapping[str, Any]) -> Any:
    """Build a regularizer or constraint. Raises TypeError for an unknown setting, ValueError for a value."""
    named = {
        OLD_SETTINGS.get(key, key): unwrap_array(value)
        for key, value in settings.items()
        if key != "name" and value is not None  # null is the default
    }
    return penalty_class(**named)


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, int | float)
        or (isinstance(value, str) and len(value) <= MAX_CHARACTERS)
    )
