"""Collections of photographs."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from xception.data.failures import FailureLog
from xception.data.photographs import find_photographs

PIXELS = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in ("c.jpg", "cats/a.jpg", "dogs/b.jpg", "dogs/deep/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def listed(images, on_error="raise"):
    return list(find_photographs(images, FailureLog(on_error)))


def test_photographs_of_a_folder_or_pattern(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "deep/c.webp", "odd[1].jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def names(place):
        with warnings.catch_warnings(action="ignore"):  # of what is left out
            paths = [photograph.path for photograph in listed(str(place))]
        return [path[len(str(tmp_path)) + 1 :].replace("\\", "/") for path in paths]

    assert names(tmp_path) == ["a.png", "b.JPG", "deep/c.webp", "odd[1].jpg"]
    assert names(tmp_path / "*.???") == ["a.png", "b.JPG", "notes.txt", "odd[1].jpg"]
    assert names(tmp_path / "**" / "*.webp") == ["deep/c.webp"]
    assert names(tmp_path / "odd[1].jpg") == ["odd[1].jpg"]  # a name, though it looks like a pattern
    assert names(tmp_path / "missing.jpg") == ["missing.jpg"]  # its reader will say so
    with pytest.raises(FileNotFoundError, match="no file matches this pattern"):
        listed(str(tmp_path / "*.gif"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no photographs in this folder"):
        listed(str(tmp_path / "empty"))


def test_the_sub_folder_of_a_photograph_is_its_label(folder):
    photographs = listed(folder)
    assert [photograph.label for photograph in photographs] == ["", "cats", "dogs", "dogs"]
    assert [photograph.index for photograph in photographs] == [0, 1, 2, 3]
    assert photographs[1].path == photographs[1].source == str(folder / "cats" / "a.jpg")
    assert listed(folder / "cats")[0].label == ""


def test_links_to_folders_are_followed_once(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "e.jpg").touch()
    (folder / "birds").symlink_to(elsewhere)
    (folder / "dogs" / "circle").symlink_to(folder)
    assert [photograph.label for photograph in listed(folder)] == ["birds", "", "cats", "dogs", "dogs"]


def test_paths_in_an_array(folder):
    paths = np.array([str(folder / "c.jpg"), str(folder / "cats" / "a.jpg")])
    assert [photograph.path for photograph in listed(paths)] == paths.tolist()
    assert len(listed(paths.astype(object))) == 2


def test_a_folder_leaves_out_what_was_listed_before(folder):
    photographs = listed([str(folder / "cats" / "a.jpg"), folder, str(folder / "dogs" / "*.jpg")])
    assert [photograph.path[len(str(folder)) + 1 :] for photograph in photographs] == [
        "cats/a.jpg", "c.jpg", "dogs/b.jpg", "dogs/deep/d.jpg",
    ]  # fmt: skip


def test_a_path_that_a_folder_stood_for_is_not_listed_again(folder):
    assert len(listed([folder / "cats", folder / "cats" / "a.jpg", folder / "c.jpg"])) == 2


def test_a_path_that_is_named_twice_is_listed_twice(folder):
    assert len(listed([folder / "c.jpg", folder / "c.jpg"])) == 2


def test_folders_and_patterns_without_photographs_are_failures(folder):
    (folder / "empty").mkdir()
    log = FailureLog("skip")
    images = ["nowhere/*.jpg", str(folder / "empty"), folder / "c.jpg"]
    (photograph,) = find_photographs(images, log)
    assert photograph.index == 0
    assert [failure.path for failure in log.failures] == images[:2]
    assert [failure.index for failure in log.failures] == [None, None]
    with pytest.raises(FileNotFoundError, match="no file matches this pattern"):
        listed(images)


def test_every_kind_of_image(folder):
    image = Image.fromarray(PIXELS)
    stream = io.BytesIO(b"bytes")
    for single in (str(folder / "c.jpg"), folder / "c.jpg", b"bytes", stream, image, PIXELS, PIXELS[..., 0]):
        (photograph,) = listed(single)
        assert photograph.index == 0
    assert len(listed(np.zeros((3, 4, 4, 3), np.uint8))) == 3
    mixed = listed([image, b"bytes", PIXELS, folder / "cats"])
    assert [photograph.index for photograph in mixed] == [0, 1, 2, 3]
    assert mixed[0].path is None
    with (folder / "c.jpg").open("rb") as opened:
        assert listed(opened)[0].path == str(folder / "c.jpg")


def test_a_generator_is_read_one_image_at_a_time(folder):
    def images():
        yield PIXELS
        pytest.fail("the second image was not asked for")

    photographs = find_photographs(images(), FailureLog("raise"))
    assert next(iter(photographs)).index == 0


@pytest.mark.parametrize("images", [None, 3, {"a": 1}, object(), bytearray(b"jpeg"), memoryview(b"jpeg")])
def test_what_is_not_an_image_is_told_what_is_expected(images):
    with pytest.raises(TypeError, match=f"images must be a path, .*; got {type(images).__name__}"):
        listed(images)
