"""Xception as PyTorch computes it, in Keras's layers.

PyTorch differs in two points, and answers on photographs depend on both. Its normalizations add 1e-5 to the
variance, Keras's 1e-3. Its pooling of blocks 2, 3, 4 and 13, `MaxPool2d(3, 2, 1)`, pads one pixel on each
side, where Keras's "same" pads none above and to the left of a map of even size. In layers of Keras it is the
maximum around each pixel, and then every second pixel.
"""

from __future__ import annotations

from dataclasses import replace

from ... import architecture
from ...graph import Graph
from ...layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Shape,
)
from ..matching import join_some

EPSILON = 1e-5  #: of `torch.nn.BatchNorm2d`
MAXIMA = "_max"  #: ends the name of the first of the two layers of a pooling
ADJUSTMENT = "adjust_channel"


def build_xception(input_shape: Shape, classes: int | None, adjusted: int | None = None) -> Graph:
    """Build the network of timm's `legacy_xception`, Cadene's class and their relatives.

    Args:
        input_shape: (height, width, channels).
        classes: Number of outputs of the head, which are logits; None for the last maps.
        adjusted: Channels of DeepfakeBench's `adjust_channel` before the head, in place of the last ReLU;
            None if there is none.

    Raises:
        ValueError: The input is too small.
    """
    keras = architecture.xception(input_shape, include_top=False)
    graph, names = Graph("xception"), dict[str, str]()
    for node in keras.nodes.values():
        inputs = [names[name] for name in node.inputs]
        layer = node.layer
        if isinstance(layer, BatchNormalization):
            layer = replace(layer, epsilon=EPSILON)
        elif isinstance(layer, MaxPooling2D):
            inputs = [
                graph.add(MaxPooling2D(3, strides=1, padding="same"), *inputs, name=f"{node.name}{MAXIMA}")
            ]
            layer = MaxPooling2D(1, strides=2, padding="same")
        if adjusted is not None and node.name == "block14_sepconv2_act":
            continue
        names[node.name] = x = graph.add(layer, *inputs, name=node.name)
    if adjusted is not None:
        x = graph.add(Conv2D(adjusted, 1), x, name=ADJUSTMENT)
        x = graph.add(BatchNormalization(epsilon=EPSILON), x, name=f"{ADJUSTMENT}_bn")
        x = graph.add(Activation("relu"), x, name=f"{ADJUSTMENT}_act")
    if classes is not None:
        x = graph.add(GlobalAveragePooling2D(), x, name="avg_pool")
        graph.add(Dense(classes, "linear"), x, name="predictions")
    return graph


def find_difference(graph: Graph, expected: Graph) -> str | None:
    """Return how a model differs from Xception as PyTorch computes it; None if it does not.

    Args:
        graph: The model.
        expected: What `build_xception` returned.
    """
    for name, node in expected.nodes.items():
        if name not in graph.nodes and not (node.parameters or name.endswith(MAXIMA)):
            continue
        if name not in graph.nodes:
            nested = next((other for other in graph.nodes if other.endswith(f"/{name}")), None)
            return f"its Xception is nested in it, as {nested}" if nested else f"it has no layer {name}"
        layer = graph.nodes[name].layer
        if isinstance(layer, BatchNormalization) and layer.epsilon != EPSILON:
            return f"{name} has the epsilon {layer.epsilon:g}, expected {EPSILON:g}"
        if isinstance(node.layer, MaxPooling2D) and layer != node.layer:
            return f"{name} pads as Keras does"
        shapes = {key: parameter.shape for key, parameter in graph.nodes[name].parameters.items()}
        if shapes != {key: parameter.shape for key, parameter in node.parameters.items()}:
            return f"{name} has arrays of other shapes"
    extra = [name for name, node in graph.nodes.items() if node.parameters and name not in expected.nodes]
    return f"it has other layers, {join_some(extra)}" if extra else None
