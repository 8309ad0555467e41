"""Cache-line-aligned allocation."""

import numpy as np
import pytest

from xception.kernels import aligned, whole_lines


@pytest.mark.parametrize("size", [0, 1, 16, 17, 1 << 20])
def test_arrays_start_on_a_cache_line(size):
    arrays = [aligned(size) for _ in range(5)]
    for array in arrays:
        assert array.shape == (size,)
        assert array.dtype == np.float32
        assert array.ctypes.data % 64 == 0 or not size


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 16), (16, 16), (17, 32)])
def test_sizes_are_rounded_up_to_whole_cache_lines(size, expected):
    assert whole_lines(size) == expected
