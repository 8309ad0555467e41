"""Gradient rules of convolutions."""

import pytest
from gradient_checks import (
    MAP,
    check_differences,
    check_float32,
    check_parameter_differences,
    check_parameter_float32,
    layer_id,
    with_parameters,
)

from xception import layers

LAYERS = [
    *(
        (layers.Conv2D(6, window, strides, padding, groups=groups), [MAP])
        for window, strides, padding, groups in [
            (1, 1, "valid", 1), (1, 2, "same", 1), (3, 1, "same", 2), (3, 2, "same", 1),
            ((2, 3), (1, 2), "valid", 1),
        ]
    ),
    (layers.Conv2D(8, 3, padding="same", dilation_rate=2, groups=4, activation="tanh"), [MAP]),
    (layers.Conv2D(3, 2, strides=(3, 1), padding="valid", dilation_rate=(1, 2), use_bias=False), [MAP]),
    (layers.Conv2D(8, 2, groups=4), [MAP]),
    (layers.SeparableConv2D(5, 3, padding="same"), [MAP]),
    (layers.SeparableConv2D(5, (2, 3), strides=(2, 1), padding="same", use_bias=False), [MAP]),
    (layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2, activation="relu"), [MAP]),
    (layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2), [MAP]),
    (layers.DepthwiseConv2D((2, 3), dilation_rate=2, activation="sigmoid"), [(6, 7, 4)]),
    (layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="softplus"), [MAP]),
    (layers.Conv2DTranspose(3, 2, strides=3), [MAP]),
    (layers.Conv2DTranspose(3, 3, strides=2, output_padding=1), [MAP]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), with_parameters(LAYERS), ids=layer_id)
def test_parameter_gradients_equal_central_differences(layer, shapes):
    check_parameter_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), with_parameters(LAYERS), ids=layer_id)
def test_parameter_gradients_stay_float32(layer, shapes):
    check_parameter_float32(layer, shapes)
