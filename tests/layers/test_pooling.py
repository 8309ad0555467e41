"""Pooling layers against plain loops, in float64."""

import numpy as np
import pytest
from window_loops import GEOMETRY, map_windows

from xception import layers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_max_pooling(window, strides, padding, size):
    x = -RNG.random((2, *size, 3)) - 1  # negative, so that padding with zeros would be the maximum
    layer = layers.MaxPooling2D(window, strides, padding)
    expected = map_windows(lambda part: part.max(axis=(0, 1)), x, window, strides, padding, fill=-np.inf)
    y = layer.forward({}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("window", "strides", "padding", "size"), GEOMETRY)
def test_average_pooling_excludes_padding(window, strides, padding, size):
    x = RNG.normal(size=(2, *size, 3))
    layer = layers.AveragePooling2D(window, strides, padding)
    expected = map_windows(
        lambda part: np.nanmean(part, axis=(0, 1)), x, window, strides, padding, fill=np.nan
    )
    y = layer.forward({}, x)
    assert y.shape[1:] == layer.output_shape((*size, 3))
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_strides_default_to_the_size_of_the_window():
    assert layers.MaxPooling2D(3).output_shape((9, 10, 4)) == (3, 3, 4)


def test_global_pooling():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(layers.GlobalAveragePooling2D().forward({}, x), x.mean((1, 2)))
    np.testing.assert_array_equal(layers.GlobalMaxPooling2D().forward({}, x), x.max((1, 2)))


def test_global_pooling_can_keep_the_spatial_axes():
    x = RNG.normal(size=(2, 3, 4, 5))
    layer, expected = layers.GlobalAveragePooling2D(keepdims=True), x.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(layer.forward({}, x), expected)
    assert layer.output_shape((3, 4, 5)) == expected.shape[1:]
    assert len(layer.output_shape((None, None, 5))) == expected.ndim - 1
