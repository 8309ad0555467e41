"""Gradient rules of image preprocessing."""

import dataclasses

import numpy as np
import pytest
from gradient_checks import MAP, check_differences, check_float32, layer_id

from xception import layers
from xception.gradients import backward

LAYERS = [
    (layers.Resizing(7, 3, interpolation="bicubic"), [MAP]),
    (layers.Resizing(3, 4, antialias=True), [MAP]),
    (layers.Rescaling(0.3, offset=(1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Rescaling((0.1, 0.2, 0.3, 0.4)), [MAP]),
    (layers.Normalization(mean=(0.1, 0.2, 0.3, 0.4), variance=(1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Normalization(invert=True), [MAP]),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)


def test_resizing_that_keeps_the_aspect_ratio_has_no_gradient():
    layer = dataclasses.replace(layers.Resizing(4, 4), crop_to_aspect_ratio=True)
    with pytest.raises(ValueError, match="aspect ratio"):
        backward(layer, {}, np.ones((1, 4, 4, 1)), np.ones((1, 6, 6, 1)))
