"""How photographs are fitted into another aspect ratio; sizes are (width, height)."""

import pytest

from xception.data.framing import Frame, fit_frame


@pytest.mark.parametrize(
    ("size", "new_size", "frame"),
    [
        ((500, 340), (200, 200), Frame((80, 0, 420, 340), (200, 200))),  # the example of `smart_resize`
        ((340, 501), (200, 200), Frame((0, 80, 340, 420), (200, 200))),  # 161 rows are left over: 80 before
        ((100, 100), (30, 20), Frame((0, 17, 100, 83), (30, 20))),  # 66⅔ rows, rounded down
        ((101, 7), (10, 10), Frame((47, 0, 54, 7), (10, 10))),
        ((1000, 1), (1, 10), Frame((499, 0, 500, 1), (1, 10))),  # a pixel at least
        ((20, 20), (20, 20), Frame((0, 0, 20, 20), (20, 20))),
    ],
)
def test_crop_takes_the_largest_part_in_the_middle(size, new_size, frame):
    assert fit_frame(size, new_size, "crop") == frame


@pytest.mark.parametrize(
    ("size", "new_size", "frame"),
    [
        ((400, 200), (100, 100), Frame((0, 0, 400, 200), (100, 50), (0, 25))),
        ((200, 400), (100, 101), Frame((0, 0, 200, 400), (50, 101), (24, 0))),  # 50.5 columns, 24.75 before
        ((10, 10), (30, 20), Frame((0, 0, 10, 10), (20, 20), (5, 0))),
        ((1000, 1), (10, 10), Frame((0, 0, 1000, 1), (10, 1), (0, 4))),  # 0.01 rows become one
        ((20, 20), (20, 20), Frame((0, 0, 20, 20), (20, 20))),
    ],
)
def test_pad_keeps_the_whole_in_the_middle(size, new_size, frame):
    assert fit_frame(size, new_size, "pad") == frame


def test_stretch_takes_the_whole():
    assert fit_frame((40, 30), (7, 9), "stretch") == Frame((0, 0, 40, 30), (7, 9))
