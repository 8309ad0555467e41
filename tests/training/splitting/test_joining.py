"""Photographs that stay together: copies, near copies, and groups."""

import io

import numpy as np
import pytest
from PIL import Image

import xception
from xception.training.splitting.joining import digest_pixels, find_near_copies, join_photographs

KEYS = list("abcdef")
PATHS = [f"set/{key}.jpg" for key in KEYS]


def test_nothing_is_joined_without_a_reason():
    units = join_photographs(KEYS, PATHS, ["x", "y"] * 3)
    assert units.numbers.tolist() == [0, 1, 2, 3, 4, 5]
    assert (units.count, units.copies, units.near_copies, units.groups, units.notes) == (6, 0, 0, None, ())


def test_copies_stay_together_and_contradictions_are_named():
    units = join_photographs(list("abacab"), PATHS, ["x", "y", "x", "y", "y", "y"])
    assert units.numbers.tolist() == [0, 1, 0, 2, 0, 1]
    assert units.first_keys == ["a", "b", "c"]
    assert units.copies == 3
    assert units.notes == (
        "3 photographs have the same pixels as another: copies stay on one side",
        "the same pixels with different labels: set/a.jpg (x) and set/e.jpg (y)",
    )


def test_two_keys_connect_both_groups():
    groups = [("0", "1"), "2", "1", ("3", "2"), None, "0"]
    units = join_photographs(KEYS, PATHS, groups=groups)
    assert units.numbers.tolist() == [0, 1, 0, 1, 2, 0]
    assert units.groups == 4


def test_copies_connect_groups():
    units = join_photographs(["a", "b", "c", "b"], PATHS[:4], groups=["p", "p", "q", "q"])
    assert units.count == 1


def test_groups_of_one_photograph_each_are_said_to_change_nothing():
    units = join_photographs(KEYS, PATHS, groups=list("123456"))
    assert units.notes == ("the 6 groups have one photograph each: they change nothing",)


def test_series_are_warned_of_only_without_groups():
    paths = [f"set/{stem}_{number}.jpg" for stem in "xy" for number in range(3)]
    (warning,) = join_photographs(KEYS, paths).notes
    assert "names look like series" in warning
    assert join_photographs(KEYS, paths, groups=[1, 1, 1, 2, 2, 2]).notes == ()


def test_digests_depend_on_pixels_and_on_their_shape():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert digest_pixels(pixels) == digest_pixels(pixels[:, ::-1][:, ::-1])
    others = [pixels + 1, pixels.reshape(4, 2, 3), pixels.astype(np.float32)]
    assert len({digest_pixels(other) for other in (pixels, *others)}) == 4


# --- near copies ----------------------------------------------------------------------------


def random_features(count, width=2048, seed=0):
    return np.random.default_rng(seed).exponential(size=(count, width)).astype(np.float32)


def brute_force(features, limit):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    first, second = np.nonzero(np.triu(rows @ rows.T >= 1 - limit, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


@pytest.mark.parametrize("width", [8, 2048])
def test_near_copies_are_found_among_many(width):
    """Rows whose distance is next to the limit are told apart; across blocks, too."""
    features = random_features(1500, width)
    generator = np.random.default_rng(1)
    for copy, (original, noise) in enumerate(zip([3, 700, 1400], [0.1, 0.2, 0.25], strict=True)):
        features[copy + 1490] = features[original] * (1 + noise * generator.standard_normal(width))
    found = find_near_copies(features)
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = rows @ rows.T
    limit = min(0.03, 0.1 * (1 - np.median(cosines[~np.eye(len(rows), dtype=bool)])))
    sure = set(brute_force(features, 0.95 * limit))
    assert sure <= set(found) <= set(brute_force(features, 1.05 * limit))
    if width == 2048:
        assert (3, 1490) in found
        assert limit == 0.03


def test_all_alike_all_zero_and_few():
    assert find_near_copies(np.zeros((3, 5), np.float32)) == []
    assert find_near_copies(np.ones((1, 5), np.float32)) == []
    alike = 1 + 0.01 * random_features(50, 300)  # as digits or textures are: copies must be nearer still
    assert find_near_copies(alike) == []
    alike[7] = 1.0005 * alike[20]
    assert find_near_copies(alike) == [(7, 20)]


def test_encoded_and_resized_photographs_are_near_copies(examples):
    def encode(name, quality, scale=1.0):
        image = Image.open(examples / f"{name}.jpg")
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return stream.getvalue()

    names = ["chelsea", "astronaut", "coffee", "rocket"]
    originals = [examples / f"{name}.jpg" for name in names]
    features = xception.features([*originals, encode("chelsea", 80), encode("rocket", 85, 1.3)], verbose=0)
    assert find_near_copies(features.values) == [(0, 4), (3, 5)]


def test_near_copies_stay_together():
    features = random_features(6)
    features[4] = features[1] * 1.001
    units = join_photographs(KEYS, PATHS, ["x", "y", "x", "y", "y", "x"], features)
    assert units.numbers.tolist() == [0, 1, 2, 3, 1, 4]
    assert units.near_copies == 1
    assert units.notes == ("1 pair of near copies, such as set/b.jpg and set/e.jpg: they stay on one side",)


def test_too_many_near_copies_are_only_warned_of():
    features = random_features(6)
    features[2] = features[4] = features[0] * 1.001
    units = join_photographs(KEYS, PATHS, ["x", "y", "x", "y", "x", "y"], features)
    assert units.count == 6
    assert units.near_copies == 3
    assert "too many to keep them on one side, so that validation figures may be too good" in units.notes[0]
