"""Photographs resized as TensorFlow does, cropped, padded, as they are stored, with 1, 3, 4 or n channels."""

import io

import numpy as np
import pytest
from PIL import Image

import xception

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (30, 40, 3), np.uint8)
STEPS = np.array([[0, 100], [200, 40]], np.uint8)
#: `STEPS` at 4×4: corners are kept, and between them pixels lie at ¼ and ¾.
ENLARGED = [[0, 25, 75, 100], [50, 58.75, 76.25, 85], [150, 126.25, 78.75, 55], [200, 160, 80, 40]]


def bilinear(x, size):
    """Half-pixel centers, two neighbors each way, pixel by pixel. Positions are float32, as TensorFlow's."""
    result = np.empty((*size, x.shape[2]))
    for i, j in np.ndindex(*size):
        y, z = (
            min(
                max(float(np.float32(k + 0.5) * (np.float32(old) / np.float32(new)) - np.float32(0.5)), 0),
                old - 1,
            )
            for k, old, new in zip((i, j), x.shape[:2], size, strict=True)
        )
        top, left = int(y), int(z)
        below, right = min(top + 1, x.shape[0] - 1), min(left + 1, x.shape[1] - 1)
        upper = x[top, left] * (1 - z + left) + x[top, right] * (z - left)
        lower = x[below, left] * (1 - z + left) + x[below, right] * (z - left)
        result[i, j] = upper * (1 - y + top) + lower * (y - top)
    return result


def png(image, **options):
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def test_pixels_between_two_are_mixed_and_not_rounded():
    x = xception.load_image(STEPS, (4, 4), "tf-bilinear", channels=1)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[..., 0], ENLARGED)
    # Shrunk by 4, pixels 1 and 2 of four are mixed; there is no antialiasing.
    row = np.array([[7, 10, 21, 250, 0, 1, 2, 3]], np.uint8)
    assert xception.load_image(row, (1, 2), "tf-bilinear", channels=1).ravel().tolist() == [15.5, 1.5]


@pytest.mark.parametrize("size", [(30, 40), (7, 9), (61, 11), (1, 1), (29, 100)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_as_tensorflow_resizes(size, dtype):
    pixels = PIXELS.astype(dtype) if np.issubdtype(dtype, np.integer) else PIXELS.astype(dtype) * 0.999
    x = xception.load_image(pixels, size, "tf-bilinear")
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, bilinear(pixels.astype(float), size), rtol=0, atol=1e-4)


def test_floats_are_not_rounded_where_tensorflow_does_not(tmp_path):
    values = np.array([[0.25, 100.5], [1.125, 254.75]], np.float32)
    Image.fromarray(values).save(tmp_path / "float.tif")
    for source in (values, tmp_path / "float.tif"):
        for channels in (1, 3):
            x = xception.load_image(source, (2, 2), "tf-bilinear", channels=channels)
            np.testing.assert_array_equal(x, np.repeat(values[..., None], channels, axis=-1))
        assert xception.load_image(source, (2, 2), "tf-bilinear", channels=4)[..., 3].min() == 255
        assert xception.load_image(source, (2, 2)).dtype == np.uint8


def test_only_what_is_needed_is_read_however_it_is_divided(monkeypatch):
    picture = Image.fromarray(PIXELS)
    cases = [(5, 6), (29, 39), (80, 3)]
    whole = [xception.load_image(picture, size, "tf-bilinear") for size in cases]
    for block_pixels in (7, 100):
        monkeypatch.setattr("xception.data.image_resizing.BLOCK_PIXELS", block_pixels)
        for size, expected in zip(cases, whole, strict=True):
            np.testing.assert_array_equal(xception.load_image(picture, size, "tf-bilinear"), expected)


def test_a_long_and_thin_image_takes_little(monkeypatch):
    thin = np.zeros((1, 30_000_000), np.uint8)
    assert xception.load_image(thin, (299, 299), "tf-bilinear").shape == (299, 299, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("interpolation", ["nearest", "tf-bilinear"])
def test_exif_is_followed_or_ignored(orientation, interpolation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = png(Image.fromarray(PIXELS), exif=exif)
    stored = xception.load_image(data, (16, 16), interpolation, exif="ignore")
    np.testing.assert_array_equal(stored, xception.load_image(PIXELS, (16, 16), interpolation))
    upright = xception.load_image(data, None)
    assert upright.shape == ((40, 30, 3) if orientation >= 5 else (30, 40, 3))
    np.testing.assert_array_equal(
        xception.load_image(data, (16, 17), interpolation, aspect="crop"),
        xception.load_image(upright, (16, 17), interpolation, aspect="crop"),
    )


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "lanczos", "tf-bilinear"])
def test_padding_is_black(interpolation):
    x = xception.load_image(PIXELS, (20, 20), interpolation, aspect="pad")  # 15×20 pixels, 2.5 above
    assert not x[:2].any()
    assert not x[17:].any()
    np.testing.assert_array_equal(x[2:17], xception.load_image(PIXELS, (15, 20), interpolation))


@pytest.mark.parametrize("interpolation", ["nearest", "tf-bilinear"])
def test_a_cropped_photograph_is_that_of_its_middle(interpolation):
    x = xception.load_image(PIXELS, (10, 10), interpolation, aspect="crop")
    np.testing.assert_array_equal(x, xception.load_image(PIXELS[:, 5:35], (10, 10), interpolation))


def test_pillow_filters_see_beyond_the_edge_of_the_crop():
    expected = Image.fromarray(PIXELS).resize((10, 10), Image.Resampling.LANCZOS, (5, 0, 35, 30))
    x = xception.load_image(PIXELS, (10, 10), "lanczos", aspect="crop")
    np.testing.assert_array_equal(x, np.asarray(expected))


def test_unknown_options():
    with pytest.raises(ValueError, match="aspect must be one of stretch, crop, pad, got 'fit'"):
        xception.load_image(PIXELS, aspect="fit")
    with pytest.raises(ValueError, match="exif must be one of upright, ignore, got False"):
        xception.load_image(PIXELS, exif=False)
    with pytest.raises(ValueError, match="channels must be"):
        xception.load_image(PIXELS, channels=0)


# --- channels -------------------------------------------------------------------------------

ALPHA = np.dstack([PIXELS, RNG.integers(0, 256, (30, 40), np.uint8)])
IMAGES = {
    "RGB": Image.fromarray(PIXELS),
    "RGBA": Image.fromarray(ALPHA),
    "L": Image.fromarray(PIXELS).convert("L"),
    "LA": Image.fromarray(ALPHA).convert("LA"),
    "1": Image.fromarray(PIXELS).convert("1"),
    "P": Image.fromarray(PIXELS).quantize(20),
    "CMYK": Image.fromarray(PIXELS).convert("CMYK"),
}


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize("source", IMAGES)
def test_photographs_are_converted_as_pillow_does(source, channels, mode):
    converted = IMAGES[source].convert(mode)
    for size in (None, (12, 17)):
        expected = converted if size is None else converted.resize(size[::-1], Image.Resampling.BILINEAR)
        x = xception.load_image(IMAGES[source], size, channels=channels)
        np.testing.assert_array_equal(x, np.asarray(expected).reshape(x.shape))
        assert x.shape == (*(size or (30, 40)), channels)


def test_transparency_of_a_palette_becomes_alpha():
    data = png(IMAGES["P"], transparency=bytes(range(0, 200, 10)))
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(xception.load_image(data, None, channels=4), expected)


def test_16_bit_grey_is_scaled_for_grey_models_too():
    values = np.linspace(0, 65535, 30 * 40).reshape(30, 40).astype(np.uint16)
    for channels in (1, 3, 4):
        x = xception.load_image(png(Image.fromarray(values)), None, channels=channels)
        np.testing.assert_array_equal(x[..., 0], (values / 257).round())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "tf-bilinear"])
@pytest.mark.parametrize("source", ["RGB", "RGBA", "LA", "P"])
def test_large_photographs_are_converted_in_blocks(monkeypatch, source, interpolation, channels):
    for size in (None, (12, 17)):
        whole = xception.load_image(IMAGES[source], size, interpolation, channels=channels)
        with monkeypatch.context() as context:
            context.setattr("xception.data.image_resizing.MAX_WHOLE_PIXELS", 50)
            context.setattr("xception.data.image_resizing.BLOCK_PIXELS", 300)
            x = xception.load_image(IMAGES[source], size, interpolation, channels=channels)
        np.testing.assert_array_equal(x, whole)


def test_arrays_with_other_numbers_of_channels():
    x = RNG.normal(size=(6, 8, 5)) * 1000
    same = xception.load_image(x, None, channels=5)
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same, x.astype(np.float32))
    np.testing.assert_array_equal(xception.load_image(x, (3, 4), "nearest", channels=5), same[1::2, 1::2])
    np.testing.assert_allclose(
        xception.load_image(x, (3, 5), "tf-bilinear", channels=5), bilinear(x, (3, 5)), rtol=0, atol=1e-3
    )
    with pytest.raises(ValueError, match=r"an image has shape \(h, w, 2\), as the model takes it; got"):
        xception.load_image(x, channels=2)
    with pytest.raises(
        ValueError, match=r"1, 3 or 4 channels; for 2 channels, expected arrays of shape \(n,"
    ):
        xception.load_image(png(IMAGES["L"]), channels=2)


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_a_result_larger_than_any_image_is_refused_before_it_is_made(aspect):
    for size in ((10**9, 10**9), (1, 10**9), (10**9, 1)):
        with pytest.raises(xception.ImageError, match=r"would be resized to .* the maximum is 178,956,970"):
            xception.load_image(PIXELS, target_size=size, interpolation="tf-bilinear", aspect=aspect)
