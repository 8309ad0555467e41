"""The interface that all layers share."""

import numpy as np

from xception import layers


def test_layers_do_not_modify_their_inputs():
    x = np.random.default_rng(1).normal(size=(1, 4, 4, 2)).astype(np.float32)
    before = x.copy()
    for layer in (
        layers.Activation("relu"), layers.Activation("softmax"), layers.BatchNormalization(),
        layers.MaxPooling2D(2), layers.Conv2D(2, 1), layers.Dense(2),
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        parameters = {name: p.initial_value(rng) for name, p in layer.parameters((4, 4, 2)).items()}
        assert layer.forward(parameters, x).dtype == np.float32
        np.testing.assert_array_equal(x, before)
    layers.Add().forward({}, x, x, x)
    np.testing.assert_array_equal(x, before)
