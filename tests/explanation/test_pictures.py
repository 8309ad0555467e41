"""How explanations are drawn."""

import numpy as np
import pytest
from PIL import Image

from xception.explanation import pictures


def test_colors_grow_brighter_with_the_value():
    colors = pictures.inferno(np.linspace(0, 1, 101))
    np.testing.assert_array_equal(colors[[0, -1]], [(0, 0, 4), (252, 255, 164)])
    assert (np.diff(colors @ (0.2126, 0.7152, 0.0722)) > 0).all()


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 1280), (200, 640)), ((700, 10), (640, 9)), ((9, 9),) * 2]
)
def test_a_photograph_is_shrunk_in_its_own_aspect_ratio(size, expected):
    assert pictures.shrink(np.zeros((*size, 3), np.uint8)).shape == (*expected, 3)


def test_a_sheet_has_rows_of_tiles():
    rows = [[Image.new("RGB", (30, 10), "red")] * 2, [Image.new("RGB", (20, 40), "blue")]]
    sheet = np.asarray(pictures.contact_sheet(rows))
    assert sheet.shape == (50, 60, 3)
    np.testing.assert_array_equal(sheet[[0, 10, 10], [59, 19, 20]], [(255, 0, 0), (0, 0, 255), (255,) * 3])
