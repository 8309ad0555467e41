"""Lines of a diagram: what a layer computes, in a few words."""

from __future__ import annotations

from ..graph import Node
from ..layers import Input, Layer, Shape

#: Layers that a diagram leaves out, beside those that do nothing at inference. It counts them below.
LEFT_OUT = frozenset(
    {
        "Activation", "BatchNormalization", "ELU", "GroupNormalization", "LayerNormalization", "LayerScale",
        "LeakyReLU", "PReLU", "RMSNormalization", "ReLU", "ThresholdedReLU", "UnitNormalization",
    }
)  # fmt: skip
#: Activations that make answers of numbers: these are shown.
ANSWERS = ("softmax", "sigmoid")
#: Settings that are shown unless they are 1, and what they are called.
STEPS = {"strides": "stride", "dilation_rate": "dilation", "groups": "groups", "num_heads": "heads"}
#: What a merge does, where one side of it is a shortcut.
SYMBOLS = {
    "Add": "+",
    "Multiply": "×",
    "Subtract": "−",
    "Concatenate": "cat",
    "Maximum": "max",
    "Minimum": "min",
    "Average": "mean",
}


def is_left_out(node: Node) -> bool:
    """Return True for normalization, activations, and layers that do nothing at inference."""
    layer = node.frame_layer
    if isinstance(layer, Input):
        return bool(node.inputs)  # that of a network within the network
    answers = layer.kind == "Activation" and getattr(layer, "activation", "") in ANSWERS
    return (layer.identity or layer.kind in LEFT_OUT) and not answers and len(node.inputs) == 1


def name_left_out(node: Node) -> str:
    """Return what a layer that is left out is called below the diagram: "relu", or its class name."""
    activation = getattr(node.frame_layer, "activation", None)
    is_function = node.frame_layer.kind == "Activation" and isinstance(activation, str)
    return str(activation) if is_function else node.frame_layer.kind


def is_window_pooling(node: Node) -> bool:
    """Return True for pooling over windows."""
    return hasattr(node.frame_layer, "pool_size")


def describe(node: Node) -> str:
    """Return what a node computes: "SeparableConv2D 3×3, 728, stride 2"."""
    layer = node.frame_layer
    words = layer.kind
    kernel = _setting(layer, "kernel_size") or _setting(layer, "pool_size")
    if kernel:
        words += f" {_window(layer, kernel)}"
    extra = [str(value) for name in ("filters", "units") if (value := _setting(layer, name))]
    for name, title in STEPS.items():
        value = _setting(layer, name)
        if value and _step(value) != "1":
            extra.append(f"{title} {_step(value)}")
    activation = getattr(layer, "activation", None)
    if isinstance(activation, str) and activation not in ("linear", "relu"):
        extra.append(activation)
    if len(node.inputs) > 2:
        words += f" of {len(node.inputs)}"
    elif extra and not kernel:
        words += f" {extra.pop(0)}"
    if node.owner != node.name and node.parameters:
        extra.append(f"weights of {node.owner}")
    text = ", ".join([words, *extra])
    return f"each frame: {text}" if node.computes_frames else text


def name_shape(shape: Shape) -> str:
    """Return a shape as on an arrow, "19×19×728". A size that an input decides is "?"."""
    return "×".join("?" if size is None else str(size) for size in shape) or "1"


def window(node: Node) -> str | None:
    """Return the window of a convolution, "1×1", or "1" of one axis; None for other layers."""
    kernel = _setting(node.frame_layer, "kernel_size")
    return None if kernel is None else _window(node.frame_layer, kernel)


def _window(layer: Layer, size: object) -> str:
    return _step(size) if "1D" in layer.kind else _pair(size)


def _setting(layer: Layer, name: str) -> object | None:
    value = getattr(layer, name, None)
    return value if isinstance(value, int | tuple) else None


def _pair(value: object) -> str:
    """Return 3 or (3, 3) as "3×3"."""
    return "×".join(map(str, value)) if isinstance(value, tuple) else f"{value}×{value}"


def _step(value: object) -> str:
    """Return 2 or (2, 2) as "2"; (2, 1) as "2×1"."""
    sizes = value if isinstance(value, tuple) else (value,)
    return str(sizes[0]) if len(set(sizes)) == 1 else _pair(sizes)
