"""Reuse of memory, padding, and the division of work."""

import numpy as np
import pytest

from xception.engine.buffers import (
    MIN_BLOCK_ELEMENTS,
    NO_BORDER,
    Buffers,
    read_activation,
    select_channels,
    split_evenly,
    write_activation,
)


def test_arrays_are_aligned_and_do_not_overlap():
    buffers = Buffers()
    arrays = [buffers.take(*shape) for shape in ((3, 5), (1,), (17, 2, 3), (MIN_BLOCK_ELEMENTS + 1,))]
    for number, array in enumerate(arrays):
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.dtype == np.float32
        array[...] = number
    for number, array in enumerate(arrays):
        assert (array == number).all()


def test_the_smallest_free_buffer_that_fits_is_reused():
    buffers = Buffers()
    large, small = buffers.take(1000), buffers.take(100)
    reserved = buffers.reserved
    starts = {"large": large.ctypes.data, "small": small.ctypes.data}
    buffers.give_back(large)
    buffers.give_back(small)
    assert buffers.take(9, 10).ctypes.data == starts["small"]
    assert buffers.take(101).ctypes.data == starts["large"]
    assert buffers.reserved == reserved


def test_small_arrays_share_a_block_and_large_ones_have_their_own():
    buffers = Buffers()
    assert buffers.reserved == 0
    for _ in range(10):
        buffers.take(1000)
    assert buffers.reserved == 4 * MIN_BLOCK_ELEMENTS
    buffers.take(MIN_BLOCK_ELEMENTS + 5)
    assert buffers.reserved == 4 * (2 * MIN_BLOCK_ELEMENTS + 5)


def test_padding_is_zero_and_stays_so():
    buffers = Buffers()
    part = buffers.take_map(3, 4, slice(2, 7), (1, 2, 0, 3))
    assert part.array.shape == (6, 7, 5)
    assert part.interior.shape == (3, 4, 5)
    part.interior[...] = 1
    assert part.array.sum() == 60
    buffers.give_back_map(part)
    plain = buffers.take_map(6, 7, slice(0, 5), NO_BORDER)
    assert not np.shares_memory(plain.array, part.array)  # it would overwrite the padding
    again = buffers.take_map(3, 4, slice(0, 5), (1, 2, 0, 3))
    assert again.array is part.array
    again.interior[...] = 0
    assert not again.array.any()


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_activations_are_divided_among_maps_by_channels(parts):
    buffers, activation = Buffers(), np.random.default_rng(0).random((1, 3, 4, 7), np.float32)
    maps = tuple(buffers.take_map(3, 4, channels, (1, 1, 1, 1)) for channels in split_evenly(7, parts))
    write_activation(maps, activation)
    np.testing.assert_array_equal(read_activation(maps), activation)
    for channels in split_evenly(7, parts):
        view = select_channels(maps, channels)
        np.testing.assert_array_equal(view, activation[0, ..., channels])
        assert any(np.shares_memory(view, part.array) for part in maps)


@pytest.mark.parametrize(("size", "parts"), [(10, 1), (10, 3), (2, 5), (0, 2)])
def test_shares_differ_by_at_most_one(size, parts):
    shares = split_evenly(size, parts)
    assert len(shares) == parts
    assert [i for share in shares for i in range(size)[share]] == list(range(size))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1
