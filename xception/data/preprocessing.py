"""Preprocessing record: the pixels that a model was trained on, and whether it gives logits."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

#: Range that pixels 0…255 are scaled to: "tf" −1…1, "unit" 0…1, "none" 0…255.
Scaling = Literal["tf", "unit", "none"]
#: Pillow's filters for resizing.
Interpolation = Literal["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]

#: "auto" infers the range from the model.
ScalingArgument = Scaling | Literal["auto"]

SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)


@dataclass(frozen=True)
class Preprocessing:
    """How photographs become a model's input, and whether its scores are logits.

    None means "not recorded": the value is then inferred from the model's layers, or the default is used.
    The record is saved in a `.keras` file beside what Keras reads.

    Attributes:
        scaling: Range of the pixels that the model takes: "tf" −1…1, "unit" 0…1, "none" 0…255.
        interpolation: Filter with which photographs are resized: "nearest", "bilinear" (the default),
            "bicubic", "hamming", "box" or "lanczos", as Pillow has them.
        from_logits: Whether the scores are logits, which are converted to probabilities.

    Raises:
        ValueError: A value is none of these.
    """

    scaling: Scaling | None = None
    interpolation: Interpolation | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        if self.scaling is not None:
            check_option("scaling", self.scaling, SCALINGS)
        if self.interpolation is not None:
            check_option("interpolation", self.interpolation, INTERPOLATIONS)
        check_from_logits(self.from_logits)

    def to_dict(self) -> dict[str, Any]:
        """Return the recorded values as a dict that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Build a record from what `to_dict` returned.

        Args:
            values: Values by attribute name. Unknown names, from later versions, are ignored.

        Raises:
            ValueError: A value is not valid.
        """
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def check_option(name: str, value: object, options: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `options`."""
    if not (isinstance(value, str) and value in options):
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def check_from_logits(value: object) -> None:
    """Raise ValueError unless `value` is a bool or None."""
    if not isinstance(value, bool | None):
        raise ValueError(f"from_logits must be True, False or None, got {value!r}")
