"""JPEG files that the decoder reduces, which changes little but the time."""

import io

import numpy as np
import pytest
from PIL import Image

import xception
from xception.data import images
from xception.prediction.preprocessing import Preprocessor

SIZE = (71, 71)


@pytest.fixture(scope="module")
def photo(examples):
    """A photograph whose sides are no multiples of 8."""
    with Image.open(examples / "chelsea.jpg") as image:
        return image.resize((805, 613), Image.Resampling.BICUBIC)


def saved(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


def read_both(content, size=SIZE, interpolation="bilinear", **options):
    """The pixels by exact decoding, and by fast."""
    return [
        xception.load_image(content, size, interpolation, decode=decode, **options).astype(int)
        for decode in ("exact", "fast")
    ]


def assert_close(exact, fast):
    difference = np.abs(exact - fast)
    assert exact.shape == fast.shape
    assert difference.any()  # it was reduced
    assert difference.mean() < 0.4
    assert difference.max() <= 8
    for edge in (difference[0], difference[-1], difference[:, 0], difference[:, -1]):
        assert edge.mean() < 0.6


@pytest.fixture
def reductions(monkeypatch):
    """How many pixels became one, each way, of the files that were read by "fast"."""
    counts = []

    def count(*arguments):
        counts.append(reduce_jpeg(*arguments))
        return counts[-1]

    reduce_jpeg = images.reduce_jpeg
    monkeypatch.setattr(images, "reduce_jpeg", count)
    return counts


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
def test_the_same_part_is_read_whichever_way_a_photograph_is_turned(photo, reductions, orientation, aspect):
    content = saved(photo, **turned(orientation))
    size = (71, 83) if orientation <= 4 else (83, 71)
    assert_close(*read_both(content, size, aspect=aspect))
    assert reductions == [4]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "hamming", "lanczos"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_pixels_differ_by_less_than_a_gray_level(photo, interpolation, options):
    assert_close(*read_both(saved(photo, **options), interpolation=interpolation))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gray_and_cmyk_files_and_any_channels(photo, reductions, mode, channels):
    assert_close(*read_both(saved(photo.convert(mode)), channels=channels))
    assert reductions == [4]


@pytest.mark.parametrize(
    ("size", "interpolation", "aspect", "expected"),
    [
        ((38, 50), "bilinear", "stretch", 8), ((39, 50), "bilinear", "stretch", 4),
        ((38, 51), "bilinear", "stretch", 4), ((153, 201), "bilinear", "stretch", 2),
        ((154, 201), "bilinear", "stretch", 1), ((153, 202), "bilinear", "stretch", 1),
        ((38, 38), "bilinear", "crop", 8), ((39, 39), "bilinear", "crop", 4),
        ((50, 50), "bilinear", "pad", 8), ((51, 51), "bilinear", "pad", 4),
        ((19, 25), "box", "stretch", 8), ((20, 25), "box", "stretch", 4), ((1, 1), "bilinear", "stretch", 8),
    ],
)  # fmt: skip
def test_two_pixels_are_left_for_each_that_is_needed(
    photo, reductions, size, interpolation, aspect, expected
):
    for orientation, shape in ((1, size), (6, size[::-1])):
        content = saved(photo, **turned(orientation))
        pixels = xception.load_image(content, shape, interpolation, aspect=aspect, decode="fast")
        assert pixels.shape == (*shape, 3)
    assert reductions == [expected, expected]


def test_nothing_changes_where_it_has_no_effect(photo, tmp_path):
    content = saved(photo)
    photo.save(tmp_path / "photo.png")
    for arguments in (
        (tmp_path / "photo.png", SIZE), (content, None), (content, (299, 299)), (content, SIZE, "nearest"),
        (content, SIZE, "tf-bilinear"), (content, (71, 299)), (np.asarray(photo), SIZE),
    ):  # fmt: skip
        exact, fast = read_both(*arguments)
        np.testing.assert_array_equal(exact, fast)


def test_an_image_that_a_user_has_opened_is_not_reduced(photo):
    with Image.open(io.BytesIO(saved(photo))) as image:
        exact, fast = read_both(image)
        assert image.size == photo.size
    np.testing.assert_array_equal(exact, fast)


def test_damaged_files_are_refused_alike(photo):
    content = saved(photo)
    for decode in ("exact", "fast"):
        with pytest.raises(xception.ImageError, match="damaged or incomplete"):
            xception.load_image(content[: len(content) // 2], SIZE, decode=decode)


def test_exact_pixels_of_tensorflow_are_not_to_be_had_fast(photo):
    with pytest.raises(ValueError, match="does not give the exact pixels of TensorFlow"):
        xception.load_image(saved(photo), SIZE, "tf-dataset", decode="fast")
    model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=2, seed=0)
    model.preprocessing = xception.Preprocessing(interpolation="tf-dataset")
    with pytest.raises(ValueError, match="another interpolation"):
        Preprocessor(model, decode="fast")
    assert Preprocessor(model, interpolation="bilinear", decode="fast").decode == "fast"
    with pytest.raises(ValueError, match="decode must be one of exact, fast, got 'quick'"):
        xception.load_image(saved(photo), SIZE, decode="quick")
