"""Gradient rules of activations."""

import numpy as np
import pytest
from gradient_checks import (
    MAP,
    VECTOR,
    check_differences,
    check_float32,
    check_parameter_differences,
    check_parameter_float32,
    layer_id,
    with_parameters,
)

from xception import layers
from xception.gradients import backward
from xception.layers import ACTIVATIONS

LAYERS = [
    *((layers.Activation(name), [(3, 4)]) for name in ACTIVATIONS),
    (layers.Activation(layers.LeakyReLU(0.1)), [MAP]),
    (layers.ReLU(max_value=0.8, negative_slope=0.2, threshold=0.3), [MAP]),
    (layers.LeakyReLU(), [MAP]),
    (layers.PReLU(shared_axes=(1, 2)), [MAP]),
    (layers.PReLU(), [VECTOR]),
    (layers.ELU(0.7), [MAP]),
    (layers.ThresholdedReLU(0.5), [MAP]),
    (layers.Softmax(), [VECTOR]),
    (layers.Softmax(axis=(1, 2)), [MAP]),
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


def test_relu_has_slope_0_at_0_as_in_tensorflow():
    x, dy = np.zeros((1, 3)), np.ones((1, 3))
    for layer in (layers.Activation("relu"), layers.ReLU()):
        np.testing.assert_array_equal(backward(layer, {}, dy, x), 0)
