"""The command `fit`."""

import shutil

import pytest

pytestmark = pytest.mark.usefixtures("cache")


def test_fit_and_predict(run, two_folders, tmp_path):
    (two_folders / "nothing").mkdir()
    (two_folders / "things" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    status, out, err = run("fit", two_folders, "--output", tmp_path / "mine.keras")
    assert status == 1  # one could not be read, the others went on
    assert "broken.jpg" in err
    assert "no photographs in the folder nothing" in err
    assert "2 classes, from 4 photographs" in err
    assert "cross-validated accuracy" in out
    assert "least sure" in out
    photo = two_folders / "things" / "rocket.jpg"
    status, out, err = run("predict", photo, "--model", tmp_path / "mine.keras", "--top", 1)
    assert (status, err) == (0, "")
    assert out.split()[1] == "things"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: shutil.rmtree(p / "things"), "found animals"),
        (lambda p: (p / "things" / "coffee.jpg").unlink(), "there is one in things"),
        (lambda p: shutil.copytree(p / "things", p / "Things"), "differ only in spelling"),
        (lambda p: shutil.rmtree(p), "there is no such folder"),
    ],
)
def test_folders_that_cannot_be_fitted(run, two_folders, tmp_path, change, message):
    change(two_folders)
    status, out, err = run("fit", two_folders, "--output", tmp_path / "mine.keras")
    assert (status, out) == (1, "")
    assert message in err
    assert not (tmp_path / "mine.keras").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("mine.h5", "expected a name that ends in .keras"), ("no/mine.keras", "there is no such folder")],
)
def test_outputs_that_cannot_be_written_are_refused_first(run, two_folders, tmp_path, name, message):
    status, _, err = run("fit", two_folders, "--output", tmp_path / name)
    assert status == 1
    assert message in err


def test_classes_in_any_suffix_are_kept_and_other_files_are_counted(run, two_folders, tmp_path):
    for number, path in enumerate((two_folders / "things").iterdir()):
        path.rename(path.with_suffix((".jfif", ".JPE")[number]))
    for name in ("animals/notes.txt", "birds/1.mov", "birds/2.mov"):
        (two_folders / name).parent.mkdir(exist_ok=True)
        (two_folders / name).touch()
    status, _, err = run("fit", two_folders, "--output", tmp_path / "mine.keras")
    assert status == 0
    assert "left out 3 other files: 2 .mov, 1 .txt" in err
    assert "no photographs in the folder birds (only 2 .mov)" in err
    assert "2 classes, from 4 photographs" in err
