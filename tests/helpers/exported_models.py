"""Small models that are exported for Deeplearning4j."""

import numpy as np

import xception
from xception.layers import (
    ELU,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    LeakyReLU,
    MaxPooling2D,
    Normalization,
    PReLU,
    ReLU,
    Rescaling,
    SeparableConv2D,
    UpSampling2D,
    ZeroPadding2D,
)

#: Layers after an input of 11×9, the first version that restores them, and the layout.
EXPORTED = {
    "flattened for dense layers": (
        [Conv2D(4, 3, activation="relu"), Flatten(), Dropout(0.5), Activation("tanh"), Dense(5, "softmax")],
        "beta2", "NCHW",
    ),
    "flattened for another layer": (
        [Conv2D(4, 3), Flatten(), BatchNormalization(), Dense(5, "softmax")], "beta7", "NHWC",
    ),
    "softmax of maps": ([Conv2D(4, 3, activation="softmax"), GlobalAveragePooling2D()], "beta7", "NHWC"),
    "dilated": ([Conv2D(4, 3, padding="same", dilation_rate=2), LeakyReLU(0.2)], "beta6", "NCHW"),
    "scaled": ([Rescaling(1 / 127.5, -1), Conv2D(4, 3), GlobalMaxPooling2D()], "beta2", "NCHW"),
    "scaled by channel": (
        [Rescaling((0.1, 0.2, 0.3), (-1.0, 0.0, 1.0)), Conv2D(4, 3), ReLU(1.0, 0.1, 0.2)], "beta5", "NCHW",
    ),
    "normalized": (
        [Normalization(mean=(0.1, 0.2, 0.3), variance=(1.0, 2.0, 3.0)),
         DepthwiseConv2D(3, depth_multiplier=2, padding="same"), ELU(0.7), AveragePooling2D(3, 2, "same")],
        "beta4", "NCHW",
    ),
    "enlarged": (
        [Conv2DTranspose(4, 3, 2, "same"), Cropping2D(((1, 0), (2, 1))), ZeroPadding2D(((1, 2), (0, 3))),
         UpSampling2D(2), MaxPooling2D(3, 2, "same"), PReLU((1, 2))],
        "beta6", "NCHW",
    ),
    "multiplied": (
        [SeparableConv2D(5, (2, 3), padding="same", depth_multiplier=2, activation="silu"), Dense(3, "elu")],
        "beta2", "NCHW",
    ),
    "normalized last": ([Conv2D(4, 3), BatchNormalization()], "beta2", "NCHW"),
    "normalized alone": ([Normalization(mean=(0.1, 0.2, 0.3), variance=(1.0, 2.0, 3.0))], "beta2", "NCHW"),
    "separable with one channel": (
        [Conv2D(1, 1), SeparableConv2D(3, (3, 2), 2, "same", depth_multiplier=2, activation="relu")],
        "beta2", "NCHW",
    ),
    "cropped after softmax": (
        [Conv2D(4, 3, activation="softmax"), Cropping2D(1), Conv2D(2, 3)], "M1.1", "NHWC",
    ),
    "without parameters": ([MaxPooling2D(3, 2, "same"), Activation("tanh")], "beta2", "NCHW"),
    "pooled as in PyTorch": (
        [MaxPooling2D(3, 1, "same"), MaxPooling2D(1, 2, "same"), Conv2D(2, 1)], "beta2", "NCHW",
    ),
}  # fmt: skip


def model_of(layers, shape=(11, 9, 3)):
    graph = xception.Graph("model")
    x = graph.add(Input(shape), name="in")
    for layer in layers:
        x = graph.add(layer, x)
    model = xception.Model(graph, seed=1)
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(a) + 0.1 if a.ndim == 1 else a + rng.normal(0, 0.1, a.shape)
                       for a in model.get_weights()])  # fmt: skip
    return model
