"""Pixels that are converted in blocks."""

import io

import numpy as np
import pytest
from PIL import Image

import xception

WIDTH, HEIGHT = 71, 53
PIXELS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
RGB = Image.fromarray(PIXELS[..., :3])
SIZES = [(None, "bilinear"), ((29, 33), "bilinear"), ((90, 20), "lanczos"), ((53, 20), "nearest")]


def images():
    return {
        "RGB": RGB,
        "RGBA": Image.fromarray(PIXELS),
        "L": RGB.convert("L"),
        "LA": RGB.convert("LA"),
        "1": RGB.convert("1"),
        "P": RGB.quantize(20),
        "I;16": Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 250),
    }


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", images())
def test_blocks_give_the_pixels_of_the_whole(monkeypatch, mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    options = {"transparency": bytes(range(20))} if mode == "P" else {}
    images()[mode].save(stream, "PNG", exif=exif, **options)
    whole = [xception.load_image(stream.getvalue(), *size) for size in SIZES]
    monkeypatch.setattr("xception.data.image_resizing.MAX_WHOLE_PIXELS", 50)
    for block_pixels in (30, 700):
        monkeypatch.setattr("xception.data.image_resizing.BLOCK_PIXELS", block_pixels)
        for size, expected in zip(SIZES, whole, strict=True):
            np.testing.assert_array_equal(xception.load_image(stream.getvalue(), *size), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int32])
def test_blocks_of_an_array(monkeypatch, dtype):
    whole = [xception.load_image(PIXELS[..., :3], *size) for size in SIZES]
    monkeypatch.setattr("xception.data.image_resizing.MAX_WHOLE_PIXELS", 50)
    monkeypatch.setattr("xception.data.image_resizing.BLOCK_PIXELS", 700)
    for size, expected in zip(SIZES, whole, strict=True):
        np.testing.assert_array_equal(xception.load_image(PIXELS[..., :3].astype(dtype), *size), expected)


def test_an_image_that_is_too_long_and_thin_to_be_resized(tmp_path):
    thin = np.zeros((1, 100_000_000), np.uint8)
    with pytest.raises(xception.ImageError, match="1 pixels are too long and thin to be resized to 299×299"):
        xception.load_image(thin)
    assert xception.load_image(np.zeros((60_000, 20), np.uint8)).shape == (299, 299, 3)
