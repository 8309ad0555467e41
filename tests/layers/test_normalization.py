"""Normalization layers against their formulas, in float64."""

import numpy as np

from xception import layers

RNG = np.random.default_rng(0)


def test_batch_normalization():
    x = RNG.normal(size=(2, 3, 4, 5))
    layer = layers.BatchNormalization(epsilon=1e-3)
    shapes = layer.parameters((3, 4, 5))
    assert list(shapes) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [p.trainable for p in shapes.values()] == [True, True, False, False]
    gamma, beta, mean = RNG.normal(size=(3, 5))
    variance = RNG.random(5)
    parameters = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(layer.forward(parameters, x), expected, atol=1e-12)


def test_layer_group_and_unit_normalization():
    x = RNG.normal(size=(2, 3, 4, 6)) * 3 + 1
    gamma, beta = RNG.normal(size=(2, 6))
    parameters = {"gamma": gamma, "beta": beta}
    centred = x - x.mean(-1, keepdims=True)
    expected = gamma * centred / np.sqrt(x.var(-1, keepdims=True) + 1e-3) + beta
    np.testing.assert_allclose(layers.LayerNormalization().forward(parameters, x), expected)
    for groups, members in ((2, 3), (1, 6), (6, 1), (-1, 1)):
        y = layers.GroupNormalization(groups, center=False, scale=False, epsilon=0).forward({}, x)
        for start in range(0, 6, members):
            part = y[..., start : start + members]
            np.testing.assert_allclose(part.mean((1, 2, 3)), 0, atol=1e-12)
            np.testing.assert_allclose(part.var((1, 2, 3)), 1)
    unit = layers.UnitNormalization([1, 2]).forward({}, x)
    np.testing.assert_allclose(np.square(unit).sum((1, 2)), 1)
    assert not layers.UnitNormalization().forward({}, np.zeros((1, 3))).any()
