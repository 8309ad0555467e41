"""Gradient rules of normalization."""

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

LAYERS = [
    (layers.BatchNormalization(), [MAP]),
    (layers.BatchNormalization(scale=False), [VECTOR]),
    (layers.LayerNormalization(), [MAP]),
    (layers.GroupNormalization(groups=2), [MAP]),
    (layers.GroupNormalization(groups=-1, scale=False), [MAP]),
    (layers.UnitNormalization(axis=(1, 3)), [MAP]),
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
