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
    differentiate,
    draw,
    layer_id,
    with_parameters,
)

from xception import layers
from xception.gradients import parameter_gradients
from xception.gradients.normalization import (
    backward_batch_statistics,
    batch_statistics,
    batch_sums,
    normalize_batch,
)

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


# --- statistics of the batch ----------------------------------------------------------------

BATCH_LAYERS = [
    (layers.BatchNormalization(), (3, 4)),
    (layers.BatchNormalization(epsilon=0.1), (2, 3, 4)),
    (layers.BatchNormalization(scale=False), (4,)),
    (layers.BatchNormalization(center=False, scale=False), (2, 3)),
]


def test_batch_statistics_are_the_mean_and_the_biased_variance():
    x = np.array([[[1.0, 0.0], [3.0, 0.0]], [[5.0, 6.0], [7.0, 2.0]]])
    mean, variance = batch_statistics(x)
    np.testing.assert_allclose(mean, [4, 2])
    np.testing.assert_allclose(variance, [5, 6])


@pytest.mark.parametrize(("layer", "shape"), BATCH_LAYERS, ids=layer_id)
def test_gradients_through_the_statistics_of_a_batch_equal_central_differences(layer, shape):
    (x,), parameters = draw(layer, [shape])
    dy = np.random.default_rng(2).normal(size=x.shape)

    def loss(x, parameters):
        return (dy * normalize_batch(layer, parameters, x, *batch_statistics(x))).sum()

    statistics = batch_statistics(x)
    dx = backward_batch_statistics(layer, parameters, dy, x, *statistics)
    np.testing.assert_allclose(dx, differentiate(lambda x: loss(x, parameters), x), rtol=1e-6, atol=1e-7)

    gradients = batch_sums(layer, dy, x, *statistics).parameter_gradients(layer)
    assert list(gradients) == ["gamma"] * layer.scale + ["beta"] * layer.center
    for name, dw in gradients.items():
        expected = differentiate(lambda w, name=name: loss(x, {**parameters, name: w}), parameters[name])
        np.testing.assert_allclose(dw, expected, rtol=1e-6, atol=1e-7)


def test_parts_of_a_batch_give_the_gradients_of_the_whole():
    layer = layers.BatchNormalization()
    parameters = draw(layer, [MAP])[1]
    x, dy = np.random.default_rng(3).normal(size=(2, 5, *MAP))
    statistics = batch_statistics(x)
    whole = batch_sums(layer, dy, x, *statistics)
    parts = [slice(0, 2), slice(2, 5)]
    first, second = (batch_sums(layer, dy[part], x[part], *statistics) for part in parts)
    sums = first + second
    np.testing.assert_allclose(sums.gamma, whole.gamma)
    np.testing.assert_allclose(sums.beta, whole.beta)
    expected = backward_batch_statistics(layer, parameters, dy, x, *statistics)
    for part in parts:
        dx = backward_batch_statistics(layer, parameters, dy[part], x[part], *statistics, sums)
        np.testing.assert_allclose(dx, expected[part])


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
