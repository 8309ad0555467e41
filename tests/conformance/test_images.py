"""Loading and preprocessing of images against Keras: results are exactly equal."""

import numpy as np
import pytest
from PIL import Image

import xception

pytestmark = pytest.mark.conformance

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
EXAMPLES = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]


def color_picture(height=83, width=127):
    """Return a picture with edges, ramps and noise: every interpolation gives a different result."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    ramps = np.stack([x * 255 // width, y * 255 // height, (x // 8 + y // 8) % 2 * 255], axis=-1)
    return Image.fromarray((ramps * 0.8 + rng.uniform(0, 50, ramps.shape)).astype(np.uint8))


def with_alpha(image):
    """Return a copy with an alpha channel from transparent to opaque."""
    alpha = np.linspace(0, 255, image.width * image.height).reshape(image.height, image.width)
    image = image.copy()
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


def palette_picture():
    return color_picture().quantize(32)


#: {description: (function that draws the picture, suffix, options of `save`)}
KINDS = {
    "RGB": (color_picture, "png", {}),
    "RGB, a transparent color": (color_picture, "png", {"transparency": (0, 0, 0)}),
    "gray": (lambda: color_picture().convert("L"), "png", {}),
    "gray, a transparent level": (lambda: color_picture().convert("L"), "png", {"transparency": 80}),
    "gray JPEG": (lambda: color_picture().convert("L"), "jpg", {}),
    "gray with alpha": (lambda: with_alpha(color_picture()).convert("LA"), "png", {}),
    "RGBA": (lambda: with_alpha(color_picture()), "png", {}),
    "palette": (palette_picture, "png", {}),
    "palette, a transparent color": (palette_picture, "png", {"transparency": 3}),
    "palette, half-transparent colors": (palette_picture, "png", {"transparency": bytes(range(0, 256, 8))}),
    "palette GIF, a transparent color": (palette_picture, "gif", {"transparency": 3}),
    "black and white": (lambda: color_picture().convert("1"), "png", {}),
    "CMYK JPEG": (lambda: color_picture().convert("CMYK"), "jpg", {}),
    "WebP": (lambda: with_alpha(color_picture()), "webp", {"lossless": True}),
    "BMP": (color_picture, "bmp", {}),
    "animated GIF": (
        palette_picture,
        "gif",
        {"save_all": True, "append_images": [color_picture().rotate(90)]},
    ),
    "YCbCr TIFF": (lambda: color_picture().convert("YCbCr"), "tif", {}),
}


def assert_same_pixels(keras, path, target_size, interpolation):
    expected = keras.utils.load_img(path, target_size=target_size, interpolation=interpolation)
    pixels = xception.load_image(path, target_size, interpolation)
    np.testing.assert_array_equal(pixels, np.asarray(expected), strict=True)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_photographs(keras, examples, name, interpolation):
    for target_size in [(299, 299), (71, 200), (640, 331), None]:
        assert_same_pixels(keras, examples / name, target_size, interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_images(keras, tmp_path, kind, interpolation):
    draw, suffix, options = KINDS[kind]
    path = tmp_path / f"picture.{suffix}"
    draw().save(path, **options)
    for target_size in [(299, 299), (40, 60), (83, 127), None]:
        assert_same_pixels(keras, path, target_size, interpolation)


def test_defaults_differ_only_in_size_and_interpolation(keras, examples):
    expected = keras.utils.load_img(
        examples / "chelsea.jpg", target_size=(299, 299), interpolation="bilinear"
    )
    np.testing.assert_array_equal(xception.load_image(examples / "chelsea.jpg"), np.asarray(expected))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (16, 16, 3)], ids=str)
def test_preprocess_input(keras, dtype, shape):
    pixels = np.random.default_rng(1).uniform(0, 256, shape).astype(dtype)
    expected = keras.applications.xception.preprocess_input(pixels.copy())  # it modifies its argument
    np.testing.assert_array_equal(xception.preprocess_input(pixels), expected, strict=True)


def test_preprocess_input_of_every_pixel_value(keras):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    expected = keras.applications.xception.preprocess_input(pixels)
    np.testing.assert_array_equal(xception.preprocess_input(pixels), expected, strict=True)
