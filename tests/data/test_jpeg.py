"""JPEG files decoded to the same pixels as by TensorFlow."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data import image_resizing, jpeg
from xception.prediction.preprocessing import Preprocessor

FIXTURE = np.load(Path(__file__).parent.parent / "fixtures" / "tensorflow_jpeg.npz")
KINDS = sorted(name.removesuffix("_file") for name in FIXTURE.files if name.endswith("_file"))


def file_and_pixels(kind):
    """A file, and the pixels that TensorFlow decodes it to."""
    return FIXTURE[f"{kind}_file"].tobytes(), FIXTURE[f"{kind}_pixels"]


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_tensorflow(kind, monkeypatch):
    content, expected = file_and_pixels(kind)
    np.testing.assert_array_equal(xception.load_image(content, None, "tf-dataset"), expected)
    monkeypatch.setattr(jpeg, "TILE_PIXELS", 8)  # in many parts, each with its neighbors
    np.testing.assert_array_equal(xception.load_image(content, None, "tf-dataset"), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gap", [1, 1 << 13])
def test_only_the_rows_that_are_needed_are_converted(kind, gap, monkeypatch):
    monkeypatch.setattr(image_resizing, "GAP_PIXELS", gap)
    content, pixels = file_and_pixels(kind)
    for size in ((4, 5), (40, 30)):
        expected = xception.load_image(pixels, size, "tf-bilinear")
        np.testing.assert_array_equal(xception.load_image(content, size, "tf-dataset"), expected)


def test_gray_levels_are_those_of_luma():
    content, _ = file_and_pixels("444")
    with Image.open(io.BytesIO(content)) as image:
        image.draft("YCbCr", None)
        image.decoderconfig = (1, 1)
        luma = np.asarray(image.getchannel("Y"))
    np.testing.assert_array_equal(xception.load_image(content, None, "tf-dataset", channels=1)[..., 0], luma)


def test_other_ways_of_reading_keep_the_pixels_of_pillow():
    content, expected = file_and_pixels("420")
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert (pixels != expected).any()
    for interpolation in ("bilinear", "tf-bilinear"):
        np.testing.assert_array_equal(xception.load_image(content, None, interpolation), pixels)
    np.testing.assert_array_equal(xception.load_image(pixels, None, "tf-dataset"), pixels)  # decoded already


def test_what_is_not_in_ycc_is_decoded_by_pillow():
    content, _ = file_and_pixels("420")
    for mode, options in (("CMYK", {}), ("RGB", {"keep_rgb": True})):
        stream = io.BytesIO()
        Image.open(io.BytesIO(content)).convert(mode).save(stream, "JPEG", **options)
        expected = xception.load_image(stream.getvalue(), None)
        np.testing.assert_array_equal(xception.load_image(stream.getvalue(), None, "tf-dataset"), expected)


def test_photographs_are_turned_after_they_are_decoded():
    content, expected = file_and_pixels("422")
    exif = Image.Exif()
    exif[0x0112] = 6
    segment = exif.tobytes()
    header = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    content = content[:2] + header + content[2:]
    turned = xception.load_image(content, None, "tf-dataset")
    np.testing.assert_array_equal(turned, np.rot90(expected, -1))
    ignored = xception.load_image(content, None, "tf-dataset", exif="ignore")
    np.testing.assert_array_equal(ignored, expected)


def test_damaged_files_are_refused_as_ever():
    content, _ = file_and_pixels("420")
    for cut in (len(content) // 2, 30):
        with pytest.raises(xception.errors.ImageError):
            xception.load_image(content[:cut], None, "tf-dataset")


def test_a_model_reads_files_as_its_record_says():
    model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=2, seed=0)
    model.preprocessing = xception.Preprocessing(interpolation="tf-dataset")
    content, pixels = file_and_pixels("420")
    expected = xception.load_image(pixels, (71, 71), "tf-bilinear")
    np.testing.assert_array_equal(Preprocessor(model).load(content), expected)
