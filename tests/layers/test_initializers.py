"""Initializers of fresh parameters."""

import numpy as np
import pytest

from xception.layers import Parameter


def test_zeros_and_ones():
    rng = np.random.default_rng(0)
    for initializer, expected in (("zeros", 0), ("ones", 1)):
        value = Parameter((2, 3), initializer).initial_value(rng)
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, np.full((2, 3), expected))


@pytest.mark.parametrize(
    ("shape", "limit"),
    [
        ((200, 400), np.sqrt(6 / 600)),  # dense
        ((3, 3, 20, 40), np.sqrt(6 / (9 * 60))),  # convolution
        ((3, 3, 999, 1), np.sqrt(6 / (9 * 1000))),  # depthwise
    ],
)
def test_glorot_uniform_fills_the_range_of_its_definition(shape, limit):
    value = Parameter(shape).initial_value(np.random.default_rng(0))
    assert (value.shape, value.dtype) == (shape, np.float32)
    assert np.abs(value).max() <= limit
    assert value.max() > 0.99 * limit
    assert value.min() < -0.99 * limit
    assert abs(value.mean()) < 0.05 * limit
