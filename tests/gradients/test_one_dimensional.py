"""Gradient rules of the layers for sequences."""

import pytest
from gradient_checks import (
    check_differences,
    check_float32,
    check_parameter_differences,
    check_parameter_float32,
    layer_id,
    with_parameters,
)

from xception import layers

SEQUENCE = (7, 4)
LAYERS = [
    (layers.Conv1D(3, 3, 2, "causal", activation="gelu"), [SEQUENCE]),
    (layers.Conv1D(4, 3, padding="same", groups=2), [SEQUENCE]),
    (layers.Conv1D(3, 2, padding="causal", dilation_rate=3), [SEQUENCE]),
    (layers.SeparableConv1D(3, 3, 1, "causal", 2), [SEQUENCE]),
    (layers.DepthwiseConv1D(3, 2, "same", 2), [SEQUENCE]),
    (layers.Conv1DTranspose(3, 3, 2, "same"), [SEQUENCE]),
    (layers.Conv1DTranspose(3, 3, 3, output_padding=2), [SEQUENCE]),
    (layers.MaxPooling1D(3, 2, "same"), [SEQUENCE]),
    (layers.AveragePooling1D(3, 2, "same"), [SEQUENCE]),
    (layers.ZeroPadding1D((1, 2)), [SEQUENCE]),
    (layers.Cropping1D((1, 2)), [SEQUENCE]),
    (layers.UpSampling1D(3), [SEQUENCE]),
]


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
