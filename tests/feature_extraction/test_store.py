"""Rows of features by photograph: stored at once, found again after an interruption."""

import os
import shutil

import numpy as np
import pytest
import small_models

from xception.data.failures import FailureLog
from xception.data.photographs import Photograph, find_photographs
from xception.feature_extraction.identity import fingerprint, identify_by_content
from xception.feature_extraction.store import CacheStore, FeatureStore, MemoryStore


@pytest.fixture
def photos(tmp_path):
    photographs = []
    for number in range(7):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes([number]))
        photographs.append(at(path, number, "odd" if number % 2 else "even"))
    return photographs


def at(path, index=0, label=""):
    return Photograph(index, str(path), str(path), label)


def row(photo):
    return np.array([int(os.path.basename(photo.path)[0]) + column / 8 for column in range(3)], np.float32)


def fill(store, photos):
    for photo in photos:
        store.add([photo], row(photo)[np.newaxis])


def missing(store, photos):
    return [photo for photo in photos if store.find(photo) is None]


def check(store, photos):
    numbers = [store.find(photo) for photo in photos]
    np.testing.assert_array_equal(store.take(numbers), [row(photo) for photo in photos])


def test_what_is_there_is_not_asked_for_again(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        fill(store, photos[:4])
        assert missing(store, photos) == photos[4:]
    with FeatureStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos[4:]
        fill(store, photos[4:])
        check(store, photos)
        check(store, photos[::-2])


@pytest.mark.parametrize("name", ["rows.f32", "photos.jsonl"])
@pytest.mark.parametrize("cut", [1, 5, 13, 30])
def test_whatever_is_cut_off_is_computed_again(tmp_path, photos, name, cut):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    path = tmp_path / "store" / name
    os.truncate(path, path.stat().st_size - cut)
    with FeatureStore(tmp_path / "store", "a") as store:
        lost = missing(store, photos)
        assert 0 < len(lost) < 7
        assert store.recovered == 7 - len(lost)
        fill(store, lost)
        check(store, photos)


def test_one_process_at_a_time(tmp_path, photos):
    pytest.importorskip("fcntl")
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos[:2])
        with (
            pytest.raises(OSError, match="another process or call is writing to this folder"),
            FeatureStore(store.folder, "a"),
        ):
            pass
    with FeatureStore(tmp_path / "store", "a") as store:
        check(store, photos[:2])


def test_a_store_of_nothing(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        assert len(store) == store.recovered == len(store.rows()) == 0
        store.remove()
    assert not (tmp_path / "store").exists()


def test_rows_of_another_model_are_thrown_away(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with FeatureStore(tmp_path / "store", "b") as store:
        assert missing(store, photos) == photos
    one, two = small_models.model(small_models.base()), small_models.model(small_models.base(), seed=4)
    assert fingerprint(one, "avg") == fingerprint(small_models.model(small_models.base()), "avg")
    assert len({fingerprint(one, "avg"), fingerprint(one, "max"), fingerprint(two, "avg")}) == 3


def test_a_photograph_that_changed_is_computed_again(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with open(photos[2].path, "ab") as stream:
        stream.write(b"more")
    with FeatureStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == [photos[2]]
        store.add([photos[2]], np.full((1, 3), 9, np.float32))
        assert store.take([store.find(photo) for photo in photos])[2].tolist() == [9, 9, 9]


def test_by_content_a_photograph_may_move(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a", identify_by_content) as store:
        fill(store, photos)
    shutil.move(photos[2].path, tmp_path / "2 moved.jpg")
    with FeatureStore(tmp_path / "store", "a", identify_by_content) as store:
        assert missing(store, [at(tmp_path / "2 moved.jpg"), photos[0]]) == []
        assert missing(store, [photos[2]]) == [photos[2]]


def test_labels_are_the_folders_below(tmp_path):
    for name in ("cats/a.jpg", "dogs/b.jpg", "c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    log = FailureLog("skip")
    photographs = find_photographs([str(tmp_path), str(tmp_path / "cats"), "nowhere/*.jpg"], log)
    assert [(os.path.basename(photo.path), photo.label) for photo in photographs] == [
        ("c.jpg", ""), ("a.jpg", "cats"), ("b.jpg", "dogs"),
    ]  # fmt: skip
    assert log.failures[0].path == "nowhere/*.jpg"


def test_a_photograph_given_twice_has_its_last_row(tmp_path, photos):
    with FeatureStore(tmp_path / "store", "a") as store:
        assert list(store.add([photos[1], photos[1]], np.array([[1, 2, 3], [4, 5, 6]], np.float32))) == [0, 1]
        assert store.find(photos[1]) == 1
        assert len(store) == 2


def test_images_in_memory_have_rows_but_are_not_found_again(tmp_path, photos):
    image = Photograph(5, np.zeros((4, 4, 3), np.uint8))
    with FeatureStore(tmp_path / "store", "a") as store:
        assert store.find(image) is None
        numbers = store.add([photos[0], image, photos[1]], np.arange(9, dtype=np.float32).reshape(3, 3))
        assert store.find(image) is None
        assert store.take(numbers[1:2]).tolist() == [[3, 4, 5]]
    with FeatureStore(tmp_path / "store", "a") as store:
        assert (store.recovered, store.find(photos[0]), store.find(image)) == (3, 0, None)
        assert store.find(photos[1]) == 2


def test_in_memory(photos):
    store = MemoryStore(3)
    assert store.take([]).shape == (0, 3)
    numbers = store.add(photos[:2], np.stack([row(photo) for photo in photos[:2]]))
    np.testing.assert_array_equal(store.take(numbers[::-1]), [row(photos[1]), row(photos[0])])
    assert store.find(photos[0]) is None
    assert store.recovered == 0


def test_the_cache_keeps_files_only(cache, photos):
    image = Photograph(5, np.zeros((4, 4, 3), np.uint8))
    rows = np.arange(9, dtype=np.float32).reshape(3, 3)
    for attempt in range(2):
        with CacheStore("made by", 3) as store:
            assert store.find(image) is None
            assert (store.find(photos[0]) is None) == (attempt == 0)
            assert store.recovered == 2 * attempt
            if not attempt:
                numbers = store.add([photos[0], image, photos[1]], rows)
                np.testing.assert_array_equal(store.take(numbers), rows)
                np.testing.assert_array_equal(store.take(numbers[::-2]), rows[::-2])


def test_the_cache_is_not_touched_for_images_in_memory(cache):
    with CacheStore("made by", 3) as store:
        image = Photograph(0, np.zeros((4, 4, 3), np.uint8))
        assert store.find(image) is None
        assert store.take(store.add([image], np.ones((1, 3), np.float32))).tolist() == [[1, 1, 1]]
    assert not cache.exists()


def test_without_a_cache_folder_rows_are_in_memory(cache, photos):
    cache.write_text("a file where the folder should be")
    with CacheStore("made by", 3) as store:
        with pytest.warns(UserWarning, match="features are not cached"):
            assert store.find(photos[0]) is None
        numbers = store.add([photos[0]], row(photos[0])[np.newaxis])
        np.testing.assert_array_equal(store.take(numbers), [row(photos[0])])


def test_the_cache_is_for_one_process_at_a_time(cache, photos):
    pytest.importorskip("fcntl")
    with CacheStore("made by", 3) as store:
        store.find(photos[0])
        with CacheStore("made by", 3) as two:
            with pytest.warns(UserWarning, match="another process or call is writing to this folder"):
                assert two.find(photos[0]) is None
            numbers = two.add([photos[0]], row(photos[0])[np.newaxis])  # in memory
            np.testing.assert_array_equal(two.take(numbers), [row(photos[0])])
