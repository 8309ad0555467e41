"""Gradient rules of Deeplearning4j's layers."""

import pytest
from gradient_checks import MAP, check_differences, check_float32, layer_id

from xception import layers

LAYERS = [
    *((layers.PaddedPooling2D(3, 2, 1, mode), [MAP]) for mode in ("max", "avg", "sum", "pnorm")),
    (layers.PaddedPooling2D((2, 3), (1, 2), "same", "max", counts_padding=True), [MAP]),
    (layers.PaddedPooling2D((2, 3), (1, 2), "same", "avg", counts_padding=True), [MAP]),
    (layers.PaddedPooling2D(2, 2, ((0, 1), (2, 0)), "pnorm", pnorm=3), [MAP]),
    (layers.GlobalPNormPooling2D(3), [MAP]),
    (layers.GlobalPNormPooling2D(2, keepdims=True), [MAP]),
    (layers.LocalResponseNormalization(2, 3, 0.1, 0.75), [MAP]),
    (layers.LocalResponseNormalization(1, 9, 0.1, 0.5), [MAP]),
    (layers.Cube(), [MAP]),
    (layers.RationalTanh(), [MAP]),
]


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_gradients_equal_central_differences(layer, shapes):
    check_differences(layer, shapes)


@pytest.mark.parametrize(("layer", "shapes"), LAYERS, ids=layer_id)
def test_float32_stays_float32(layer, shapes):
    check_float32(layer, shapes)
