"""Gradient rule of layers that are applied to every frame."""

import numpy as np
import pytest
from gradient_checks import (
    VECTOR,
    check_differences,
    check_float32,
    check_parameter_differences,
    check_parameter_float32,
    layer_id,
    with_parameters,
)

from xception import layers
from xception.errors import NoGradientError
from xception.gradients import backward
from xception.layers import TimeDistributed

FRAMES = (3, 4, 5, 2)
LAYERS = [
    (TimeDistributed(layers.Conv2D(3, 2, activation="tanh")), [FRAMES]),
    (TimeDistributed(layers.BatchNormalization()), [FRAMES]),
    (TimeDistributed(layers.GlobalAveragePooling2D()), [FRAMES]),
    (TimeDistributed(layers.Dense(4)), [(3, *VECTOR)]),
    (TimeDistributed(layers.Multiply()), [FRAMES, FRAMES]),
    (TimeDistributed(TimeDistributed(layers.MaxPooling2D(2))), [(2, *FRAMES)]),
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


def test_a_layer_within_that_has_no_rule_is_refused():
    layer = TimeDistributed(layers.Input((4, 5, 2)))
    with pytest.raises(NoGradientError, match="no gradient rule"):
        backward(TimeDistributed(layers.Layer()), {}, np.ones((1, 3, 2)), np.ones((1, 3, 2)))
    assert backward(layer, {}, np.ones((1, *FRAMES)), np.ones((1, *FRAMES))).shape == (1, *FRAMES)
