"""Gradient rules of reshaping."""

import pytest
from gradient_checks import MAP, VECTOR, check_differences, check_float32, layer_id

from xception import layers

LAYERS = [
    (layers.Flatten(), [MAP]),
    (layers.Reshape((6, -1)), [MAP]),
    (layers.Permute((3, 1, 2)), [MAP]),
    (layers.RepeatVector(3), [VECTOR]),
    (layers.ZeroPadding2D(((1, 0), (2, 3))), [MAP]),
    (layers.Cropping2D(((1, 0), (2, 1))), [MAP]),
    (layers.UpSampling2D((2, 3)), [MAP]),
    (layers.UpSampling2D(2, interpolation="bilinear"), [MAP]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)
