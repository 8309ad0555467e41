"""The training record: class names and preprocessing in `xception.json`."""

import json
import zipfile

import pytest
import small_models

import xception
from xception.data.preprocessing import Preprocessing

NAMES = (("0", "cup"), ("1", "fork"), ("2", "glass"), ("3", "knife"))


@pytest.fixture
def built():
    return small_models.model(small_models.in_a_row())


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_members(path, contents):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)


def test_class_names_are_saved(built, tmp_path):
    built.class_names = NAMES
    built.save(tmp_path / "model.keras")
    loaded = xception.load_model(tmp_path / "model.keras")
    assert loaded.class_names == NAMES
    assert loaded.preprocessing == Preprocessing()


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing("tf", "bilinear", False),
        Preprocessing(scaling="unit"),
        Preprocessing(interpolation="lanczos"),
        Preprocessing(interpolation="tf-bilinear", aspect="crop", exif="ignore"),
        Preprocessing(from_logits=True),
    ],
)
@pytest.mark.parametrize("names", [None, NAMES], ids=["without names", "with names"])
def test_preprocessing_is_saved(built, tmp_path, preprocessing, names):
    built.class_names, built.preprocessing = names, preprocessing
    built.save(tmp_path / "model.keras")
    loaded = xception.load_model(tmp_path / "model.keras")
    assert (loaded.class_names, loaded.preprocessing) == (names, preprocessing)
    loaded.save(tmp_path / "again.keras")
    assert (
        members(tmp_path / "again.keras")["xception.json"]
        == members(tmp_path / "model.keras")["xception.json"]
    )


@pytest.mark.parametrize("task", ["classes", "labels", "regression"])
def test_the_task_is_saved(built, tmp_path, task):
    built.task = task
    built.save(tmp_path / "model.keras")
    assert json.loads(members(tmp_path / "model.keras")["xception.json"]) == {"version": 1, "task": task}
    assert xception.load_model(tmp_path / "model.keras").task == task


def test_a_model_without_a_task_records_none(built, tmp_path):
    built.class_names = NAMES
    built.save(tmp_path / "model.keras")
    assert "task" not in json.loads(members(tmp_path / "model.keras")["xception.json"])
    assert xception.load_model(tmp_path / "model.keras").task is None


def test_an_unknown_task_is_refused(built):
    with pytest.raises(ValueError, match="task must be one of classes, labels, regression, got 'ranking'"):
        built.task = "ranking"
    assert built.task is None


@pytest.mark.parametrize("task", ["ranking", 3, ["labels"], {}, True])
def test_a_file_with_an_unknown_task_is_refused(built, tmp_path, task):
    built.save(tmp_path / "model.keras")
    record = {"xception.json": json.dumps({"version": 1, "task": task})}
    write_members(tmp_path / "other.keras", members(tmp_path / "model.keras") | record)
    with pytest.raises(xception.errors.ModelFileError, match=r"other.keras:xception.json: task must be one"):
        xception.load_model(tmp_path / "other.keras")


def test_class_names_that_could_not_be_loaded_are_not_saved(built, tmp_path):
    built.class_names = ["cup", "fork", "gl\x1bass", "knife"]
    with pytest.raises(ValueError, match=r"a class name should be printable text, got 'gl\\x1bass'"):
        built.save(tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_the_record_is_plain_json(built, tmp_path):
    built.class_names, built.preprocessing = NAMES, Preprocessing("tf", from_logits=False)
    built.save(tmp_path / "model.keras")
    assert json.loads(members(tmp_path / "model.keras")["xception.json"]) == {
        "version": 1,
        "class_names": [list(pair) for pair in NAMES],
        "preprocessing": {"scaling": "tf", "from_logits": False},
    }


def test_nothing_is_recorded_of_a_model_without_names_and_preprocessing(built, tmp_path):
    built.save(tmp_path / "model.keras")
    assert "xception.json" not in members(tmp_path / "model.keras")


def test_models_of_version_0_1_keep_their_class_names(built, tmp_path):
    """Which are in `labels.json`."""
    built.save(tmp_path / "model.keras")
    labels = json.dumps({"labels": NAMES})
    write_members(tmp_path / "old.keras", members(tmp_path / "model.keras") | {"labels.json": labels})
    old = xception.load_model(tmp_path / "old.keras")
    assert (old.class_names, old.preprocessing) == (NAMES, Preprocessing())
    old.save(tmp_path / "new.keras")
    assert {"xception.json", "labels.json"} & set(members(tmp_path / "new.keras")) == {"xception.json"}
    assert xception.load_model(tmp_path / "new.keras").class_names == NAMES


def test_the_old_record_is_ignored_beside_the_new_one(built, tmp_path):
    built.class_names = NAMES
    built.save(tmp_path / "model.keras")
    contents = members(tmp_path / "model.keras") | {"labels.json": "no JSON"}
    write_members(tmp_path / "both.keras", contents)
    assert xception.load_model(tmp_path / "both.keras").class_names == NAMES


def test_what_later_versions_add_is_ignored(built, tmp_path):
    built.save(tmp_path / "model.keras")
    record = {
        "version": 1,
        "preprocessing": {"scaling": "none", "rotation": 90},
        "training": {"epochs": 3},
    }
    write_members(
        tmp_path / "later.keras", members(tmp_path / "model.keras") | {"xception.json": json.dumps(record)}
    )
    loaded = xception.load_model(tmp_path / "later.keras")
    assert (loaded.class_names, loaded.preprocessing) == (None, Preprocessing("none"))
