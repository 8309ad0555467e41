"""Keras's automatic names: "conv2d", "conv2d_1", …"""

from __future__ import annotations

import re


def automatic_stem(kind: str) -> str:
    """Keras's snake case for a class: "SeparableConv2D" -> "separable_conv2d"."""
    if kind == "Input":
        return "input_layer"
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()


def is_automatic(name: str, kind: str) -> bool:
    """Whether a node bears a number of its kind rather than a name of its own."""
    return re.fullmatch(rf"{automatic_stem(kind)}(_\d+)?", name) is not None
