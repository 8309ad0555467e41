"""What is found in folders, and what is left out."""

import os
import sys
import warnings

import pytest

from xception.data.failures import FailureLog
from xception.data.folders import describe_classes, search_folder
from xception.data.image_formats import SUFFIXES
from xception.data.photographs import find_photographs

JPEG = b"\xff\xd8\xff\xe0"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def fill(folder, *names, content=b""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def left_out(images):
    """What a warning says of photographs that are listed; nothing without one."""
    log = FailureLog("skip")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(find_photographs(images, log))
    assert [str(warning.message) for warning in caught] == log.notes
    assert all(warning.filename == __file__ for warning in caught)  # where the library was called
    return log.notes


@pytest.fixture
def without_heif(monkeypatch):
    monkeypatch.setattr("xception.data.image_formats.find_spec", lambda _: None)


def test_every_suffix_of_a_photograph_is_found_in_any_case(tmp_path):
    suffixes = [suffix for suffix, image_format in SUFFIXES.items() if not image_format.extra]
    fill(tmp_path, *(f"a{suffix}" for suffix in suffixes), *(f"b{suffix.upper()}" for suffix in suffixes))
    assert len(search_folder(str(tmp_path)).paths) == 2 * len(suffixes)
    assert left_out(tmp_path) == []


@pytest.mark.parametrize("others", [[], ["b.JPG"], ["b.jpg.txt"], ["zz"]])
def test_paths_are_in_order_whatever_the_names(tmp_path, others):
    odd = [] if sys.platform in ("win32", "darwin") else ["\udcff.jpg"]  # which take no such name
    photographs = ["a.jpg", "\u00e9.jpg", "\u4e2d.jpg", "z.jpg", *odd, *(n for n in others if n == "b.JPG")]
    fill(tmp_path, *photographs, *others, ".jpg", *(f"sub/{name}" for name in photographs), "dir.jpg/a.jpg")
    expected = [*photographs, *(f"sub/{name}" for name in photographs), "dir.jpg/a.jpg"]
    contents = search_folder(str(tmp_path))
    assert contents.paths == sorted(os.path.join(tmp_path, *name.split("/")) for name in expected)
    assert contents.labels.count("sub") == len(photographs)


def test_other_files_are_counted_by_suffix(tmp_path):
    fill(tmp_path, "a.jpg", "cat/b.JFIF", *(f"{n}.txt" for n in range(9)))
    fill(tmp_path, *(f"cat/{n}.MOV" for n in range(3)))
    assert left_out(tmp_path) == ["left out 12 other files: 9 .txt, 3 .mov"]
    assert left_out([str(tmp_path / "*.jpg"), tmp_path / "cat"]) == ["left out 3 other files: 3 .mov"]
    assert left_out(image for image in [tmp_path / "a.jpg", tmp_path]) == [
        "left out 12 other files: 9 .txt, 3 .mov"
    ]
    assert left_out(tmp_path / "a.jpg") == []


def test_the_sum_over_several_folders_is_said_once(tmp_path):
    fill(tmp_path, "one/a.jpg", "one/Makefile", "two/b.jpg", "two/labels.csv", "two/odd.a name with a dot")
    assert left_out([tmp_path / "one", tmp_path / "two"]) == [
        "left out 3 other files: 2 without a suffix, 1 .csv"
    ]


def test_hidden_files_and_those_that_nobody_misses_do_not_count(tmp_path):
    hidden = ("._a.jpg", ".DS_Store", ".git/config", "__MACOSX/._a.jpg", "__MACOSX/b")
    fill(tmp_path, "readme.jpg", "Thumbs.db", "desktop.ini", "README.md", "LICENSE", *hidden)
    assert left_out(tmp_path) == []
    assert search_folder(str(tmp_path)).paths == [str(tmp_path / "readme.jpg")]


def test_suffixes_from_strangers_are_safe_and_few(tmp_path):
    fill(tmp_path, "a.jpg", "b.\x1b[2J", *(f"{n}.{n:03}" for n in range(20)))
    (note,) = left_out(tmp_path)
    assert r"1 .\x1b[2j" in note
    assert note.endswith("11 with other suffixes")


def test_a_folder_without_photographs_says_what_it_holds(tmp_path):
    fill(tmp_path, "a.mov", "b.mov", "c.txt")
    with pytest.raises(FileNotFoundError, match=r"no photographs in this folder, only 2 \.mov, 1 \.txt$"):
        search_folder(str(tmp_path))


def test_sub_folders_that_are_no_classes(tmp_path):
    fill(tmp_path, "cat/a.jpg", "dog/deep/a.jpe", "bird/a.mov", "bird/b.mov", "__MACOSX/cat/b.jpg")
    for name in ("empty", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
    assert describe_classes([search_folder(str(tmp_path))]) == [
        "skipped the folders .ipynb_checkpoints, __MACOSX",
        "no photographs in the folders bird (only 2 .mov), empty",
    ]


@pytest.mark.usefixtures("without_heif")
def test_heic_without_what_reads_it_is_left_out_with_advice(tmp_path):
    fill(tmp_path, "a.jpg", "b.txt", "c.txt")
    fill(tmp_path, "d.heic", "e.HEIF", content=HEIC)
    assert left_out(tmp_path) == [
        'left out 4 other files: 2 .txt, 1 .heic, 1 .heif; to read .heic: pip install "xception[heif]"'
    ]


@pytest.mark.usefixtures("without_heif")
def test_a_jpeg_file_that_is_called_heic_is_a_photograph(tmp_path):
    fill(tmp_path, "a.heic", content=JPEG)
    fill(tmp_path, "b.heic")
    assert search_folder(str(tmp_path)).paths == [str(tmp_path / "a.heic")]
