"""Rows of features by photograph: stored at once, found again after an interruption."""

import json
import os
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
import small_models
from stored_rows import at, check, fill, missing, row

from xception.data.failures import FailureLog
from xception.data.photographs import Photograph, find_photographs
from xception.storage.identity import fingerprint
from xception.storage.rows import DiskStore, MemoryStore


def test_what_is_there_is_not_asked_for_again(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        fill(store, photos[:4])
        assert missing(store, photos) == photos[4:]
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos[4:]
        fill(store, photos[4:])
        check(store, photos)
        check(store, photos[::-2])


@pytest.mark.parametrize("name", ["rows.f32", "photos.jsonl"])
@pytest.mark.parametrize("cut", [1, 5, 13, 30])
def test_whatever_is_cut_off_is_computed_again(tmp_path, photos, name, cut):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    path = tmp_path / "store" / name
    os.truncate(path, path.stat().st_size - cut)
    with DiskStore(tmp_path / "store", "a") as store:
        lost = missing(store, photos)
        assert 0 < len(lost) < 7
        assert store.recovered == 7 - len(lost)
        fill(store, lost)
        check(store, photos)


def test_one_process_at_a_time(tmp_path, photos):
    pytest.importorskip("fcntl")
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos[:2])
        with (
            pytest.raises(OSError, match="another process or call is writing to this folder"),
            DiskStore(store.folder, "a"),
        ):
            pass
    with DiskStore(tmp_path / "store", "a") as store:
        check(store, photos[:2])


def test_a_store_of_nothing(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        assert len(store) == store.recovered == len(store.rows()) == 0
        store.remove()
    assert not (tmp_path / "store").exists()


def test_rows_of_another_model_are_thrown_away(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with DiskStore(tmp_path / "store", "b") as store:
        assert missing(store, photos) == photos
    one, two = small_models.model(small_models.base()), small_models.model(small_models.base(), seed=4)
    assert fingerprint(one, "avg") == fingerprint(small_models.model(small_models.base()), "avg")
    assert len({fingerprint(one, "avg"), fingerprint(one, "max"), fingerprint(two, "avg")}) == 3


@pytest.mark.parametrize("settings", ["", "[]", "{}", '{"made_by": "a", "columns": 3}', "[" * 100_000])
def test_rows_without_settings_of_this_version_are_thrown_away(tmp_path, photos, settings):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    (tmp_path / "store" / "settings.json").write_text(settings)
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        fill(store, photos)
        check(store, photos)


# --- damage and changes ---------------------------------------------------------------------


def change_byte(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("byte", [24, 30, 35])
def test_a_damaged_row_is_computed_again(tmp_path, photos, verify, byte):
    with DiskStore(tmp_path / "store", "a", verify) as store:
        fill(store, missing(store, photos))
    change_byte(tmp_path / "store" / "rows.f32", byte)  # of the third row, of 12 bytes
    with DiskStore(tmp_path / "store", "a", verify) as store:
        with pytest.warns(UserWarning, match=r"holds damaged rows, such as those of .*2\.jpg; they are"):
            assert missing(store, photos) == [photos[2]]
        fill(store, [photos[2]])
        check(store, photos)
    with DiskStore(tmp_path / "store", "a", verify) as store:
        assert missing(store, photos) == []
        check(store, photos)


@pytest.mark.parametrize("damage", ["noise", "NaN", "zeros", "exchanged", "of another store", "sorted lines"])
def test_no_wrong_row_is_used(tmp_path, photos, damage):
    for name, made_by in (("store", "a"), ("other", "b")):
        with DiskStore(tmp_path / name, made_by) as store:
            for photo in photos:
                store.add([photo], row(photo)[np.newaxis] + (name == "other"))
    path, lines = tmp_path / "store" / "rows.f32", tmp_path / "store" / "photos.jsonl"
    rows = np.fromfile(path, "<f4")
    if damage == "of another store":
        for name in ("rows.f32", "photos.jsonl"):
            shutil.copy(tmp_path / "other" / name, tmp_path / "store" / name)
    elif damage == "sorted lines":
        lines.write_bytes(b"".join(lines.read_bytes().splitlines(keepends=True)[::-1]))
    else:
        {
            "noise": np.random.default_rng(0).normal(size=rows.size), "NaN": np.full(rows.size, np.nan),
            "zeros": np.zeros(rows.size), "exchanged": rows[::-1],
        }[damage].astype("<f4").tofile(path)  # fmt: skip
    with DiskStore(tmp_path / "store", "a") as store:
        with pytest.warns(UserWarning, match="holds damaged rows") as warned:
            lost = missing(store, photos)
        assert len(warned) == 1
        assert len(lost) >= 6  # the middle one of seven is where it was
        fill(store, lost)
        check(store, photos)


@pytest.mark.parametrize("line", [b"damaged", b'"a photo"', b"[1, 2, 3]", b"\xff\xfe", b"[" * 100_000])
def test_after_a_damaged_line_the_others_are_used(tmp_path, photos, line):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    path = tmp_path / "store" / "photos.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"".join(text + b"\n" for text in [*lines[:2], line, *lines[3:]]))
    store = DiskStore(tmp_path / "store", "a")
    with pytest.warns(UserWarning, match="holds damaged rows, whose photographs are not known"):
        store.__enter__()
    try:
        assert missing(store, photos) == [photos[2]]
        fill(store, [photos[2]])
        check(store, photos)
    finally:
        store.__exit__()


def test_a_row_that_is_not_finite_but_was_computed_so_is_used(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        store.add([photos[0]], np.full((1, 3), np.nan, np.float32))
    with DiskStore(tmp_path / "store", "a") as store:
        assert store.find(photos[0]) == 0


def test_with_verify_a_change_of_content_is_noticed_though_size_and_date_are_the_same(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == photos
        fill(store, photos)
    status = os.stat(photos[2].path)
    with open(photos[2].path, "wb") as stream:
        stream.write(b"!")
    os.utime(photos[2].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == []
    for _ in range(2):
        with DiskStore(tmp_path / "store", "a", verify=True) as store:
            assert missing(store, photos) == [photos[2]]
    with DiskStore(tmp_path / "store", "a", verify=True) as store:
        assert missing(store, photos) == [photos[2]]
        fill(store, [photos[2]])
    with DiskStore(tmp_path / "store", "a", verify=True) as store:
        assert missing(store, photos) == []
        check(store, photos)


def test_a_photograph_that_appears_after_it_was_looked_for_has_a_row(tmp_path):
    photo = at(tmp_path / "3.jpg")
    for verify in (False, True):
        with DiskStore(tmp_path / f"store {verify}", "a", verify=verify) as store:
            assert store.find(photo) is None
            (tmp_path / "3.jpg").write_bytes(b"new")
            (number,) = store.add([photo], row(photo)[np.newaxis])
            np.testing.assert_array_equal(store.take([number]), [row(photo)])
        (tmp_path / "3.jpg").unlink()


# --- folders that others may write to -------------------------------------------------------

NAMES = ("lock", "rows.f32", "photos.jsonl", "settings.json")


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
@pytest.mark.parametrize("is_filled", [False, True])
@pytest.mark.parametrize("kind", ["link", "second name"])
@pytest.mark.parametrize("name", NAMES)
def test_links_in_the_folder_are_refused_and_what_they_point_to_is_unchanged(
    tmp_path, photos, name, kind, is_filled
):
    (tmp_path / "store").mkdir()
    if is_filled:
        with DiskStore(tmp_path / "store", "a") as store:
            fill(store, photos)
    victim, path = tmp_path / "victim", tmp_path / "store" / name
    victim.write_text("precious\n" * 100)
    path.unlink(missing_ok=True)
    path.symlink_to(victim) if kind == "link" else path.hardlink_to(victim)
    refused = pytest.raises(PermissionError, match=f"{name}: expected a regular file of your own")
    # Without settings, files of other names are deleted: then the link goes, not what it points to.
    is_deleted = not is_filled and name in ("rows.f32", "photos.jsonl")
    with nullcontext() if is_deleted else refused, DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    assert victim.read_text() == "precious\n" * 100


def test_settings_say_what_made_the_rows(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    settings = json.loads((tmp_path / "store" / "settings.json").read_text())
    assert settings == {"format": 2, "made_by": "a", "columns": 3}


def test_a_photograph_that_changed_is_computed_again(tmp_path, photos):
    with DiskStore(tmp_path / "store", "a") as store:
        fill(store, photos)
    with open(photos[2].path, "ab") as stream:
        stream.write(b"more")
    with DiskStore(tmp_path / "store", "a") as store:
        assert missing(store, photos) == [photos[2]]
        store.add([photos[2]], np.full((1, 3), 9, np.float32))
        assert store.take([store.find(photo) for photo in photos])[2].tolist() == [9, 9, 9]


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
    with DiskStore(tmp_path / "store", "a") as store:
        assert list(store.add([photos[1], photos[1]], np.array([[1, 2, 3], [4, 5, 6]], np.float32))) == [0, 1]
        assert store.find(photos[1]) == 1
        assert len(store) == 2


def test_images_in_memory_have_rows_but_are_not_found_again(tmp_path, photos):
    image = Photograph(5, np.zeros((4, 4, 3), np.uint8))
    with DiskStore(tmp_path / "store", "a") as store:
        assert store.find(image) is None
        numbers = store.add([photos[0], image, photos[1]], np.arange(9, dtype=np.float32).reshape(3, 3))
        assert store.find(image) is None
        assert store.take(numbers[1:2]).tolist() == [[3, 4, 5]]
    with DiskStore(tmp_path / "store", "a") as store:
        assert (store.recovered, store.find(photos[0]), store.find(image)) == (3, 0, None)
        assert store.find(photos[1]) == 2


def test_in_memory(photos):
    store = MemoryStore(3)
    assert store.take([]).shape == (0, 3)
    numbers = store.add(photos[:2], np.stack([row(photo) for photo in photos[:2]]))
    np.testing.assert_array_equal(store.take(numbers[::-1]), [row(photos[1]), row(photos[0])])
    assert store.find(photos[0]) is None
    assert store.recovered == 0
