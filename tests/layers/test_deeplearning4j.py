"""Layers of Deeplearning4j: what they compute, by their definitions."""

import numpy as np
import pytest

from xception import layers

MODES = {
    "max": lambda window: window.max(),
    "avg": lambda window: window.mean(),
    "sum": lambda window: window.sum(),
    "pnorm": lambda window: (np.abs(window) ** 3).sum() ** (1 / 3),
}


@pytest.mark.parametrize("counts_padding", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("window", "strides", "padding", "borders"),
    [((3, 2), (2, 1), 1, ((1, 1), (1, 1))), ((3, 2), (2, 2), "same", ((1, 1), (0, 1)))],
)
def test_windows_reach_into_padding(window, strides, padding, borders, mode, counts_padding):
    x = np.random.default_rng(0).normal(size=(2, 7, 5, 3)) - 1
    layer = layers.PaddedPooling2D(window, strides, padding, mode, counts_padding, pnorm=3)
    y = layer.forward({}, x)
    fill = 0.0 if counts_padding else np.nan
    padded = np.pad(x, ((0, 0), *borders, (0, 0)), constant_values=fill)
    assert y.shape == (2, *layer.output_shape((7, 5, 3)))
    for n, i, j, c in np.ndindex(y.shape):
        rows, columns = slice(i * strides[0], None), slice(j * strides[1], None)
        part = padded[n, rows, columns, c][: window[0], : window[1]]
        assert y[n, i, j, c] == pytest.approx(MODES[mode](part[~np.isnan(part)]), rel=1e-12)


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        layers.PaddedPooling2D(5, 1, 1).output_shape((2, 8, 3))
    assert layers.PaddedPooling2D(3, 2, 1).output_shape((None, 8, 3)) == (None, 4, 3)


def test_local_response_normalization_sums_the_squares_of_neighbors():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 7))
    y = layers.LocalResponseNormalization(k=2, n=3, alpha=0.1, beta=0.75).forward({}, x)
    for c in range(7):
        squares = (x[..., max(0, c - 1) : c + 2] ** 2).sum(axis=-1)
        np.testing.assert_allclose(y[..., c], x[..., c] / (2 + 0.1 * squares) ** 0.75, rtol=1e-12)
    with pytest.raises(ValueError, match="odd"):
        layers.LocalResponseNormalization(n=4)


def test_the_p_norm_of_a_map():
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    expected = (np.abs(x) ** 3).sum(axis=(1, 2)) ** (1 / 3)
    np.testing.assert_allclose(layers.GlobalPNormPooling2D(3).forward({}, x), expected)
    assert layers.GlobalPNormPooling2D(3, keepdims=True).forward({}, x).shape == (2, 1, 1, 5)


def test_activations_by_hand():
    x = np.array([[-2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(layers.Cube().forward({}, x), [[-8, 0, 27]])
    # It approximates 1.7159 tanh(2x / 3), within 0.03.
    np.testing.assert_allclose(layers.RationalTanh().forward({}, x), 1.7159 * np.tanh(x * 2 / 3), atol=0.03)
