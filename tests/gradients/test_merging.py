"""Gradient rules of layers with several inputs."""

import numpy as np
import pytest
from gradient_checks import MAP, check_differences, check_float32, layer_id

from xception import layers
from xception.gradients import backward

LAYERS = [
    *(
        (kind(), shapes)
        for kind in (layers.Add, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
        for shapes in [(MAP, MAP, MAP), (MAP, (1, 1, 4), (4,)), ((5, 1, 4), (1, 6, 4))]
    ),
    (layers.Subtract(), [MAP, (1, 1, 4)]),
    (layers.Concatenate(), [MAP, (5, 6, 2)]),
    (layers.Concatenate(axis=1), [MAP, (1, 6, 4), MAP]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)


def test_the_first_of_equal_inputs_gets_the_gradient_as_in_tensorflow():
    x = np.ones((1, 2))
    for layer in (layers.Maximum(), layers.Minimum(), layers.Arithmetic("maximum")):
        first, second = backward(layer, {}, x, x, x)
        np.testing.assert_array_equal(first, 1)
        np.testing.assert_array_equal(second, 0)
