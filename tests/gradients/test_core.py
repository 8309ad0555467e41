"""Gradient rules of dense and identity layers, and of arithmetic."""

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
from xception.layers.core import BINARY, UNARY

LAYERS = [
    (layers.Dense(3), [VECTOR]),
    (layers.Dense(3, "softmax"), [VECTOR]),
    (layers.Dense(3, "tanh", use_bias=False), [(2, 3, 4)]),
    (layers.Dense(3, "log_softmax"), [MAP]),
    *((layers.Arithmetic(name), [MAP]) for name in UNARY),
    *((layers.Arithmetic(name), [MAP, (1, 6, 1)]) for name in BINARY),
    (layers.Arithmetic("subtract", 0.5, constant_first=True), [MAP]),
    (layers.Arithmetic("divide", (1.0, 2.0, 3.0, 4.0)), [MAP]),
    (layers.Arithmetic("divide", 2.0, constant_first=True), [MAP]),
    (layers.Arithmetic("power", 3.0), [MAP]),
    (layers.Arithmetic("multiply", ((1.0,), (2.0,), (3.0,))), [(1, 1, 4)]),
    (layers.Dropout(), [MAP]),
    (layers.TrainingOnly("RandomFlip"), [MAP]),
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
