"""The layers that Keras's published models define for themselves."""

import numpy as np
import pytest

from xception import layers


def test_layer_scale_multiplies_channels():
    layer = layers.LayerScale(1e-6, 3)
    gamma = layer.parameters((2, 2, 3))["gamma"]
    np.testing.assert_array_equal(gamma.initial_value(np.random.default_rng(0)), np.full(3, 1e-6, np.float32))
    y = layer.forward({"gamma": np.array([1.0, 2.0, 3.0])}, np.ones((1, 2, 2, 3)))
    np.testing.assert_array_equal(y[0, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="takes 3 channels"):
        layer.parameters((2, 2, 4))


def test_custom_scale_layer_adds_the_scaled_residual():
    y = layers.CustomScaleLayer(0.5).forward({}, np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]]))
    np.testing.assert_array_equal(y, [[6, 12]])
    with pytest.raises(ValueError, match="compatible"):
        layers.CustomScaleLayer(0.5).output_shape((2,), (3,))


def test_stochastic_depth_acts_in_training_only():
    assert layers.StochasticDepth(0.3).identity
