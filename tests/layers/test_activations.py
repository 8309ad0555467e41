"""Activation functions and layers against values computed by hand."""

import numpy as np
import pytest

from xception import layers


def test_activations_at_extreme_values():
    x = np.array([[-800.0, -1.0, 0.0, 1.0, 800.0]])

    def act(name):
        return layers.Activation(name).forward({}, x)[0]

    np.testing.assert_array_equal(act("linear"), x[0])
    np.testing.assert_array_equal(act("relu"), [0, 0, 0, 1, 800])
    np.testing.assert_array_equal(act("tanh"), np.tanh(x[0]))
    np.testing.assert_allclose(act("sigmoid"), [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1])
    np.testing.assert_allclose(act("softmax"), [0, 0, 0, 0, 1])
    np.testing.assert_allclose(layers.Activation("softmax").forward({}, x / 800).sum(), 1)


def test_no_activation_warns_or_changes_the_type():
    x = np.array([[-1e38, -1e5, -30, -1, -1e-30, 0, 1e-30, 1, 30, 1e5, 1e38]], np.float32)
    for name, function in layers.ACTIVATIONS.items():
        for dtype in (np.float32, np.float64):
            y = function(x.astype(dtype))
            assert y.dtype == dtype, name
            assert not np.isnan(y).any(), name
            assert np.isfinite(y[0, :9]).all(), name


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("relu6", 0, 2), ("leaky_relu", -0.2, 2), ("elu", np.exp(-1) - 1, 2), ("celu", np.exp(-1) - 1, 2),
        ("selu", 1.05070098 * 1.67326324 * (np.exp(-1) - 1), 2.10140197), ("gelu", -0.15865525, 1.95449974),
        ("gelu_tanh", -0.15880801, 1.95459769),
        ("silu", -1 / (1 + np.e), 2 / (1 + np.exp(-2))), ("hard_silu", -1 / 3, 5 / 3),
        ("mish", -np.tanh(np.log(1 + np.exp(-1))), 2 * np.tanh(np.log(1 + np.exp(2)))),
        ("softplus", np.log(1 + np.exp(-1)), np.log(1 + np.exp(2))), ("softsign", -1 / 2, 2 / 3),
        ("squareplus", (5**0.5 - 1) / 2, 1 + 2**0.5), ("exponential", np.exp(-1), np.exp(2)),
        ("hard_sigmoid", 1 / 3, 5 / 6), ("hard_sigmoid_keras2", 0.3, 0.9), ("hard_tanh", -1, 1),
        ("log_sigmoid", -np.log(1 + np.e), -np.log(1 + np.exp(-2))),
        ("log_softmax", -np.log(1 + np.exp(3)), -np.log(1 + np.exp(-3))),
        ("soft_shrink", -0.5, 1.5), ("hard_shrink", -1, 2), ("tanh_shrink", np.tanh(1) - 1, 2 - np.tanh(2)),
        ("sparse_plus", 0, 2), ("sparse_sigmoid", 0, 1),
    ],
)  # fmt: skip
def test_activation_by_hand(name, at_minus_one, at_two):
    y = layers.Activation(name).forward({}, np.array([[-1.0, 2.0]]))
    np.testing.assert_allclose(y, [[at_minus_one, at_two]], rtol=1e-7)


def test_rectifiers_by_hand():
    x = np.array([[-2.0, 0.5, 1.0, 4.0]])

    def compute(layer, **parameters):
        return layer.forward(parameters, x)[0].tolist()

    assert compute(layers.ReLU()) == [0, 0.5, 1, 4]
    assert compute(layers.ReLU(max_value=3, negative_slope=0.5, threshold=0.75)) == [-1.375, -0.125, 1, 3]
    assert compute(layers.LeakyReLU(0.5)) == [-1, 0.5, 1, 4]
    assert compute(layers.ThresholdedReLU(1)) == [0, 0, 0, 4]
    assert compute(layers.PReLU(), alpha=np.array([3, 9, 9, 9])) == [-6, 0.5, 1, 4]
    assert compute(layers.ELU(2)) == pytest.approx([2 * np.exp(-2) - 2, 0.5, 1, 4])
    assert layers.PReLU([1, 2]).parameters((3, 4, 5))["alpha"].shape == (1, 1, 5)
    assert layers.PReLU([1, 2]).parameters((None, None, 5))["alpha"].shape == (1, 1, 5)


def test_layers_can_be_the_activation_of_another_layer():
    x, weights = np.array([[-2.0, 4.0]]), {"kernel": np.eye(2), "bias": np.ones(2)}
    for activation, expected in [
        (layers.LeakyReLU(0.5), [-0.5, 5]), (layers.ReLU(3), [0, 3]), (layers.Activation("relu"), [0, 5]),
        (None, [-1, 5]),
    ]:  # fmt: skip
        layer = layers.Dense(2, activation)
        assert layer.forward(weights, x)[0].tolist() == expected
        assert layers.Activation(activation).forward({}, x + 1)[0].tolist() == expected
    assert layers.Dense(2, layers.Activation("relu")) == layers.Dense(2, "relu")
