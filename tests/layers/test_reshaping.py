"""Reshaping layers against NumPy."""

import numpy as np
import pytest

from xception import layers

RNG = np.random.default_rng(0)


def test_reshaping_layers():
    x = RNG.normal(size=(2, 3, 4, 5))
    for layer, expected in [
        (layers.Reshape([-1, 10]), x.reshape(2, 6, 10)),
        (layers.Permute((3, 1, 2)), x.transpose(0, 3, 1, 2)),
        (layers.ZeroPadding2D(((1, 0), (0, 2))), np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))),
        (layers.ZeroPadding2D((1, 2)), np.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)))),
        (layers.Cropping2D(((1, 0), (0, 2))), x[:, 1:, :2]),
        (layers.Cropping2D(1), x[:, 1:-1, 1:-1]),
        (layers.UpSampling2D((1, 2)), x.repeat(2, axis=2)),
    ]:
        np.testing.assert_allclose(layer.forward({}, x), expected)
        assert layer.output_shape((3, 4, 5)) == expected.shape[1:]
        assert len(layer.output_shape((None, None, 5))) == expected.ndim - 1


def test_flatten():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(layers.Flatten().forward({}, x), x.reshape(2, 60))
    assert layers.Flatten().output_shape((3, 4, 5)) == (60,)
    assert layers.Flatten().output_shape((None, 4, 5)) == (None,)


def test_repeat_vector():
    layer = layers.RepeatVector(3)
    assert layer.forward({}, RNG.normal(size=(2, 5))).shape == (2, *layer.output_shape((5,)))


def test_rolling_and_sums_up_to_each_element():
    x = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(layers.Roll(1, -1).forward({}, x), [[[2, 0, 1], [5, 3, 4]]])
    np.testing.assert_array_equal(layers.Roll((1, -1), (1, 2)).forward({}, x), [[[4, 5, 3], [1, 2, 0]]])
    np.testing.assert_array_equal(layers.Cumsum(2).forward({}, x), [[[0, 1, 3], [3, 7, 12]]])
    np.testing.assert_array_equal(layers.Cumsum(1).forward({}, x), [[[0, 1, 2], [3, 5, 7]]])
    for layer in (layers.Roll(1, 0), layers.Roll(1, 3), layers.Cumsum(0), layers.Cumsum(-3)):
        with pytest.raises(ValueError, match="there is no axis"):
            layer.output_shape((2, 3))
