"""Shape arithmetic."""

import pytest

from xception.kernels import same_padding
from xception.layers.shapes import broadcast_shapes, broadcasts_to, window_output_size


@pytest.mark.parametrize(
    ("size", "window", "stride", "expected"),
    [
        (74, 3, 2, (0, 1)),  # the pooling of block 3 at 299 pixels: none above, one below
        (147, 3, 2, (1, 1)),
        (19, 3, 1, (1, 1)),
        (5, 4, 1, (1, 2)),
        (4, 1, 2, (0, 0)),
        (3, 2, 5, (0, 0)),
    ],
)
def test_same_padding_puts_the_odd_pixel_after_the_axis_as_tensorflow_does(size, window, stride, expected):
    assert same_padding(size, window, stride) == expected


def test_shapes_broadcast_as_in_numpy():
    assert broadcast_shapes((3, 1, 5), (4, 1)) == (3, 4, 5)
    assert broadcast_shapes((3, 4), (2, 4)) is None


def test_an_unknown_size_broadcasts_to_a_known_one():
    assert broadcast_shapes((None, 4), (3, 1)) == (3, 4)
    assert broadcast_shapes((None, 4), (1, 4)) == (None, 4)


def test_only_size_1_is_known_to_broadcast_to_an_unknown_size():
    assert broadcasts_to((1, 3), (None, 3))
    assert not broadcasts_to((2, 3), (None, 3))
    assert not broadcasts_to((1, 1, 3), (4, 3))


def test_a_window_larger_than_the_input_is_refused():
    assert window_output_size((5, None, 1), 3, 2, "valid") == (2, None)
    with pytest.raises(ValueError, match="a window of 7 does not fit into an input of shape"):
        window_output_size((5, 5, 1), 4, 1, "valid", dilation=2)
