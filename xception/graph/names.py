"""Names of nodes: Keras's automatic ones, "conv2d", "conv2d_1", …, and those of shared layers, "dense:1"."""

from __future__ import annotations

import re
from collections.abc import Callable, Container


def automatic_stem(kind: str) -> str:
    """Return Keras's snake case of a class name: "SeparableConv2D" -> "separable_conv2d"."""
    if kind == "Input":
        return "input_layer"
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()


def is_automatic(name: str, kind: str) -> bool:
    """Return True if `name` is one that Keras generates for a layer of this class."""
    return re.fullmatch(rf"{automatic_stem(kind)}(_\d+)?", name) is not None


def automatic_name(kind: str, number: int) -> str:
    """Return the automatic name of a layer of this class, counted from 0: "dense", "dense_1", …"""
    stem = automatic_stem(kind)
    return f"{stem}_{number}" if number else stem


def use_name(layer: str, number: int) -> str:
    """Return the name of a layer's use, counted from 0: "dense", then "dense:1", "dense:2", …"""
    return f"{layer}:{number}" if number else layer


class Numbering:
    """The numbers of automatic names that are taken, so that a long network is not searched for each."""

    def __init__(self) -> None:
        self._next: dict[tuple[Callable[[str, int], str], str], int] = {}

    def next_name(self, name_of: Callable[[str, int], str], stem: str, taken: Container[str]) -> str:
        """Return the first name that is not taken.

        Args:
            name_of: Returns the name of a stem and a number: `automatic_name` or `use_name`.
            stem: A layer class or a layer's name.
            taken: The names that are taken. It must not shrink between calls.
        """
        number = self._next.get((name_of, stem), 0)
        while name_of(stem, number) in taken:
            number += 1
        self._next[name_of, stem] = number + 1
        return name_of(stem, number)
