"""Reshaping layers against NumPy."""

import numpy as np

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
