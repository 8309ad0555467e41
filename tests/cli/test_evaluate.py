"""`xception evaluate`."""

import json
import shutil

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Dense, GlobalAveragePooling2D, Input


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
    assert "(the model does not know their names: give class_names= or --class-names)" in err
    status, _, err = run("evaluate", photographs / "cup" / "1.jpg", "--model", own)
    assert status == 1
    assert "is not a folder; expected one with a sub-folder for each class" in err


@pytest.fixture
def saved_labels(tmp_path):
    """A model whose label "dark" every photograph gets, and "bright" none."""
    layers = [
        ("image", Input((8, 8, 3))), ("pool", GlobalAveragePooling2D()), ("head", Dense(2, "sigmoid")),
    ]  # fmt: skip
    built = small_models.model(small_models.row("labels", *layers))
    built.get_layer("head").set_weights([np.zeros((3, 2)), np.array([1.0, -1])])
    built.task, built.class_names = "labels", ["dark", "bright"]
    built.save(tmp_path / "labels.keras")
    return tmp_path / "labels.keras"


def test_a_model_of_labels_is_measured_with_a_table(run, saved_labels, photographs, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("photograph,bright,dark\ncup/1.jpg,0,1\ncup/2.jpg,1,0\n")
    arguments = ("evaluate", photographs, "--model", saved_labels, "--labels", table)
    expected = xception.evaluate(photographs, table, saved_labels)
    status, out, err = run(*arguments)
    assert (status, err, out) == (0, "", f"{expected}\n")
    assert "dark    0.500  0.500 (1 of 2)  1.000 (1 of 1)" in out
    status, out, err = run(*arguments, "--format", "json", "--threshold", "0.9")
    assert json.loads(out)["per_label"][0]["predicted"] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("photograph,bright,dark\ncup/1.jpg,0,maybe\n", "line 2: expected 0 or 1 in the column 'dark'"),
        ("photograph,bright\ncup/1.jpg,0\n", "the table has no column for 'dark'"),
        ("photograph,bright,dark\nno.jpg,0,1\n", "no.jpg"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_one_line(run, saved_labels, photographs, tmp_path, content, message):
    (tmp_path / "labels.csv").write_text(content)
    arguments = ("--model", saved_labels, "--labels", tmp_path / "labels.csv")
    status, out, err = run("evaluate", photographs, *arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_a_table_for_a_model_of_classes(run, own, photographs, tmp_path):
    status, out, err = run("evaluate", photographs, "--model", own, "--labels", tmp_path / "labels.csv")
    assert (status, out) == (1, "")
    assert "the task of this one is 'classes'" in err


def test_without_a_table_labels_are_asked_for(run, saved_labels, photographs):
    status, out, err = run("evaluate", photographs, "--model", saved_labels)
    assert (status, out) == (1, "")
    assert "give the labels of each photograph: a .csv file" in err


def test_the_task_of_a_model_that_does_not_record_it_is_an_option(run, saved_labels, photographs):
    built = xception.load_model(saved_labels)
    built.task = None
    built.save(saved_labels)
    photograph = photographs / "cup" / "1.jpg"
    status, out, err = run("predict", photograph, "--model", saved_labels, "--task", "labels")
    assert (status, err) == (0, "")
    assert out == f"{photograph}\n    0.7311  dark\n"
    threshold = ("--task", "labels", "--threshold", "0.9")
    status, out, err = run("predict", photograph, "--model", saved_labels, *threshold)
    assert out == f"{photograph}\n    no label reaches the threshold\n"
    status, out, err = run("predict", photograph, "--model", saved_labels, "--task", "regression", "--top", 1)
    assert (status, out) == (1, "")
    assert "Leave top out" in err


@pytest.mark.parametrize("labels", ["", "labels.txt"])
def test_labels_that_are_no_table_are_wrong_use(run, own, photographs, labels):
    status, out, err = run("evaluate", photographs, "--model", own, "--labels", labels)
    assert (status, out) == (2, "")
    assert f"argument --labels: expected a .csv file, got {labels!r}" in err
