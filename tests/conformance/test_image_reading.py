"""Resampling, aspect ratios and color modes of photographs against Keras and TensorFlow."""

import shutil

import numpy as np
import pytest
from PIL import Image

import xception

pytestmark = pytest.mark.conformance

FILTERS = ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
SIZES = [(299, 299), (150, 71), (33, 64), (200, 101)]  #: (height, width)
SHAPES = [(83, 127), (301, 90), (64, 64), (7, 400), (540, 721)]
COLOR_MODES = {"grayscale": 1, "rgb": 3, "rgba": 4}


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def draw(shape, dtype=np.uint8):
    rng = np.random.default_rng(sum(shape))
    return rng.integers(0, 256, shape, np.uint8) if dtype == np.uint8 else rng.uniform(0, 255, shape)


def assert_close(x, expected):
    expected = np.asarray(expected)
    assert x.dtype == expected.dtype
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tf_bilinear(tf, keras, shape, dtype):
    pixels = draw((*shape, 3), dtype).astype(dtype)
    for size in SIZES:
        resized = {
            "stretch": tf.image.resize(pixels, size),
            "crop": keras.preprocessing.image.smart_resize(pixels, size),
            "pad": tf.image.resize_with_pad(pixels, *size),
        }
        for aspect, expected in resized.items():
            assert_close(xception.load_image(pixels, size, "tf-bilinear", aspect=aspect), expected)


def test_tf_bilinear_of_a_large_photograph(tf):
    pixels = draw((3001, 4003, 3))
    assert_close(xception.load_image(pixels, (299, 299), "tf-bilinear"), tf.image.resize(pixels, (299, 299)))


def test_every_small_size_is_cropped_and_padded_as_in_tensorflow(tf, keras):
    for height in range(1, 40, 3):
        for width in range(1, 40, 2):
            pixels = draw((height, width, 1))
            for size in [(21, 30), (16, 16)]:
                x = xception.load_image(pixels, size, "tf-bilinear", aspect="crop", channels=1)
                assert_close(x, keras.preprocessing.image.smart_resize(pixels, size))
                if min(height, width) * 15 > max(height, width):  # else TensorFlow fails: no rows are left
                    x = xception.load_image(pixels, size, "tf-bilinear", aspect="pad", channels=1)
                    assert_close(x, tf.image.resize_with_pad(pixels, *size))


@pytest.mark.parametrize("color_mode", COLOR_MODES)
@pytest.mark.parametrize("interpolation", FILTERS)
def test_load_img(keras, tmp_path, interpolation, color_mode):
    for number, shape in enumerate(SHAPES):
        path = tmp_path / f"{number}.png"
        Image.fromarray(draw((*shape, 3 + number % 2))).save(path)
        for size in SIZES:
            for aspect in ("stretch", "crop"):
                expected = keras.utils.load_img(
                    path, color_mode, size, interpolation, keep_aspect_ratio=aspect == "crop"
                )
                x = xception.load_image(
                    path, size, interpolation, aspect=aspect, channels=COLOR_MODES[color_mode]
                )
                np.testing.assert_array_equal(x, keras.utils.img_to_array(expected))


@pytest.mark.parametrize("color_mode", COLOR_MODES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr"])
def test_color_modes(keras, tmp_path, mode, color_mode):
    image = Image.fromarray(draw((83, 127, 4)))
    image = image.quantize(40) if mode == "P" else image.convert("RGB" if mode == "CMYK" else mode)
    path = tmp_path / ("image.tif" if mode in ("CMYK", "YCbCr") else "image.png")
    image.convert(mode).save(path)
    for size in (None, (50, 60)):
        expected = keras.utils.load_img(path, color_mode, size, "bilinear")
        x = xception.load_image(path, size, channels=COLOR_MODES[color_mode])
        np.testing.assert_array_equal(x, keras.utils.img_to_array(expected))


@pytest.mark.parametrize("color_mode", COLOR_MODES)
def test_palettes_with_transparency(keras, tmp_path, color_mode):
    path = tmp_path / "palette.png"
    Image.fromarray(draw((40, 60, 3))).quantize(20).save(path, transparency=bytes(range(0, 240, 12)))
    expected = keras.utils.load_img(path, color_mode)
    x = xception.load_image(path, None, channels=COLOR_MODES[color_mode])
    np.testing.assert_array_equal(x, keras.utils.img_to_array(expected))


def test_keras_ignores_exif(keras, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(draw((60, 90, 3))).save(path, exif=exif)
    expected = np.asarray(keras.utils.load_img(path, target_size=(50, 50)))
    np.testing.assert_array_equal(xception.load_image(path, (50, 50), "nearest", exif="ignore"), expected)
    assert (xception.load_image(path, (50, 50), "nearest") != expected).any()


@pytest.mark.parametrize(
    ("aspect", "options"),
    [
        ("stretch", {}),
        ("crop", {"crop_to_aspect_ratio": True}),
        ("pad", {"pad_to_aspect_ratio": True}),
    ],
)
@pytest.mark.parametrize("color_mode", ["grayscale", "rgb"])
def test_image_dataset_from_directory(keras, tmp_path, aspect, options, color_mode):
    shapes = SHAPES[:3]
    for number, shape in enumerate(shapes):
        image = draw(shape) if color_mode == "grayscale" else draw((*shape, 3))
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path, labels=None, color_mode=color_mode, image_size=(71, 90), batch_size=len(shapes),
        shuffle=False, verbose=False, **options,
    )  # fmt: skip
    (expected,) = (np.asarray(batch) for batch in dataset)
    for number in range(len(shapes)):
        x = xception.load_image(
            tmp_path / f"{number}.png", (71, 90), "tf-bilinear", aspect=aspect, exif="ignore",
            channels=COLOR_MODES[color_mode],
        )  # fmt: skip
        assert_close(x, expected[number])


@pytest.mark.parametrize("channels", [1, 4])
def test_a_model_of_grey_or_rgba_photographs(keras, tmp_path, channels):
    layers = keras.layers
    image = keras.Input((24, 32, channels))
    x = layers.Conv2D(6, 3, activation="relu")(image)
    x = layers.SeparableConv2D(8, 3)(x)
    outputs = layers.Dense(4, "softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, outputs)
    model.save(tmp_path / "model.keras")
    photo = tmp_path / "photo.png"
    Image.fromarray(draw((60, 50, 3))).save(photo)
    color_mode = {1: "grayscale", 4: "rgba"}[channels]
    pixels = keras.utils.img_to_array(keras.utils.load_img(photo, color_mode, (24, 32)))
    expected = model.predict(pixels[None] / 127.5 - 1, verbose=0)
    classifier = xception.Classifier(tmp_path / "model.keras", interpolation="nearest", exif="ignore")
    ours = classifier.probabilities(classifier.preprocessor.load(photo)[None])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_files_are_decoded_as_by_tensorflow(tf, subsampling, tmp_path):
    rng = np.random.default_rng(1)
    for height, width in ((1, 1), (2, 3), (61, 47), (130, 99)):
        y, x = np.mgrid[:height, :width]
        pixels = np.stack([x * 2, y * 3, (x + y) % 256], -1) + rng.integers(0, 60, (height, width, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        for quality in (40, 95):
            path = tmp_path / "x.jpg"
            image.save(path, quality=quality, subsampling=subsampling)
            expected = tf.io.decode_jpeg(path.read_bytes(), channels=3).numpy()
            np.testing.assert_array_equal(xception.load_image(path, None, "tf-dataset"), expected)
            resized = tf.image.resize(expected, (20, 30)).numpy()
            assert_close(xception.load_image(path, (20, 30), "tf-dataset"), resized)


def test_a_folder_is_read_as_a_dataset(tf, keras, examples, tmp_path):
    """The default of `image_dataset_from_directory`, from files to pixels."""
    (tmp_path / "a").mkdir()
    paths = sorted(examples.glob("*.jpg"))
    for path in paths:
        shutil.copy(path, tmp_path / "a" / path.name)
    read = keras.utils.image_dataset_from_directory(
        tmp_path, labels=None, image_size=(150, 150), shuffle=False, verbose=False
    )
    pixels = np.concatenate([batch.numpy() for batch in read])
    for path, expected in zip(paths, pixels, strict=True):
        assert_close(xception.load_image(path, (150, 150), "tf-dataset", exif="ignore"), expected)
