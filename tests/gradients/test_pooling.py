"""Gradient rules of pooling."""

import numpy as np
import pytest
from gradient_checks import MAP, check_differences, check_float32, layer_id

from xception import layers
from xception.gradients import backward

LAYERS = [
    *(
        (kind(pool_size, strides, padding), [MAP])
        for kind in (layers.MaxPooling2D, layers.AveragePooling2D)
        for pool_size, strides, padding in [
            (3, 2, "same"), (2, 2, "valid"), ((3, 2), (1, 3), "same"), (2, 3, "same"),
        ]
    ),
    (layers.GlobalAveragePooling2D(), [MAP]),
    (layers.GlobalAveragePooling2D(keepdims=True), [MAP]),
    (layers.GlobalMaxPooling2D(), [MAP]),
    (layers.GlobalMaxPooling2D(keepdims=True), [MAP]),
    (layers.GlobalAveragePooling1D(), [(5, 4)]),
    (layers.GlobalMaxPooling1D(keepdims=True), [(5, 4)]),
    (layers.GlobalAveragePooling3D(keepdims=True), [(2, 3, 4, 2)]),
    (layers.GlobalMaxPooling3D(), [(2, 3, 4, 2)]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)


def test_the_first_of_several_maxima_of_a_window_gets_the_gradient_as_in_tensorflow():
    dx = backward(layers.MaxPooling2D(2), {}, np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0], [0, 0]])


def test_all_maxima_of_a_feature_map_share_the_gradient_as_in_tensorflow():
    dx = backward(layers.GlobalMaxPooling2D(), {}, np.ones((1, 1)), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(dx, 0.25)
