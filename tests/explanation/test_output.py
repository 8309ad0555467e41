"""Where pictures are written, and what they must not overwrite."""

import shutil

import numpy as np
import pytest
from PIL import Image

import xception


@pytest.fixture
def photos(tmp_path):
    """Three photographs in two folders; two have the same name."""
    paths = [tmp_path / "photos" / name for name in ("a/cup.png", "b/cup.png", "b/fork.png")]
    for value, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 12, 3), 80 * value, np.uint8)).save(path)
    return tmp_path / "photos"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_several_photographs_go_into_a_folder(model, photos, tmp_path):
    output = tmp_path / "new" / "pictures"
    explanation = xception.explain(photos, model, output=output)
    assert len(explanation) == 3
    assert names_in(output) == ["cup.why.1.png", "cup.why.png", "fork.why.png"]
    xception.explain(photos, model, output=output)  # again, over the pictures of the run before
    assert len(names_in(output)) == 3


def test_photographs_without_a_path_are_named_by_their_position(model, photos, tmp_path):
    output = tmp_path / "pictures"
    images = [np.zeros((12, 12, 3), np.uint8), photos / "no.png", Image.new("RGB", (12, 12)), photos / "a"]
    explanation = xception.explain(images, model, output=output, on_error="skip")
    assert names_in(output) == ["cup.why.png", "image_0.why.png", "image_2.why.png"]
    assert explanation.indices == [0, 2, 3]


def test_a_file_takes_all_photographs_in_one_picture(model, photos, tmp_path):
    explanation = xception.explain(photos, model, output=tmp_path / "why.png")
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.size == explanation.picture().size
        assert picture.height > 3 * 320


@pytest.mark.parametrize("as_generator", [False, True])
def test_no_photograph_is_overwritten(model, photos, as_generator):
    shutil.copy(photos / "b" / "fork.png", photos / "a" / "cup.why.png")  # the name of a picture
    paths = [photos / "a" / "cup.png", photos / "a" / "cup.why.png"]
    before = [path.read_bytes() for path in paths]
    images = iter(paths) if as_generator else paths
    # Occlusion computes one photograph after the other: the first picture comes before the second photograph.
    xception.explain(images, model, method="occlusion", output=photos / "a")
    assert [path.read_bytes() for path in paths] == before
    assert names_in(photos / "a") == ["cup.png", "cup.why.1.png", "cup.why.png", "cup.why.why.png"]
    images = iter(paths) if as_generator else paths
    with pytest.raises(ValueError, match="is one of the photographs"):
        xception.explain(images, model, output=photos / "b" / ".." / "a" / "cup.png")
    assert [path.read_bytes() for path in paths] == before


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_computed(model, photos, tmp_path):
    def unread():
        raise AssertionError("a photograph was read")
        yield

    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        xception.explain(unread(), model, output=tmp_path / "nowhere" / "why.png")
    with pytest.raises(ValueError, match=r"why\.npz: expected a picture's name"):
        xception.explain(unread(), model, output=tmp_path / "why.npz")


def test_a_link_that_leads_to_itself_is_left_out_by_name(model, photos, tmp_path):
    (photos / "a" / "circle.png").symlink_to("circle.png")
    explanation = xception.explain(photos, model, output=tmp_path / "pictures", on_error="skip")
    assert [failure.path for failure in explanation.failures] == [str(photos / "a" / "circle.png")]
    assert names_in(tmp_path / "pictures") == ["cup.why.1.png", "cup.why.png", "fork.why.png"]


def test_a_slash_at_the_end_makes_a_folder(model, photos, tmp_path):
    xception.explain(photos / "a", model, output=f"{tmp_path / 'pictures.d'}/")
    assert names_in(tmp_path / "pictures.d") == ["cup.why.png"]


def test_a_name_as_long_as_file_systems_allow_is_shortened(model, photos, tmp_path):
    for name in ("é" * 120 + "1.png", "é" * 120 + "2.png"):
        shutil.copy(photos / "a" / "cup.png", photos / "a" / name)
    xception.explain(photos / "a", model, output=tmp_path / "pictures")
    assert names_in(tmp_path / "pictures") == [
        "cup.why.png", "é" * 100 + ".why.1.png", "é" * 100 + ".why.png",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["why.h5", "why.xbm", "why.palm", "why.bufr"])
def test_formats_that_hold_no_such_picture_are_refused_before_any_work(model, photos, tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}: expected a picture's name"):
        xception.explain(photos / "no.png", model, output=tmp_path / name)
