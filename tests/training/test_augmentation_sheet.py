"""Previews of augmentation: what a sheet shows, and where it is not written."""

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data.augmentation import Augmentation
from xception.training.augmentation_sheet import (
    GAP_PIXELS,
    LINE_PIXELS,
    check_sheet_path,
    draw_sheet,
    write_sheet,
)

STEP, OFFSET = 200 + GAP_PIXELS, GAP_PIXELS // 2


@pytest.fixture(scope="module")
def photographs(examples):
    return [xception.load_image(examples / f"{name}.jpg", (200, 200)) for name in ("chelsea", "coffee")]


def tile(sheet, row, column):
    top, left = LINE_PIXELS + STEP * row + OFFSET, STEP * column + OFFSET
    return np.asarray(sheet)[top : top + 200, left : left + 200]


def test_a_sheet_shows_what_training_takes(photographs, tmp_path):
    augmentation = Augmentation.parse("flip,crop,rotation,variants=3")
    path = check_sheet_path(tmp_path / "sheet.png")
    write_sheet(path, draw_sheet(augmentation, photographs, ["a", "b"], seed=5))
    sheet = Image.open(path)
    assert sheet.size == (4 * STEP, 2 * STEP + 2 * LINE_PIXELS)
    for row, (pixels, key) in enumerate(zip(photographs, "ab", strict=True)):
        np.testing.assert_array_equal(tile(sheet, row, 0), pixels)
        for epoch in range(3):
            expected = augmentation.apply(pixels, 5, epoch, key)
            np.testing.assert_array_equal(tile(sheet, row, 1 + epoch), expected)


def test_sheets_of_many_photographs_and_of_none(photographs):
    assert (
        draw_sheet(Augmentation(crop=0.5, variants=None), photographs * 9).height
        == 6 * STEP + 2 * LINE_PIXELS
    )
    assert draw_sheet(Augmentation(), [photographs[0][:, :, :1]]).width == STEP
    with pytest.raises(ValueError, match="needs at least one photograph"):
        draw_sheet(Augmentation(), [])
    with pytest.raises(ValueError, match="a key for each photograph, got 1 for 2"):
        draw_sheet(Augmentation(), photographs, ["a"])


def test_no_photograph_is_overwritten(tmp_path):
    photograph = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(photograph)
    (tmp_path / "link.png").symlink_to(photograph)
    for path in (photograph, tmp_path / "link.png"):
        with pytest.raises(ValueError, match="is one of the photographs"):
            check_sheet_path(path, [None, str(photograph)])
    with pytest.raises(ValueError, match="expected a picture's name"):
        check_sheet_path(tmp_path / "sheet.txt")
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        check_sheet_path(tmp_path / "no" / "sheet.png")
    with pytest.raises(ValueError, match="is a URL"):
        check_sheet_path("s3://bucket/sheet.png")
