"""Names of nodes: Keras's automatic ones, "conv2d", "conv2d_1", …, and those of shared layers, "dense:1"."""

from __future__ import annotations

import re
from collections.abc import Container


def automatic_stem(kind: str) -> str:
    """Return Keras's snake case of a class name: "SeparableConv2D" -> "separable_conv2d"."""
    if kind == "Input":
        return "input_layer"
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()


def is_automatic(name: str, kind: str) -> bool:
    """Return True if `name` is one that Keras generates for a layer of this class."""
    return re.fullmatch(rf"{automatic_stem(kind)}(_\d+)?", name) is not None


def next_automatic_name(kind: str, taken: Container[str]) -> str:
    """Return the first automatic name for a layer of this class that is not in `taken`."""
    stem = automatic_stem(kind)
    name, number = stem, 0
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def use_name(layer: str, number: int) -> str:
    """Return the name of a layer's use, counted from 0: "dense", then "dense:1", "dense:2", …"""
    return f"{layer}:{number}" if number else layer


def next_shared_name(layer: str, taken: Container[str]) -> str:
    """Return the name of the next use of a layer that is not in `taken`."""
    number = 1
    while use_name(layer, number) in taken:
        number += 1
    return use_name(layer, number)
