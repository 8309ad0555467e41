"""The cache of rows: files are found by content, used by several processes at once."""

import os
import shutil
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from stored_rows import at, check, fill, missing, row

from xception.data.photographs import Photograph
from xception.storage import cache as cache_module
from xception.storage import identity
from xception.storage.cache import CachedDiskStore, CacheStore, RowCache
from xception.storage.identity import identify_by_content
from xception.storage.rows import DiskStore
from xception.storage.segments import SegmentedTable


@pytest.fixture
def reads(monkeypatch):
    """The paths of files that are read to know their content. All photographs are old enough to be known."""
    paths = []

    def identify(path):
        paths.append(path)
        return identify_by_content(path)

    monkeypatch.setattr(cache_module, "identify_by_content", identify)
    monkeypatch.setattr(identity, "MIN_AGE_SECONDS", -1)
    return paths


def made(path):
    """Return the only file of the rows with this suffix."""
    (file,) = (path / "features" / "made by").glob("*.rows")
    return file


@pytest.mark.skipif(os.name == "nt", reason="modes of files are others there")
def test_folders_of_the_cache_are_closed_to_others(cache, photos):
    (cache / "features").mkdir(parents=True)
    (cache / "features").chmod(0o777)
    with CacheStore("made by", 3) as store:
        store.find(photos[0])
    for path in (cache / "features", cache / "features" / "made by"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (cache / "features" / "made by").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
@pytest.mark.parametrize("name", ["features", "features/made by", "features/made by/0.index"])
def test_with_links_in_the_cache_rows_are_in_memory(cache, photos, tmp_path, name):
    target = tmp_path / "victim"
    target.mkdir()
    (cache / name).parent.mkdir(parents=True)
    (cache / name).symlink_to(target)
    with CacheStore("made by", 3) as store:
        with pytest.warns(UserWarning, match="features are not cached: .*link"):
            assert store.find(photos[0]) is None
        store.add([photos[0]], row(photos[0])[np.newaxis])
    assert not list(target.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need privileges there")
def test_the_cache_folder_itself_may_be_a_link_of_your_own(cache, photos, tmp_path):
    (tmp_path / "data").mkdir()
    cache.symlink_to(tmp_path / "data")
    with CacheStore("made by", 3) as store:
        assert store.find(photos[0]) is None
        store.add([photos[0]], row(photos[0])[np.newaxis])
    with CacheStore("made by", 3) as store:
        assert store.find(photos[0]) == 0


def test_the_cache_keeps_files_only(cache, photos):
    image = Photograph(5, np.zeros((4, 4, 3), np.uint8))
    rows = np.arange(9, dtype=np.float32).reshape(3, 3)
    for attempt in range(2):
        with CacheStore("made by", 3) as store:
            assert store.find(image) is None
            assert (store.find(photos[0]) is None) == (attempt == 0)
            assert store.recovered == 2 * attempt
            if not attempt:
                assert store.find(photos[1]) is None
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


def test_calls_at_once_share_the_cache(cache, photos):
    with CacheStore("made by", 3) as store, CacheStore("made by", 3) as two:
        assert missing(store, photos) == missing(two, photos) == photos
        fill(store, photos[:4])
        fill(two, photos[3:])
        check(store, photos[:4])
        check(two, photos[3:])
    with CacheStore("made by", 3) as store:
        check(store, photos)


def test_later_calls_append_to_the_same_files(cache, photos):
    for photo in photos:
        with CacheStore("made by", 3) as store:
            assert store.find(photo) is None
            fill(store, [photo])
    assert made(cache).stat().st_size == 7 * 12
    with CacheStore("made by", 3) as store:
        check(store, photos)


PROCESS = """
import sys
import numpy as np
from xception.data.photographs import Photograph
from xception.storage.cache import CacheStore

with CacheStore("made by", 3) as store:
    for line in sys.stdin:
        number = int(line)
        photograph = Photograph(0, sys.argv[1].format(number))
        if store.find(photograph) is None:
            store.add([photograph], np.full((1, 3), number, np.float32))
        print(number, flush=True)
"""


def start(photos_pattern):
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(photos_pattern)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ask(process, number):
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    assert process.stdout.readline() == f"{number}\n"


def test_processes_share_the_cache_though_one_is_killed(cache, photos, tmp_path):
    processes = [start(tmp_path / "{}.jpg") for _ in range(2)]
    for number in range(7):
        ask(processes[number % 2], number)
    processes[0].kill()
    for process in processes:
        process.communicate()
    with CacheStore("made by", 3) as store:
        numbers = [store.find(photo) for photo in photos]
        np.testing.assert_array_equal(store.take(numbers)[:, 0], range(7))


def test_a_disk_that_becomes_full(cache, examples, monkeypatch):
    """What was written is used, the rest is in memory, and nothing is lost."""
    photographs = [Photograph(i, str(path)) for i, path in enumerate(sorted(examples.glob("*.jpg")))]
    rows = np.arange(3 * len(photographs), dtype=np.float32).reshape(-1, 3)
    with CacheStore("made by", 3) as store:
        assert [store.find(photograph) for photograph in photographs] == [None] * len(photographs)
        numbers = [*store.add(photographs[:2], rows[:2])]
        write = SegmentedTable.add

        def fail(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(SegmentedTable, "add", fail)
        with pytest.warns(UserWarning, match="no longer cached: .*No space left"):
            numbers += store.add(photographs[2:3], rows[2:3])
        monkeypatch.setattr(SegmentedTable, "add", write)
        numbers += store.add(photographs[3:], rows[3:])
        np.testing.assert_array_equal(store.take(numbers), rows)


# --- damage ---------------------------------------------------------------------------------


def filled(photos):
    with CacheStore("made by", 3) as store:
        assert missing(store, photos) == photos
        fill(store, photos)


@pytest.mark.parametrize("suffix", ["rows", "index"])
@pytest.mark.parametrize("cut", [1, 11, 13, 30])
def test_what_is_cut_off_is_computed_again(cache, photos, suffix, cut):
    filled(photos)
    path = made(cache).with_suffix(f".{suffix}")
    os.truncate(path, path.stat().st_size - cut)
    with CacheStore("made by", 3) as store:
        lost = missing(store, photos)
        assert 0 < len(lost) < 7
        assert store.recovered == 7 - len(lost)
        fill(store, lost)
        check(store, photos)
    with CacheStore("made by", 3) as store:
        check(store, photos)


@pytest.mark.parametrize(("suffix", "offset"), [("rows", 24), ("rows", 35), ("index", 48 * 3 - 1)])
def test_a_damaged_row_is_computed_again(cache, photos, suffix, offset):
    filled(photos)
    path = made(cache).with_suffix(f".{suffix}")
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with CacheStore("made by", 3) as store:
        with pytest.warns(UserWarning, match=r"holds damaged features, such as those of .*2\.jpg"):
            assert missing(store, photos) == [photos[2]]
        fill(store, [photos[2]])
        check(store, photos)
    with CacheStore("made by", 3) as store:  # without a warning
        check(store, photos)


def test_rows_that_something_else_made_are_not_used(cache, photos):
    filled(photos)
    shutil.copytree(cache / "features" / "made by", cache / "features" / "made otherwise")
    with CacheStore("made otherwise", 3) as store, pytest.warns(UserWarning, match="damaged features"):
        assert missing(store, photos) == photos


@pytest.mark.parametrize("content", [b"", b"x" * 47, b"x" * 48, bytes(range(256)) * 19])
def test_files_of_anything_else_in_the_cache_are_passed_over(cache, photos, content):
    filled(photos[:3])
    for name in ("0.index", "0.rows", "1.index", "2.rows", "settings.json"):
        (cache / "features" / "made by" / name).write_bytes(content)
    with CacheStore("made by", 3) as store:
        assert missing(store, photos) == photos[3:]
        fill(store, photos[3:])
        check(store, photos)


# --- content of files -----------------------------------------------------------------------


def test_files_that_did_not_change_are_read_once(cache, photos, reads):
    filled(photos)
    assert reads == [photo.path for photo in photos]
    reads.clear()
    for made_by in ("made by", "made otherwise"):
        with CacheStore(made_by, 3) as store:
            missing(store, photos)
    assert reads == []


@pytest.mark.parametrize("change", ["size", "date", "same date", "inode", "another path"])
def test_files_that_changed_are_read_again(cache, photos, reads, change, tmp_path):
    filled(photos)
    reads.clear()
    path, status = photos[2].path, os.stat(photos[2].path)
    time.sleep(0.02)  # the clock of file systems has steps
    if change == "another path":
        path = str(tmp_path / "2 moved.jpg")
        shutil.move(photos[2].path, path)
    elif change == "inode":
        (tmp_path / "new").write_bytes(b"!")
        os.replace(tmp_path / "new", path)
    else:
        with open(path, "r+b") as stream:
            stream.write(b"!!" if change == "size" else b"!")
    if change != "date":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with CacheStore("made by", 3) as store:
        is_found = store.find(at(path)) is not None
    assert reads == [path]
    assert is_found == (change == "another path")


def test_the_content_of_a_file_that_changed_a_moment_ago_is_not_remembered(cache, photos, reads, monkeypatch):
    monkeypatch.setattr(identity, "MIN_AGE_SECONDS", 1000)
    filled(photos)
    reads.clear()
    with CacheStore("made by", 3) as store:
        assert missing(store, photos) == []
    assert reads == [photo.path for photo in photos]


def test_with_verify_files_are_always_read(cache, photos, reads):
    filled(photos)
    reads.clear()
    with CacheStore("made by", 3, verify=True) as store:
        assert missing(store, photos) == []
    assert reads == [photo.path for photo in photos]


def test_a_file_that_changes_while_its_row_is_computed_is_not_cached(cache, photos, reads):
    with CacheStore("made by", 3) as store:
        assert store.find(photos[0]) is None
        with open(photos[0].path, "ab") as stream:
            stream.write(b"more")
        numbers = store.add(photos[:1], row(photos[0])[np.newaxis])
        np.testing.assert_array_equal(store.take(numbers), [row(photos[0])])
    shutil.copy(photos[0].path, photos[1].path)
    with CacheStore("made by", 3) as store:
        assert store.find(photos[0]) is store.find(photos[1]) is None


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_is_computed(cache, tmp_path, kind):
    path = tmp_path / "0 strange.jpg"
    {"missing": lambda: None, "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with CacheStore("made by", 3) as store:
        assert store.find(at(path)) is None
        numbers = store.add([at(path)], np.ones((1, 3), np.float32))
        assert store.take(numbers).tolist() == [[1, 1, 1]]


# --- beside a store on disk -----------------------------------------------------------------


def test_rows_go_from_the_cache_to_the_disk_and_back(cache, photos, tmp_path):
    def opened(name):
        rows = RowCache("made by", 3)
        return rows, DiskStore(tmp_path / name, "made by", read_content=rows.content)

    for name, expected in (("first", photos), ("second", []), ("second", [])):
        rows, disk = opened(name)
        with rows, disk:
            store = CachedDiskStore(disk, rows)
            was_empty = not store.recovered
            assert missing(store, photos) == expected
            fill(store, expected)
            check(store, photos)
            np.testing.assert_array_equal(disk.rows(), [row(photo) for photo in photos])
            assert store.copied == (7 if was_empty and not expected else 0)


def test_without_a_cache_the_disk_is_enough(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "nowhere"))
    for expected in (photos, []):
        rows = RowCache("made by", 3)
        with rows, DiskStore(tmp_path / "d", "made by", read_content=rows.content) as disk:
            store = CachedDiskStore(disk, rows)
            assert missing(store, photos) == expected
            fill(store, expected)
            check(store, photos)
    assert not (tmp_path / "nowhere").exists()
