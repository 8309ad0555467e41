"""Gradient rules of normalization."""

import numpy as np
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
from xception.gradients import parameter_gradients

LAYERS = [
    (layers.BatchNormalization(), [MAP]),
    (layers.BatchNormalization(scale=False), [VECTOR]),
    (layers.LayerNormalization(), [MAP]),
    (layers.LayerNormalization(axis=(3, 1)), [MAP]),
    (layers.LayerNormalization(center=False), [VECTOR]),
    (layers.RMSNormalization(), [VECTOR]),
    (layers.RMSNormalization(axis=(1, 3)), [MAP]),
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


def test_gammas_gradient_keeps_its_digits_where_the_mean_is_large():
    """Σ dy·x − mean · Σ dy would be wrong in the second digit here."""
    rng = np.random.default_rng(4)
    x, dy = rng.normal(300, 0.5, (2, 16, 16, 3)), rng.normal(size=(2, 16, 16, 3))
    parameters = {
        "gamma": np.ones(3), "beta": np.zeros(3),
        "moving_mean": x.mean(axis=(0, 1, 2)), "moving_variance": x.var(axis=(0, 1, 2)),
    }  # fmt: skip
    layer = layers.BatchNormalization()
    x = x.astype(np.float32)
    single = {name: array.astype(np.float32) for name, array in parameters.items()}
    parameters["moving_mean"] = single["moving_mean"].astype(np.float64)
    exact = parameter_gradients(layer, parameters, dy, x.astype(np.float64))["gamma"]
    np.testing.assert_allclose(
        parameter_gradients(layer, single, dy.astype(np.float32), x)["gamma"], exact, rtol=1e-4
    )
