"""Files become the very pixels, and pixels the very numbers, that Keras makes of them."""

import numpy as np
import pytest
from PIL import Image

import xception

pytestmark = pytest.mark.conformance

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
EXAMPLES = ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]


def colours(height=83, width=127):
    """A picture with edges, ramps and noise, so that every interpolation gives something else."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    ramps = np.stack([x * 255 // width, y * 255 // height, (x // 8 + y // 8) % 2 * 255], axis=-1)
    return Image.fromarray((ramps * 0.8 + rng.uniform(0, 50, ramps.shape)).astype(np.uint8))


def clear(image):
    """The picture with an alpha channel that runs from nothing to opaque."""
    alpha = np.linspace(0, 255, image.width * image.height).reshape(image.height, image.width)
    image = image.copy()
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return image


def palette():
    return colours().quantize(32)


#: {what it is: (the picture, the file's ending, how to save it)}
KINDS = {
    "RGB": (colours, "png", {}),
    "RGB, a transparent colour": (colours, "png", {"transparency": (0, 0, 0)}),
    "grey": (lambda: colours().convert("L"), "png", {}),
    "grey, a transparent level": (lambda: colours().convert("L"), "png", {"transparency": 80}),
    "grey JPEG": (lambda: colours().convert("L"), "jpg", {}),
    "grey with alpha": (lambda: clear(colours()).convert("LA"), "png", {}),
    "RGBA": (lambda: clear(colours()), "png", {}),
    "palette": (palette, "png", {}),
    "palette, a transparent colour": (palette, "png", {"transparency": 3}),
    "palette, half-transparent colours": (palette, "png", {"transparency": bytes(range(0, 256, 8))}),
    "palette GIF, a transparent colour": (palette, "gif", {"transparency": 3}),
    "black and white": (lambda: colours().convert("1"), "png", {}),
    "CMYK JPEG": (lambda: colours().convert("CMYK"), "jpg", {}),
    "WebP": (lambda: clear(colours()), "webp", {"lossless": True}),
    "BMP": (colours, "bmp", {}),
    "moving GIF": (palette, "gif", {"save_all": True, "append_images": [colours().rotate(90)]}),
    "YCbCr TIFF": (lambda: colours().convert("YCbCr"), "tif", {}),
}


def assert_same_pixels(keras, path, target_size, interpolation):
    expected = keras.utils.load_img(path, target_size=target_size, interpolation=interpolation)
    found = xception.load_image(path, target_size, interpolation)
    np.testing.assert_array_equal(found, np.asarray(expected), strict=True)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_photographs(keras, examples, name, interpolation):
    for target_size in [(299, 299), (71, 200), (640, 331), None]:
        assert_same_pixels(keras, examples / name, target_size, interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_images(keras, tmp_path, kind, interpolation):
    make, ending, options = KINDS[kind]
    path = tmp_path / f"picture.{ending}"
    make().save(path, **options)
    for target_size in [(299, 299), (40, 60), (83, 127), None]:
        assert_same_pixels(keras, path, target_size, interpolation)


def test_the_defaults_differ_only_in_size_and_interpolation(keras, examples):
    expected = keras.utils.load_img(
        examples / "chelsea.jpg", target_size=(299, 299), interpolation="bilinear"
    )
    np.testing.assert_array_equal(xception.load_image(examples / "chelsea.jpg"), np.asarray(expected))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (16, 16, 3)], ids=str)
def test_preprocess_input(keras, dtype, shape):
    pixels = np.random.default_rng(1).uniform(0, 256, shape).astype(dtype)
    expected = keras.applications.xception.preprocess_input(pixels.copy())  # it writes into what it is given
    np.testing.assert_array_equal(xception.preprocess_input(pixels), expected, strict=True)


def test_preprocess_input_of_every_pixel_value(keras):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    expected = keras.applications.xception.preprocess_input(pixels)
    np.testing.assert_array_equal(xception.preprocess_input(pixels), expected, strict=True)
