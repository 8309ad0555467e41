"""Merging layers against NumPy."""

import numpy as np

from xception import layers

RNG = np.random.default_rng(0)


def test_merging_broadcasts():
    x, y = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 1, 1, 5))
    np.testing.assert_allclose(layers.Add().forward({}, x, x, x), 3 * x)
    for layer, expected in [
        (layers.Add(), x + y + x), (layers.Multiply(), x * y * x), (layers.Average(), (x + y + x) / 3),
        (layers.Maximum(), np.maximum(x, y)), (layers.Minimum(), np.minimum(x, y)),
    ]:  # fmt: skip
        np.testing.assert_allclose(layer.forward({}, x, y, x), expected)
        np.testing.assert_allclose(layer.forward({}, x, y[:, 0, 0], x), expected)
        assert layer.output_shape((3, 4, 5), (1, 1, 5), (3, 4, 5)) == (3, 4, 5)
        assert layer.output_shape((None, None, 5), (1, 1, 5)) == (None, None, 5)
        assert layer.output_shape((None, 4), (3, 1)) == (3, 4)


def test_subtraction():
    x, y = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 1, 1, 5))
    np.testing.assert_allclose(layers.Subtract().forward({}, x, y), x - y)


def test_concatenation():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(layers.Concatenate(1).forward({}, x, x), np.concatenate([x, x], 1))
    assert layers.Concatenate().output_shape((None, 4, 5), (3, 4, 2)) == (3, 4, 7)


def test_dot_products():
    x = RNG.normal(size=(2, 3, 4, 5))
    product = layers.Dot(axes=-1).forward({}, x[:, 0], x[:, 1])
    np.testing.assert_allclose(product, np.einsum("nac,nbc->nab", x[:, 0], x[:, 1]))
    cosine = layers.Dot(1, normalize=True).forward({}, x[:, 0, 0], 3 * x[:, 0, 0])
    np.testing.assert_allclose(cosine, np.ones((2, 1)))
