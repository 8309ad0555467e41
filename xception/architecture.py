"""Xception's 14 blocks, as figure 5 of the paper draws them.

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.
Every name is the one that Keras Applications gives, so that a weights file, a table and an
error speak of the same node. Keras leaves the projections beside blocks 2, 3, 4 and 13 and the
sums without names of their own; they are numbered here as in a fresh Keras session.

Nodes are created in the order of Keras's own script, in each block the projection first: the
published weights are numbered by it.
"""

from __future__ import annotations

from .graph import Graph
from .layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    SeparableConv2D,
    Shape,
)

MINIMUM_SIZE = 71  #: pixels each way; Keras sets it, below it the last maps are a pixel or two
POOLINGS = {"avg": GlobalAveragePooling2D, "max": GlobalMaxPooling2D}


def xception(
    input_shape: Shape = (299, 299, 3),
    include_top: bool = True,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str = "softmax",
) -> Graph:
    """The whole network, 134 nodes with its classifier. Shapes in the comments: 299×299."""
    net = Graph("xception")
    x = net.add(Input(input_shape, MINIMUM_SIZE))  # (299, 299, 3)
    x = entry_flow(net, x)  # (19, 19, 728)
    x = middle_flow(net, x)  # (19, 19, 728)
    x = exit_flow(net, x)  # (10, 10, 2048)
    if include_top:
        x = net.add(GlobalAveragePooling2D(), x, name="avg_pool")  # (2048,)
        net.add(Dense(classes, classifier_activation), x, name="predictions")  # (classes,)
    elif pooling is not None:
        net.add(POOLINGS[pooling](), x)  # (2048,)
    return net


def entry_flow(net: Graph, x: str) -> str:
    x = convolution(net, x, 32, "block1_conv1", strides=2)  # (149, 149, 32)
    x = relu(net, x, "block1_conv1_act")
    x = convolution(net, x, 64, "block1_conv2")  # (147, 147, 64)
    x = relu(net, x, "block1_conv2_act")
    x = halving_block(net, x, "block2", 128, 128, starts_with_relu=False)  # (74, 74, 128)
    x = halving_block(net, x, "block3", 256, 256)  # (37, 37, 256)
    return halving_block(net, x, "block4", 728, 728)  # (19, 19, 728)


def middle_flow(net: Graph, x: str) -> str:
    for number in range(5, 13):  # eight blocks alike, (19, 19, 728) throughout
        residual = x
        for step in (1, 2, 3):
            name = f"block{number}_sepconv{step}"
            x = relu(net, x, f"{name}_act")
            x = separable_convolution(net, x, 728, name)
        x = net.add(Add(), x, residual)
    return x


def exit_flow(net: Graph, x: str) -> str:
    x = halving_block(net, x, "block13", 728, 1024)  # (10, 10, 1024)
    for step, filters in ((1, 1536), (2, 2048)):
        name = f"block14_sepconv{step}"
        x = separable_convolution(net, x, filters, name)  # (10, 10, filters)
        x = relu(net, x, f"{name}_act")
    return x


def halving_block(
    net: Graph, x: str, block: str, first: int, second: int, starts_with_relu: bool = True
) -> str:
    """Two separable convolutions and a pooling that halves the map, beside a projection of
    the input to the same shape: (h, w, c) -> (⌈h/2⌉, ⌈w/2⌉, second)."""
    residual = net.add(Conv2D(second, 1, strides=2, padding="same", use_bias=False), x)
    residual = net.add(BatchNormalization(), residual)

    if starts_with_relu:
        x = relu(net, x, f"{block}_sepconv1_act")
    x = separable_convolution(net, x, first, f"{block}_sepconv1")
    x = relu(net, x, f"{block}_sepconv2_act")
    x = separable_convolution(net, x, second, f"{block}_sepconv2")
    x = net.add(MaxPooling2D(3, strides=2, padding="same"), x, name=f"{block}_pool")
    return net.add(Add(), x, residual)


def convolution(net: Graph, x: str, filters: int, name: str, strides: int = 1) -> str:
    x = net.add(Conv2D(filters, 3, strides, use_bias=False), x, name=name)
    return net.add(BatchNormalization(), x, name=f"{name}_bn")


def separable_convolution(net: Graph, x: str, filters: int, name: str) -> str:
    x = net.add(SeparableConv2D(filters, 3, padding="same", use_bias=False), x, name=name)
    return net.add(BatchNormalization(), x, name=f"{name}_bn")


def relu(net: Graph, x: str, name: str) -> str:
    return net.add(Activation("relu"), x, name=name)
