"""Augmentation: what is drawn, what becomes of pixels, and what is refused."""

import numpy as np
import pytest

import xception
from xception.data.augmentation import Augmentation
from xception.data.pixel_changes import change_colors, change_geometry, draw_box

ALL = Augmentation.parse("flip,crop,rotation,brightness,contrast,saturation,erasing=1")


@pytest.fixture(scope="module")
def cat(examples):
    return xception.load_image(examples / "chelsea.jpg", (60, 80))


def smooth_ramp(width=40, height=30):
    """Red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    return np.stack([x * 5, y * 5, np.full_like(x, 100)], axis=-1)


# --- what is drawn --------------------------------------------------------------------------


def test_the_same_seed_epoch_and_photograph_give_the_same_pixels_in_any_order(cat):
    first = {key: ALL.apply(cat, 3, 1, key) for key in (0, 1, "digest", b"\x00\x01")}
    for key in reversed(first):
        np.testing.assert_array_equal(ALL.apply(cat, 3, 1, key), first[key])
    others = [ALL.apply(cat, 4, 1, 0), ALL.apply(cat, 3, 2, 0), first[1], first["digest"], first[b"\x00\x01"]]
    assert len({array.tobytes() for array in (first[0], *others)}) == 6


def test_digests_as_text_and_with_leading_zeros_are_told_apart(cat):
    keys = ["0", "00", b"\x00", b"\x00\x00", "é", "\udcff.jpg"]
    assert len({ALL.apply(cat, 0, 0, key).tobytes() for key in keys}) == len(keys)


def test_variants_come_again_and_fresh_ones_do_not(cat):
    fixed, fresh = Augmentation(crop=0.5, variants=3), Augmentation(crop=0.5, variants=None)
    seen = [fixed.apply(cat, 0, epoch, 7).tobytes() for epoch in range(7)]
    assert seen[:3] == seen[3:6] == [*seen[6:], *seen[1:3]]
    assert len(set(seen)) == 3
    assert len({fresh.apply(cat, 0, epoch, 7).tobytes() for epoch in range(7)}) == 7
    assert [fixed.variant(epoch) for epoch in range(4)] == [0, 1, 2, 0]
    assert [fresh.variant(epoch) for epoch in range(4)] == [0, 1, 2, 3]
    assert [Augmentation(mixup=1, variants=None).variant(epoch) for epoch in range(3)] == [0, 0, 0]


def test_turning_one_change_on_leaves_the_others_as_they_are(cat):
    for key in range(8):
        flipped = Augmentation(flip=True).apply(cat, 0, 0, key)
        cropped = Augmentation(crop=0.5).apply(cat, 0, 0, key)
        both = Augmentation(flip=True, crop=0.5).apply(cat, 0, 0, key)
        is_flipped = not np.array_equal(flipped, cat)
        np.testing.assert_array_equal(both, cropped[:, ::-1] if is_flipped else cropped)


def test_half_of_the_photographs_are_flipped_and_a_quarter_erased(cat):
    flips = [np.array_equal(Augmentation(flip=True).apply(cat, 0, 0, key), cat) for key in range(400)]
    assert 160 < sum(flips) < 240
    erased = [np.array_equal(Augmentation(erasing=0.25).apply(cat, 0, 0, key), cat) for key in range(400)]
    assert 260 < sum(erased) < 340


@pytest.mark.parametrize("smallest", [0.05, 0.7, 0.95, 1])
def test_crops_keep_the_share_of_the_area_and_the_aspect_ratio(smallest):
    draws = np.random.default_rng(0).random((500, 4)).tolist()
    for left, top, right, bottom in (draw_box(smallest, (80, 60), *draw) for draw in draws):
        assert 0 <= left < right <= 80
        assert 0 <= top < bottom <= 60
        width, height = (right - left) / 80, (bottom - top) / 60
        assert smallest - 1e-9 <= width * height <= 1 + 1e-9
        assert 0.75 - 1e-9 <= width / height <= 4 / 3 + 1e-9


# --- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_keep_their_shape_type_and_range(channels, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, channels)).astype(dtype)
    before = pixels.copy()
    text = "flip,crop=0.3,rotation=180,brightness=1,contrast=1,erasing=0.5"
    augmentation = Augmentation.parse(text + ",saturation" * (channels in (3, 4)))
    for key in range(6):
        result = augmentation.apply(pixels, 0, 0, key)
        assert result.shape == pixels.shape
        assert result.dtype == dtype
        assert 0 <= result.min() <= result.max() <= 255
    np.testing.assert_array_equal(pixels, before)


def test_bytes_and_floats_give_the_same_picture(cat):
    for key in range(6):
        ours = ALL.apply(cat, 0, 0, key)
        floats = ALL.apply(cat.astype(np.float32), 0, 0, key)
        assert abs(ours - floats).max() < 3


def test_nothing_is_done_without_augmentation(cat):
    assert Augmentation().apply(cat, 0, 0, 0) is cat
    assert Augmentation(mixup=0.2).apply(cat, 0, 0, 0) is cat


def test_a_quarter_turn_is_exact():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.float32)
    turned = change_geometry(pixels, False, (0, 0, 16, 16), np.pi / 2)
    np.testing.assert_allclose(turned, np.rot90(pixels), atol=1e-2)
    np.testing.assert_allclose(
        change_geometry(pixels, True, (0, 0, 16, 16), np.pi / 2), np.rot90(pixels)[:, ::-1], atol=1e-2
    )


def test_crops_and_turns_are_where_they_should_be():
    """A linear ramp stays linear: red and green at each pixel tell where it comes from."""
    box, angle = (10.0, 5.0, 30.0, 20.0), 0.1
    result = change_geometry(smooth_ramp(), False, box, angle)
    y, x = np.mgrid[:30, :40] + 0.5
    u, v = 10 + x / 2 - 20, 5 + y / 2 - 15
    expected_x = np.cos(angle) * u - np.sin(angle) * v + 20
    expected_y = np.sin(angle) * u + np.cos(angle) * v + 15
    np.testing.assert_allclose(result[..., 0] / 5, expected_x, atol=0.02)
    np.testing.assert_allclose(result[..., 1] / 5, expected_y, atol=0.02)
    cropped = change_geometry(smooth_ramp(), False, box, 0)
    np.testing.assert_allclose(cropped[1:-1, 1:-1, 0] / 5, (10 + x / 2)[1:-1, 1:-1], atol=0.02)


def test_turned_photographs_have_no_black_corners():
    white = np.full((30, 50, 3), 255, np.uint8)
    for key in range(10):
        assert Augmentation(rotation=180).apply(white, 0, 0, key).min() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_brightness_contrast_and_saturation(dtype):
    pixels = np.array([[[100, 100, 100], [40, 80, 120]]], dtype)
    gray = np.array([100, 0.299 * 40 + 0.587 * 80 + 0.114 * 120])
    atol = 0.51 if dtype == np.uint8 else 1e-3
    np.testing.assert_allclose(change_colors(pixels, 1.5, 1, 1), pixels * 1.5, atol=atol)
    np.testing.assert_allclose(
        change_colors(pixels, 1, 0.5, 1), (pixels + gray.mean()) / 2, atol=atol + 0.3 * (dtype == np.uint8)
    )
    np.testing.assert_allclose(change_colors(pixels, 1, 1, 0)[0, :, 0], gray, atol=atol)
    np.testing.assert_allclose(change_colors(pixels, 3, 1, 1)[0, 1], [120, 240, 255], atol=atol)


def test_alpha_is_kept():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4)).astype(np.uint8)
    changed = change_colors(pixels, 0.5, 0.5, 0.5)
    np.testing.assert_array_equal(changed[..., 3], pixels[..., 3])
    assert (changed[..., :3] != pixels[..., :3]).any()


# --- mixup ----------------------------------------------------------------------------------


def test_mixup_pairs_each_example_with_another_whatever_the_order():
    mixup = Augmentation(mixup=0.4)
    keys = ["a", "b", "c", "d", "e"]
    mixing = mixup.pair(0, 2, keys)
    assert sorted(mixing.partners) == list(range(5))
    assert (mixing.partners != np.arange(5)).all()
    assert (mixing.weights >= 0.5).all()
    assert (mixing.weights <= 1).all()
    back = mixup.pair(0, 2, keys[::-1])
    assert {a: keys[b] for a, b in zip(keys, mixing.partners, strict=True)} == {
        a: keys[::-1][b] for a, b in zip(keys[::-1], back.partners, strict=True)
    }
    np.testing.assert_array_equal(mixing.weights, back.weights[::-1])
    assert (mixup.pair(0, 3, keys).weights != mixing.weights).any()
    assert mixup.pair(0, 0, ["a"]) is None
    assert Augmentation(flip=True).pair(0, 0, keys) is None


def test_mixed_activations_and_labels():
    mixing = Augmentation(mixup=1).pair(0, 0, [5, 6, 7])
    x = np.arange(12.0).reshape(3, 2, 2)
    w = mixing.weights.astype(float)[:, None, None]
    np.testing.assert_allclose(mixing.mix(x), w * x + (1 - w) * x[mixing.partners], rtol=1e-6)
    np.testing.assert_allclose(mixing.mix(np.eye(3)).sum(axis=1), 1, rtol=1e-6)


# --- text, and errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Augmentation()),
        ("flip", Augmentation(flip=True)),
        (" flip , crop ", Augmentation(flip=True, crop=0.7)),
        ("rotation=7.5,fresh", Augmentation(rotation=7.5, variants=None)),
        ("mixup,variants=2", Augmentation(mixup=0.2, variants=2)),
        ("brightness=0.1,contrast,saturation=1,erasing", Augmentation(False, 1, 0, 0.1, 0.2, 1, 0.25)),
    ],
)
def test_text_and_back(text, expected):
    assert Augmentation.parse(text) == expected
    assert Augmentation.parse(str(expected)) == expected


def test_pixel_settings_tell_what_decides_the_pixels_of_a_variant():
    assert Augmentation.parse("flip,rotation=10,mixup,fresh").pixel_settings == "flip,rotation=10"
    assert Augmentation(rotation=0.1 + 0.2).pixel_settings == "rotation=0.30000000000000004"
    assert Augmentation(mixup=1).pixel_settings == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flop", "unknown augmentation 'flop'; expected flip, crop, .*, or none; did you mean flip?"),
        ("", "has an empty name; expected flip"),
        ("flip,", "has an empty name; expected flip"),
        ("flip,none", "unknown augmentation 'none'"),
        ("crop=0.5,crop", "gives crop twice"),
        ("fresh,variants=3", "gives variants twice"),
        ("variants", 'needs a number, as in "variants=4"'),
        ("variants=0", "variants must be at least 1"),
        ("variants=1001", "variants must be at most 1000, got 1001; or use fresh"),
        ("variants=2.5", "takes an integer, got '2.5'"),
        ("flip=1", '"flip" takes no value'),
        ("rotation=15°", "takes a number, got '15°'"),
        ("rotation=", "takes a number, got ''"),
        ("rotation=-5", "rotation must be from 0 to 180, got -5.0"),
        ("crop=0", "crop must be from 0.01 to 1, got 0.0"),
        ("brightness=nan", "brightness must be a finite number"),
        ("mixup=-1", "mixup must be at least 0"),
    ],
)
def test_errors_name_what_was_wrong_and_what_is_expected(text, message):
    with pytest.raises(ValueError, match=message):
        Augmentation.parse(text)


def test_pixels_that_are_none_are_refused(cat):
    with pytest.raises(TypeError, match='must be a text such as "flip,crop", got list'):
        Augmentation.parse(["flip"])
    flip = Augmentation(flip=True)
    with pytest.raises(
        ValueError, match=r"expected the pixels of a photograph \(h, w, c\), got .* \(60, 80\)"
    ):
        flip.apply(cat[..., 0], 0, 0, 0)
    with pytest.raises(ValueError, match="uint8 or floating-point, got int64"):
        flip.apply(cat.astype(np.int64), 0, 0, 0)
    with pytest.raises(ValueError, match="saturation needs RGB, got 1 channels"):
        Augmentation(saturation=0.1).apply(cat[..., :1], 0, 0, 0)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        flip.apply(cat, -1, 0, 0)
    with pytest.raises(ValueError, match="epoch must be at least 0"):
        flip.apply(cat, 0, -1, 0)
    with pytest.raises(ValueError, match="a digest or an index from 0, got -3"):
        flip.apply(cat, 0, 0, -3)
    with pytest.raises(ValueError, match="flip must be True or False"):
        Augmentation(flip=1)
