"""What a conversion reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..console.text import count_of

#: The relative difference from which on a layer's activations differ. Rounding makes 1e-6 to 1e-5.
MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """The activations of one photograph on both sides of a conversion.

    Attributes:
        compared_with: What the model was compared with, in words.
        differences: The largest difference of each layer, relative to its largest activation, in the order of
            computation.
        missing: Layers that only one side has, as far as names tell.
    """

    compared_with: str
    differences: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def first_difference(self) -> str | None:
        """Name of the first layer that differs by more than 1e-4; None if none does."""
        return next((name for name, value in self.differences.items() if not value <= MAX_DIFFERENCE), None)

    def __str__(self) -> str:
        count = count_of(len(self.differences), "layer")
        first = self.first_difference
        if not self.differences:
            return f"no layer has a counterpart in {self.compared_with}"
        if first is None:
            largest = max(self.differences.values())
            return f"{count} answer as in {self.compared_with}: the largest difference is {largest:.1e}"
        return (
            f"{first} is the first of {count} that differs from {self.compared_with}: by "
            f"{self.differences[first]:.1e} of its largest activation"
        )


@dataclass(frozen=True)
class ConversionReport:
    """What `xception.convert` returns. `str()` gives it as text.

    Attributes:
        source: Name of the file that was read.
        target: Name of the file that was written.
        notes: What was assumed, how the file is to be used, and what was left out.
        comparisons: The model's answers beside those of the framework that the file is from, of the one that
            it is for, or of a reference.
    """

    source: str
    target: str
    notes: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def first_difference(self) -> str | None:
        """Name of the first layer that differs in any comparison; None if none does."""
        found = (comparison.first_difference for comparison in self.comparisons)
        return next((name for name in found if name is not None), None)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.source} -> {self.target}", *self.notes, *map(str, self.comparisons)])
