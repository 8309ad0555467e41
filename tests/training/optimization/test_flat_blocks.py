"""Flat vectors: numbers that are not finite are found wherever they are."""

import numpy as np
import pytest

from xception.training.optimization.flat_blocks import BLOCK_NUMBERS, gradient_norm, is_finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, BLOCK_NUMBERS, -1])
def test_a_number_that_is_not_finite_is_found(value, position):
    vector = np.ones(2 * BLOCK_NUMBERS + 3, np.float32)
    vector[position] = value
    assert not is_finite(vector)


def test_huge_numbers_are_finite_although_their_squares_are_not():
    assert is_finite(np.full(10, 3e38, np.float32))


def test_the_norm_is_that_of_the_whole_vector():
    assert gradient_norm(np.full(4 * BLOCK_NUMBERS, 0.5, np.float32)) == BLOCK_NUMBERS**0.5
