"""The logistic function and the normal distribution, against Python's own `math`."""

import math
import warnings

import numpy as np
import pytest

from xception.kernels.elementwise import BLOCK_ELEMENTS, gelu, gelu_tanh, normal_cdf, sigmoid

#: Where float32 and float64 still have normal numbers for Φ, and beyond.
FROM = {np.float32: -12.9, np.float64: -37.4}
DTYPES = pytest.mark.parametrize("dtype", list(FROM))


def points(dtype: type) -> np.ndarray:
    return np.concatenate([np.linspace(FROM[dtype], 9, 2001), [-1e-8, -0.0, 0.0, 1e-8]]).astype(dtype)


def expected_cdf(x: np.ndarray) -> np.ndarray:
    return np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x.tolist()])


@DTYPES
def test_normal_cdf_keeps_its_relative_accuracy(dtype: type) -> None:
    x = points(dtype)
    y = normal_cdf(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected_cdf(x), rtol={np.float32: 1.2e-7, np.float64: 4e-13}[dtype])


def test_normal_cdf_is_exact_to_fourteen_digits_where_it_matters() -> None:
    x = np.linspace(-8, 8, 4001)
    np.testing.assert_allclose(normal_cdf(x), expected_cdf(x), rtol=3e-14)


@DTYPES
def test_gelu(dtype: type) -> None:
    x = points(dtype)
    expected = x * expected_cdf(x)
    np.testing.assert_allclose(gelu(x), expected, rtol={np.float32: 2e-7, np.float64: 4e-13}[dtype])


@DTYPES
def test_the_approximation_of_gelu_keeps_its_relative_accuracy(dtype: type) -> None:
    x = np.linspace(-4, 9, 2001).astype(dtype)
    exponents = [1.5957691216057308 * v * (1 + 0.044715 * v * v) for v in x.tolist()]
    expected = [v / (1 + math.exp(-u)) for v, u in zip(x.tolist(), exponents, strict=True)]
    np.testing.assert_allclose(gelu_tanh(x), expected, rtol={np.float32: 3e-6, np.float64: 1e-14}[dtype])
    largest = np.finfo(dtype).max
    np.testing.assert_array_equal(gelu_tanh(np.array([-largest, 0, largest], dtype)), [0, 0, largest])


@DTYPES
def test_sigmoid(dtype: type) -> None:
    x = np.concatenate([np.linspace(-80, 80, 2001), [-1e-8, -0.0, 0.0]]).astype(dtype)
    y = sigmoid(x)
    expected = np.array([1 / (1 + math.exp(-value)) for value in x.tolist()])
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol={np.float32: 4e-7, np.float64: 1e-15}[dtype])
    np.testing.assert_allclose(y, expected, atol={np.float32: 1.5e-7, np.float64: 3e-16}[dtype], rtol=0)


@DTYPES
@pytest.mark.parametrize("function", [sigmoid, normal_cdf])
def test_limits_and_what_is_no_number(function: object, dtype: type) -> None:
    largest = np.finfo(dtype).max
    x = np.array([-np.inf, -largest, -1000, 0, 1000, largest, np.inf, np.nan], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(function(x), [0, 0, 0, 0.5, 1, 1, 1, np.nan], rtol=3e-15)


@pytest.mark.parametrize("function", [sigmoid, normal_cdf, gelu, gelu_tanh])
def test_any_shape_and_layout(function: object) -> None:
    x = np.random.default_rng(0).normal(size=(7, 3, BLOCK_ELEMENTS // 10)).astype(np.float32)
    y = function(x)
    assert y.flags.c_contiguous
    for view in (np.s_[::2, :, ::3], np.s_[3, 1, 4], np.s_[:0], np.s_[..., BLOCK_ELEMENTS // 20]):
        np.testing.assert_array_equal(function(x[view]), y[view])
    np.testing.assert_array_equal(function(x.T), y.T)
    assert np.shape(function(np.float32(0))) == ()
