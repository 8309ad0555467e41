"""The budget of the cache: what was not used for longest goes first, what is in use stays."""

import os
import subprocess
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from stored_rows import at, missing

import xception
from xception.limits import max_cache_bytes
from xception.models.pretrained import CLASSIFIER
from xception.storage import budget, identity
from xception.storage.budget import ACTIVATIONS, list_units
from xception.storage.cache import CacheStore, RowCache

COLUMNS = 250
ROW_BYTES = 4 * COLUMNS + 48  # with its entry in the index

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def room_for_five_rows(cache, monkeypatch):
    """A budget so small that each row is a segment of its own."""
    monkeypatch.setenv("XCEPTION_MAX_CACHE", f"{5 * ROW_BYTES + 100}B")


def numbered(photo):
    return np.full((1, COLUMNS), float(os.path.basename(photo.path)[0]), np.float32)


def keep(*photos, made_by="made by"):
    """Cache rows in a call of its own."""
    with CacheStore(made_by, COLUMNS) as store:
        for photo in photos:
            if store.find(photo) is None:
                store.add([photo], numbered(photo))


def age(cache, seconds):
    """Make everything in the cache older."""
    for path in cache.rglob("*.*"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - int(seconds * 1e9)))


def kept(photos, made_by="made by"):
    """Return which photographs are found, without making them recently used."""
    units = {path: path.stat() for path in (budget.cache_dir() / "features").rglob("*.rows")}
    with CacheStore(made_by, COLUMNS) as store:
        lost = missing(store, photos)
    for path, status in units.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return [photo.index for photo in photos if photo not in lost]


def cached_bytes(cache):
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())


def test_what_was_not_used_for_longest_goes_first(cache, photos):
    for photo in photos[:5]:
        keep(photo)
        age(cache, 10)
    keep(photos[0])  # used again
    age(cache, 10)
    for photo, expected in zip(photos[5:], ([0, 2, 3, 4, 5], [0, 3, 4, 5, 6]), strict=True):
        keep(photo)
        age(cache, 10)
        assert kept(photos) == expected


def test_that_of_another_model_goes_first_if_it_is_older(cache, photos):
    keep(*photos[:3], made_by="made before")
    age(cache, 10)
    keep(*photos[:4])
    assert kept(photos) == [0, 1, 2, 3]
    assert len(kept(photos, "made before")) == 1
    assert xception.cache_info().models == 2


def test_a_run_larger_than_the_budget_keeps_its_first_rows(cache, photos):
    with CacheStore("made by", COLUMNS) as store:
        numbers = []
        for photo in photos:
            assert store.find(photo) is None
            message = r"no longer cached: .*is full \(5\.4kB\), and all in it is in use"
            with pytest.warns(UserWarning, match=message) if photo.index == 5 else nullcontext():
                numbers += store.add([photo], numbered(photo))
            assert cached_bytes(cache) <= max_cache_bytes()
        np.testing.assert_array_equal(store.take(numbers)[:, 0], range(7))
    assert kept(photos) == [0, 1, 2, 3, 4]
    with CacheStore("made by", COLUMNS) as store:  # those that it finds are not deleted for the others
        assert missing(store, photos) == photos[5:]
        with pytest.warns(UserWarning, match="no longer cached"):
            store.add(photos[5:], np.ones((2, COLUMNS), np.float32))
    assert kept(photos) == [0, 1, 2, 3, 4]


def test_what_another_call_uses_stays(cache, photos):
    keep(*photos[:5])
    age(cache, 10)
    with CacheStore("made by", COLUMNS) as store:
        assert store.find(photos[1]) is not None
        age(cache, 10)
        keep(*photos[5:])
        assert {1, 5, 6} <= set(kept(photos))
        np.testing.assert_array_equal(store.take([store.find(photos[1])]), numbered(photos[1]))


USE = """
import sys
from xception.data.photographs import Photograph
from xception.storage.cache import CacheStore

with CacheStore("made by", 250) as store:
    print(store.find(Photograph(0, sys.argv[1])) is not None, flush=True)
    sys.stdin.read()
"""


def test_what_another_process_uses_stays(cache, photos):
    pytest.importorskip("fcntl")
    keep(*photos[:5])
    process = subprocess.Popen(
        [sys.executable, "-c", USE, photos[1].path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "True\n"
    age(cache, 10)
    keep(*photos[5:])
    assert {1, 5, 6} <= set(kept(photos))
    cleared = xception.clear_cache()
    assert (cleared.freed_bytes, cleared.kept_bytes) == (4 * ROW_BYTES, ROW_BYTES)
    assert kept(photos) == [1]
    process.kill()
    process.communicate()
    assert xception.clear_cache().freed_bytes == ROW_BYTES


def test_what_is_deleted_between_looking_and_using_is_computed(photos):
    keep(*photos[:5])
    with CacheStore("made by", COLUMNS) as store:
        assert store.find(photos[0]) is not None
        xception.clear_cache()
        assert missing(store, photos) == photos[1:]
        store.add([photos[1]], numbered(photos[1]))
    assert kept(photos) == [0, 1]


def test_a_smaller_budget_holds_from_the_next_row_on(cache, photos, monkeypatch):
    keep(*photos[:5])
    age(cache, 10)
    monkeypatch.setenv("XCEPTION_MAX_CACHE", str(2 * ROW_BYTES + 10))
    keep(photos[5])
    assert len(kept(photos)) == 2
    assert 5 in kept(photos)


def test_without_a_budget_nothing_is_looked_up_or_kept(cache, photos, monkeypatch):
    keep(photos[0])
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "0")
    before = sorted(cache.rglob("*"))
    with CacheStore(lambda: pytest.fail("not needed"), COLUMNS) as store:
        assert missing(store, photos) == photos
        numbers = store.add(photos[:1], numbered(photos[0]))
        np.testing.assert_array_equal(store.take(numbers), numbered(photos[0]))
    assert sorted(cache.rglob("*")) == before
    assert "0: nothing is cached" in str(xception.cache_info())


def test_a_row_larger_than_the_budget_deletes_nothing(photos, monkeypatch):
    keep(*photos[:5])
    with CacheStore("made otherwise", 10_000) as store:
        assert store.find(photos[0]) is None
        with pytest.warns(UserWarning, match="40.1kB are more than XCEPTION_MAX_CACHE allows in all"):
            store.add(photos[:1], np.ones((1, 10_000), np.float32))
    assert kept(photos) == [0, 1, 2, 3, 4]


def test_a_disk_that_is_almost_full_is_left_alone(cache, photos, monkeypatch):
    monkeypatch.setattr(budget, "MIN_FREE_BYTES", 1 << 60)
    with pytest.warns(UserWarning, match="no longer cached: .*would be free on this disk"):
        keep(photos[0])
    assert cached_bytes(cache) == 0


@pytest.mark.parametrize("text", ["much", "-1", "0.1", "10 GiB please"])
def test_a_budget_that_is_no_number_is_an_error_before_the_work(photos, monkeypatch, text):
    monkeypatch.setenv("XCEPTION_MAX_CACHE", text)
    message = "XCEPTION_MAX_CACHE must be a number of bytes such as 10GiB, or 0 for no cache"
    with pytest.raises(ValueError, match=message):
        CacheStore("made by", COLUMNS)
    with pytest.raises(ValueError, match=message):
        xception.cache_info()


# --- info and clear -------------------------------------------------------------------------


def test_info_counts_by_kind(cache, photos, monkeypatch):
    info = xception.cache_info()
    assert (info.folder, info.features_bytes, info.rows, info.models) == (cache, 0, 0, 0)
    assert not cache.exists()
    monkeypatch.setattr(identity, "MIN_AGE_SECONDS", -1)
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "1MB")
    keep(*photos[:3])
    keep(photos[0], made_by="made otherwise")
    with RowCache("made by", COLUMNS, kind=ACTIVATIONS) as rows:
        assert rows.find(photos[0]) is None
        rows.add(photos[:1], numbered(photos[0]))
    (cache / CLASSIFIER.name).write_bytes(b"weights")
    info = xception.cache_info()
    assert (info.rows, info.models, info.weights_bytes, info.max_bytes) == (4, 2, 7, 10**6)
    assert info.features_bytes == 4 * ROW_BYTES + 3 * 80  # and what the content of each file is
    assert info.activations_bytes == ROW_BYTES
    text = str(info)
    assert "features     4.5kB (4 photographs, 2 models)" in text
    assert "weights      7B (downloads" in text


def test_clear_keeps_downloads_and_what_is_not_ours(cache, photos):
    keep(*photos[:5])
    (cache / CLASSIFIER.name).write_bytes(b"weights")
    (cache / "notes").mkdir()
    (cache / "notes" / "a.rows").write_bytes(b"precious")
    (cache / "features" / "link").symlink_to(cache / "notes")
    (cache / "features" / "made by" / "0.rows").symlink_to(cache / "notes" / "a.rows")
    (cache / "features" / "made before").mkdir()
    (cache / "features" / "made before" / "rows.f32").write_bytes(b"of an earlier version")
    cleared = xception.clear_cache()
    assert (cleared.freed_bytes, cleared.kept_bytes) == (5 * ROW_BYTES + 21, 0)
    assert str(cleared) == f"{cache}: 5.3kB freed"
    assert (cache / CLASSIFIER.name).read_bytes() == b"weights"
    assert (cache / "notes" / "a.rows").read_bytes() == b"precious"
    assert list_units(cache) == []
    assert sorted(path.name for path in (cache / "features").iterdir()) == ["link", "made by"]


def test_after_clear_the_cache_is_used_again_by_calls_that_were_there(cache, photos):
    with CacheStore("made by", COLUMNS) as store:
        assert store.find(photos[0]) is None
        assert str(xception.clear_cache()).endswith("0B freed")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store.add(photos[:1], numbered(photos[0]))
    assert kept(photos) == [0]
    xception.clear_cache()
    assert list((cache / "features").iterdir()) == []


def test_files_of_an_earlier_version_are_deleted_when_the_cache_is_full(cache, photos):
    folder = cache / "features" / "made before"
    folder.mkdir(parents=True)
    for name in ("rows.f32", "photos.jsonl"):
        (folder / name).write_bytes(bytes(2 * ROW_BYTES))
    age(cache, 10)
    keep(*photos[:5])
    assert kept(photos) == [0, 1, 2, 3, 4]
    assert list(folder.iterdir()) == []


def test_nothing_to_clear():
    assert xception.clear_cache().freed_bytes == 0


def test_rows_are_at_the_same_place_for_many_photographs(cache, tmp_path, monkeypatch):
    """Segments of many rows: the first bytes of keys are sorted, and numbers lead to their rows."""
    monkeypatch.setenv("XCEPTION_MAX_CACHE", "20MB")
    photographs = []
    for number in range(700):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(number.to_bytes(2, "little"))
        photographs.append(at(path, number))
    for part in (photographs[:350], photographs[300:]):
        with CacheStore("made by", COLUMNS) as store:
            for photograph in part:
                if store.find(photograph) is None:
                    store.add([photograph], np.full((1, COLUMNS), photograph.index, np.float32))
    assert len(list(cache.rglob("*.rows"))) == 3  # of 297 rows each
    with CacheStore("made by", COLUMNS) as store:
        numbers = [store.find(photograph) for photograph in photographs]
        np.testing.assert_array_equal(store.take(numbers)[:, 0], range(700))
