"""`xception evaluate`."""

import json
import shutil

import pytest

import xception


@pytest.fixture
def photographs(examples, tmp_path):
    """Folders with two photographs of cups, and one of a plate."""
    for source, target in (("coffee", "cup/1"), ("chelsea", "cup/2"), ("rocket", "plate/3")):
        (tmp_path / "photos" / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(examples / f"{source}.jpg", tmp_path / "photos" / f"{target}.jpg")
    return tmp_path / "photos"


def test_evaluate(run, own, class_names, photographs):
    arguments = ("evaluate", photographs, "--model", own, "--class-names", class_names)
    expected = xception.evaluate(photographs, model=own, class_names=class_names)
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert out == f"{expected}\n"
    status, out, err = run(*arguments, "--format", "json")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(expected.to_dict()))


def test_photographs_that_cannot_be_read_are_named_and_the_others_go_on(run, own, class_names, photographs):
    (photographs / "cup" / "broken.jpg").write_bytes(b"no image")
    (photographs / "sheet.jpg").write_bytes(b"")
    arguments = ("evaluate", photographs, "--model", own, "--class-names", class_names, "--format", "json")
    status, out, err = run(*arguments)
    assert status == 1
    found = json.loads(out)
    assert found["photographs"] == 3
    assert [failure["path"] for failure in found["failures"]] == [str(photographs / "cup" / "broken.jpg")]
    assert err.splitlines() == [
        "xception: warning: 1 photograph outside any sub-folder left out",
        f"xception: {photographs / 'cup' / 'broken.jpg'}: is not an image in a format that is read here "
        "(JPEG, PNG, WEBP, TIFF, GIF, BMP, PPM, JPEG2000, HEIF, AVIF, QOI, SGI, PCX, TGA)",
    ]


def test_folders_that_the_model_does_not_know(run, own, class_names, photographs):
    status, out, err = run("evaluate", photographs, "--model", own)
    assert (status, out) == (1, "")
    assert "labels that are not classes of the model: 'cup', 'plate'; its classes are class_0, class_1" in err
    status, _, err = run("evaluate", photographs / "cup" / "1.jpg", "--model", own)
    assert status == 1
    assert "is not a folder; expected one with a sub-folder for each class" in err
