"""Photographs as pixels."""

import contextlib
import io
import os

import numpy as np
import pytest
from PIL import Image

import xception

RAMP = np.arange(60 * 40 * 3, dtype=np.uint32).reshape(60, 40, 3).astype(np.uint8)


def saved(image, path, **options):
    image.save(path, **options)
    return path


def test_shape_and_type(examples):
    x = xception.load_image(examples / "chelsea.jpg")
    assert x.shape == (299, 299, 3)
    assert x.dtype == np.uint8
    assert xception.load_image(str(examples / "chelsea.jpg"), target_size=None).shape == (300, 451, 3)
    assert xception.load_image(examples / "chelsea.jpg", target_size=(50, 80)).shape == (50, 80, 3)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
def test_interpolations_are_pillows(examples, method):
    with Image.open(examples / "coffee.jpg") as image:
        expected = image.resize((90, 60), Image.Resampling[method.upper()])
    x = xception.load_image(examples / "coffee.jpg", (60, 90), method)
    np.testing.assert_array_equal(x, np.asarray(expected))


def test_invalid_sizes_and_sources(examples):
    for size in (299, (299,), (299, 299, 3)):
        with pytest.raises(ValueError, match=r"target_size must be \(height, width\), got"):
            xception.load_image(examples / "chelsea.jpg", target_size=size)
    for size in ((0, 5), (5.0, 5), (5, None), (True, 5)):
        with pytest.raises(ValueError, match=r"target_size must be (a positive integer|at least 1), got"):
            xception.load_image(examples / "chelsea.jpg", target_size=size)
    with pytest.raises(TypeError, match=r"an image is a path, .*; got NoneType"):
        xception.load_image(None)
    with pytest.raises(TypeError, match=r"an image is a path, .*; got bytearray"):
        xception.load_image(bytearray(b"jpeg"))


def test_a_file_that_was_opened_as_text_is_told_the_mode(examples):
    with (examples / "chelsea.jpg").open() as stream, pytest.raises(TypeError, match='use mode "rb"'):
        xception.load_image(stream)


def test_unknown_interpolation(examples):
    with pytest.raises(ValueError, match="interpolation must be one of nearest, bilinear"):
        xception.load_image(examples / "coffee.jpg", interpolation="cubic")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path, orientation):
    upright = Image.fromarray(RAMP)
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(turned[orientation]) if orientation in turned else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(stored, tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(xception.load_image(path, None), RAMP)


def test_greys_palettes_alpha_and_cmyk_become_rgb(tmp_path):
    colour = Image.fromarray(RAMP)
    grey = colour.convert("L")
    three = np.stack([np.asarray(grey)] * 3, axis=-1)

    def read(image, suffix=".png", **options):
        return xception.load_image(saved(image, tmp_path / f"image{suffix}", **options), None)

    np.testing.assert_array_equal(read(grey), three)
    np.testing.assert_array_equal(read(grey.convert("LA")), three)
    np.testing.assert_array_equal(read(grey.convert("1"))[..., 0], np.asarray(grey.convert("1")) * 255)
    clear = Image.fromarray(
        np.dstack([RAMP, np.arange(60 * 40, dtype=np.uint32).reshape(60, 40) % 256]).astype("u1")
    )
    np.testing.assert_array_equal(read(clear), RAMP)  # transparency is dropped, as Keras drops it
    palette = grey.quantize(16)
    np.testing.assert_array_equal(read(palette), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(
        read(palette, transparency=bytes(range(16))), np.asarray(palette.convert("RGB"))
    )
    cmyk = read(colour.convert("CMYK"), ".tif")
    np.testing.assert_array_equal(cmyk, np.asarray(colour.convert("CMYK").convert("RGB")))


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    wide = np.linspace(0, 65535, 60 * 40).reshape(60, 40).astype(np.uint16)
    expected = (wide / 257).round().astype(np.uint8)
    for suffix in (".png", ".tif"):
        path = saved(Image.fromarray(wide), tmp_path / f"wide{suffix}")
        np.testing.assert_array_equal(xception.load_image(path, None)[..., 1], expected)


def test_dark_16_bit_grey_stays_dark(tmp_path):
    for greatest in (255, 256):
        dark = np.full((8, 8), greatest, np.uint16)
        assert xception.load_image(saved(Image.fromarray(dark), tmp_path / "dark.png"), None).max() == 1


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jp2"])
@pytest.mark.parametrize("brightest", [200, 255, 256, 65535])
def test_16_bit_grey_has_the_same_white_however_bright_it_is(tmp_path, suffix, brightest):
    values = np.linspace(0, brightest, 8 * 8).reshape(8, 8).astype(np.uint16)
    path = tmp_path / f"grey{suffix}"
    if suffix == ".pgm":
        path.write_bytes(b"P5 8 8 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    expected = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(xception.load_image(path, None)[..., 0], expected)


def test_float_and_32_bit_images_are_taken_as_arrays_are(tmp_path):
    values = np.array([[0, 0.4], [100.6, 255]], np.float32)
    path = saved(Image.fromarray(values), tmp_path / "float.tif")
    np.testing.assert_array_equal(xception.load_image(path, None)[..., 2], [[0, 0], [101, 255]])
    assert not xception.load_image(saved(Image.new("F", (4, 4)), path), None).any()
    numbers = np.array([[0, 7], [200, 255]], np.int32)
    np.testing.assert_array_equal(
        xception.load_image(saved(Image.fromarray(numbers), path), None)[..., 0], numbers
    )
    np.testing.assert_array_equal(
        xception.load_image(saved(Image.fromarray(numbers * 257), path), None)[..., 0], numbers
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.float32([[0, 1]]), "these lie in 0…1: multiply them by 255"),
        (np.float32([[0, 65535]]), "pixels must lie in 0…255, got 0.0 to 65535.0"),
        (np.float32([[-1, 200]]), "pixels must lie in 0…255, got -1.0 to 200.0"),
        (np.float32([[np.nan, 5]]), "pixels must lie in 0…255, got nan"),
        (np.float32([[5, np.nan]]), "pixels must lie in 0…255, got nan"),
        (np.float32([[5, np.inf]]), "pixels must lie in 0…255, got 5.0 to inf"),
        (np.int32([[0, 70_000]]), "pixels must lie in 0…255 or 0…65535, got 0 to 70000"),
        (np.int32([[-1, 70]]), "pixels must lie in 0…255 or 0…65535, got -1 to 70"),
    ],
)
def test_numbers_without_a_known_white_are_refused(tmp_path, values, message):
    path = saved(Image.fromarray(values), tmp_path / "image.tif")
    with pytest.raises(xception.ImageError, match=message):
        xception.load_image(path)
    with Image.open(path) as image, pytest.raises(xception.ImageError, match=message):
        xception.load_image(image)


@pytest.mark.parametrize(
    "error",
    [AssertionError("a"), RuntimeError(), ZeroDivisionError("z"), RecursionError("r"), UserWarning("w")],
)
def test_whatever_reading_an_image_raises_is_an_image_error_with_its_name(examples, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(xception.ImageError, match=r"coffee\.jpg: is damaged or incomplete \(.") as caught:
        xception.load_image(examples / "coffee.jpg")
    assert caught.value.__cause__ is error


def test_too_little_memory_is_an_image_error_and_an_interrupt_is_not(examples, monkeypatch):
    def fail(error):
        def load(_):
            raise error

        return load

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail(MemoryError()))
    with pytest.raises(xception.ImageError, match=r"coffee\.jpg: takes more memory than this process can"):
        xception.load_image(examples / "coffee.jpg")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        xception.load_image(examples / "coffee.jpg")


def test_other_sources(examples):
    expected = xception.load_image(examples / "rocket.jpg")
    with (examples / "rocket.jpg").open("rb") as stream:
        np.testing.assert_array_equal(xception.load_image(stream), expected)
    np.testing.assert_array_equal(xception.load_image((examples / "rocket.jpg").read_bytes()), expected)
    with Image.open(examples / "rocket.jpg") as image:
        np.testing.assert_array_equal(xception.load_image(image), expected)
    pixels = xception.load_image(examples / "rocket.jpg", None)
    np.testing.assert_array_equal(xception.load_image(pixels), expected)
    np.testing.assert_array_equal(xception.load_image(pixels.astype(np.float64)), expected)
    grey = xception.load_image(pixels[..., 0], None)
    np.testing.assert_array_equal(grey, np.stack([pixels[..., 0]] * 3, -1))
    np.testing.assert_array_equal(xception.load_image(pixels[..., :1], None), grey)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((2, 2, 2)), r"an image has shape .* got \(2, 2, 2\)"),
        (np.zeros((0, 4, 3)), "an image has shape"),
        (np.zeros(5), "an image has shape"),
        (np.full((4, 4, 3), -1), "must lie in 0…255, got -1 to -1"),
        (np.full((4, 4, 3), np.nan), "must lie in 0…255"),
        (np.full((4, 4, 3), 0.5), "multiply them by 255"),
        (np.full((4, 4, 3), "x"), "real numbers"),
    ],
)
def test_arrays_that_hold_no_pixels(pixels, message):
    with pytest.raises(ValueError, match=message):
        xception.load_image(pixels)


def test_files_that_are_no_photographs(examples, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.jpg: there is no such file"):
        xception.load_image(tmp_path / "nothing.jpg")
    with pytest.raises(xception.ImageError, match="is a folder"):
        xception.load_image(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(xception.ImageError, match=r"pipe\.jpg: is not a regular file"):
            xception.load_image(tmp_path / "pipe.jpg")
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    with pytest.raises(xception.ImageError, match=r"text\.jpg: is not an image"):
        xception.load_image(text)
    with pytest.raises(xception.ImageError, match="is not an image"):
        xception.load_image(io.BytesIO(b""))
    whole = (examples / "coffee.jpg").read_bytes()
    half = tmp_path / "half.jpg"
    half.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(xception.ImageError, match=r"half\.jpg: is damaged or incomplete"):
        xception.load_image(half)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about metadata
def test_damage_anywhere_is_an_image_error_or_an_image(examples, tmp_path):
    rng = np.random.default_rng(0)
    small = Image.fromarray(RAMP)
    for suffix in (".png", ".gif", ".tif", ".bmp", ".jpg", ".webp"):
        whole = np.frombuffer(saved(small, tmp_path / f"whole{suffix}").read_bytes(), np.uint8)
        for _ in range(40):
            broken = whole[: rng.integers(1, len(whole) + 1)].copy()
            places = rng.integers(0, len(broken), 8)
            broken[places] = rng.integers(0, 256, 8)
            with contextlib.suppress(xception.ImageError):
                assert xception.load_image(io.BytesIO(broken.tobytes()), (8, 8)).shape == (8, 8, 3)


def test_an_image_bomb_is_refused(tmp_path):
    path = saved(Image.new("1", (20_000, 20_000)), tmp_path / "bomb.png")
    with pytest.raises(xception.ImageError, match=r"bomb\.png: is too large"):
        xception.load_image(path)
