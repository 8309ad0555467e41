"""The Xception network: 14 blocks, as figure 5 of the paper draws them.

F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.
https://arxiv.org/abs/1610.02357

Nodes have the names that Keras Applications gives them, so that a weights file, a summary and an
error message all refer to the same node. Keras leaves the projections of blocks 2, 3, 4 and 13 and
the residual sums unnamed; they are numbered here as in a fresh Keras session.

The order in which nodes are created is that of Keras's own script, which creates the projection
first in each block: the layers of the published weights are numbered in this order.

Each function appends nodes to the one named `x`, and returns the name of the last node.
"""

from __future__ import annotations

from typing import Literal

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

#: Pixels of height and width. Keras's limit, at which the last feature maps are 3×3.
MIN_IMAGE_SIZE = 71
POOLINGS = {"avg": GlobalAveragePooling2D, "max": GlobalMaxPooling2D}


def xception(
    input_shape: Shape = (299, 299, 3),
    include_top: bool = True,
    pooling: Literal["avg", "max"] | None = None,
    classes: int = 1000,
    classifier_activation: str = "softmax",
) -> Graph:
    """Build the network, 134 nodes with the classifier. Shapes in comments are for 299×299 pixels.

    Args:
        input_shape: (height, width, channels) of an image. None accepts any size of at least
            `MIN_IMAGE_SIZE`.
        include_top: Whether to add global average pooling and the classifier.
        pooling: Global pooling of the last feature maps, (10, 10, 2048) -> (2048,), or None for the maps
            themselves. Ignored with the classifier.
        classes: Number of classes.
        classifier_activation: Activation of the classifier; "linear" gives logits.

    Raises:
        ValueError: An argument is out of range, such as an input smaller than `MIN_IMAGE_SIZE`.
    """
    if pooling not in (None, *POOLINGS):
        raise ValueError(f'pooling must be None, "avg" or "max", got {pooling!r}')
    net = Graph("xception")
    x = net.add(Input(input_shape, MIN_IMAGE_SIZE))  # (299, 299, 3)
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
    """Add blocks 1 to 4, from pixels to feature maps: (299, 299, 3) -> (19, 19, 728)."""
    x = convolution(net, x, 32, "block1_conv1", strides=2)  # (149, 149, 32)
    x = relu(net, x, "block1_conv1_act")
    x = convolution(net, x, 64, "block1_conv2")  # (147, 147, 64)
    x = relu(net, x, "block1_conv2_act")
    x = halving_block(net, x, "block2", 128, 128, starts_with_relu=False)  # (74, 74, 128)
    x = halving_block(net, x, "block3", 256, 256)  # (37, 37, 256)
    return halving_block(net, x, "block4", 728, 728)  # (19, 19, 728)


def middle_flow(net: Graph, x: str) -> str:
    """Add blocks 5 to 12, eight alike: (19, 19, 728) -> (19, 19, 728)."""
    for block in range(5, 13):
        x = residual_block(net, x, f"block{block}", 728)
    return x


def exit_flow(net: Graph, x: str) -> str:
    """Add blocks 13 and 14: (19, 19, 728) -> (10, 10, 2048)."""
    x = halving_block(net, x, "block13", 728, 1024)  # (10, 10, 1024)
    for step, filters in ((1, 1536), (2, 2048)):
        name = f"block14_sepconv{step}"
        x = separable_convolution(net, x, filters, name)  # (10, 10, filters)
        x = relu(net, x, f"{name}_act")
    return x


def halving_block(
    net: Graph, x: str, block: str, first: int, second: int, starts_with_relu: bool = True
) -> str:
    """Add a block that halves the feature maps: (h, w, c) -> (⌈h/2⌉, ⌈w/2⌉, second).

    Two separable convolutions, with `first` and `second` output channels, are followed by max pooling. The
    result is added to a projection of the input, a 1×1 convolution with strides of 2. Block 2 does not
    start with a ReLU, because block 1 ends with one.
    """
    residual = net.add(Conv2D(second, 1, strides=2, padding="same", use_bias=False), x)
    residual = net.add(BatchNormalization(), residual)

    if starts_with_relu:
        x = relu(net, x, f"{block}_sepconv1_act")
    x = separable_convolution(net, x, first, f"{block}_sepconv1")
    x = relu(net, x, f"{block}_sepconv2_act")
    x = separable_convolution(net, x, second, f"{block}_sepconv2")
    x = net.add(MaxPooling2D(3, strides=2, padding="same"), x, name=f"{block}_pool")
    return net.add(Add(), x, residual)


def residual_block(net: Graph, x: str, block: str, filters: int) -> str:
    """Add a block of three separable convolutions, whose result is added to its input.

    The shape (h, w, filters) does not change, so the residual connection needs no projection.
    """
    residual = x
    for step in (1, 2, 3):
        x = relu(net, x, f"{block}_sepconv{step}_act")
        x = separable_convolution(net, x, filters, f"{block}_sepconv{step}")
    return net.add(Add(), x, residual)


def convolution(net: Graph, x: str, filters: int, name: str, strides: int = 1) -> str:
    """Add a 3×3 convolution without padding, and batch normalization: (h, w, c) -> (oh, ow, filters)."""
    x = net.add(Conv2D(filters, 3, strides, use_bias=False), x, name=name)
    return net.add(BatchNormalization(), x, name=f"{name}_bn")


def separable_convolution(net: Graph, x: str, filters: int, name: str) -> str:
    """Add a 3×3 separable convolution, and batch normalization: (h, w, c) -> (h, w, filters)."""
    x = net.add(SeparableConv2D(filters, 3, padding="same", use_bias=False), x, name=name)
    return net.add(BatchNormalization(), x, name=f"{name}_bn")


def relu(net: Graph, x: str, name: str) -> str:
    """Add a ReLU. The shape does not change."""
    return net.add(Activation("relu"), x, name=name)
