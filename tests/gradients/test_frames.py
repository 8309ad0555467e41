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
from xception.gradients import backward, parameter_gradients
from xception.gradients.rules import has_parameter_gradients
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


@pytest.mark.parametrize(
    ("layer", "can_be_trained"),
    [
        (layers.Dense(3), True),
        (layers.Conv1D(3, 2), True),
        (TimeDistributed(TimeDistributed(layers.Dense(3))), True),
        (layers.LSTM(3), False),
        (TimeDistributed(layers.LSTM(3)), False),
        (layers.Bidirectional(layers.LSTM(3)), False),
        (layers.MultiHeadAttention(2, 3), False),
    ],
    ids=layer_id,
)
def test_it_is_known_beforehand_which_layers_can_be_trained(layer, can_be_trained):
    assert has_parameter_gradients(layer) is can_be_trained


def test_parameters_of_recurrent_layers_are_refused():
    with pytest.raises(NoGradientError, match="the parameters of this kind of layer have no gradient rule"):
        parameter_gradients(layers.LSTM(3), {}, np.ones((1, 3)), np.ones((1, 2, 4)))
