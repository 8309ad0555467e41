"""`features` and `predict` with a folder as output."""

import shutil

import pytest

pytest.importorskip("pyarrow")


@pytest.fixture
def output(tmp_path):
    return f"{tmp_path}/out/"


@pytest.fixture
def arguments(two_folders, small_classifier, output):
    (two_folders / "things" / "bad.jpg").write_bytes(b"<html>")
    return (two_folders, "--model", small_classifier, "--output", output)


def test_features_in_a_folder(run, arguments, output):
    status, out, err = run("features", *arguments, "--shard", 2, "--executor", "processes=1")
    assert (status, out) == (1, "")
    assert "bad.jpg: is not an image in a format that is read here" in err
    assert f"{output}: 4 photographs in 3 shards\n" in err
    status, out, err = run("features", *arguments)
    assert (status, out) == (1, "")
    assert f"{output}: 4 photographs in 3 shards (3 were done already)\n" in err


def test_bad_photographs_are_tried_again(run, arguments, two_folders, examples, output):
    assert run("features", *arguments)[0] == 1
    shutil.copy(examples / "rocket.jpg", two_folders / "things" / "bad.jpg")
    assert run("features", *arguments)[0] == 1
    status, _, err = run("features", *arguments, "--retry-bad")
    assert status == 0
    assert err.endswith(f"{output}: 5 photographs in 1 shard (1 were done already)\n")


def test_predictions_in_a_folder_are_gathered(run, arguments, output, tmp_path):
    status, out, err = run("predict", *arguments, "--top", 2)
    assert (status, out) == (1, "")
    assert f"{output}: 4 photographs in 1 shard\n" in err
    status, _, _ = run("gather", output, "--output", tmp_path / "all.csv")
    assert status == 0
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 1 + 4 * 2


def test_quiet_says_only_what_went_wrong(run, arguments):
    _, _, err = run("features", *arguments, "--quiet")
    assert err.count("\n") == 1


def test_another_job_there_is_refused(run, arguments):
    run("features", *arguments)
    status, _, err = run("features", *arguments, "--pooling", "max")
    assert status == 1
    assert "holds another job. pooling: avg there, max here" in err


TO_FOLDER, TO_FILE = ("a.jpg", "--output", "out/"), ("a.jpg", "--output", "f.csv")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("features", *TO_FILE, "--shard", "3"), "--shard goes with --output FOLDER/ only"),
        (("features", *TO_FILE, "--retry-bad", "--executor", "processes"),
         "--retry-bad and --executor go with --output FOLDER/ only"),
        (("features", *TO_FOLDER, "--wide"), "--wide goes with --output FILE only"),
        (("features", *TO_FOLDER, "--verify"), "--verify goes with --output FILE only"),
        (("features", "--output", "out/"), "the following arguments are required: PHOTO"),
        (("features", *TO_FOLDER, "--manifest", "m.txt"), "either photographs or --manifest"),
        (("features", "a.jpg", "--output", "out"), "a folder for shards ends in '/'"),
        (("features", *TO_FOLDER, "--shard", "0"), "expected a positive integer"),
        (("features", *TO_FOLDER, "--executor", "ray"), "expected processes, processes=N, dask"),
        (("features", *TO_FOLDER, "--executor", "dask=nowhere"), "expected a scheduler's address, such as"),
        (("features", *TO_FOLDER, "--executor", "processes="), "expected processes, processes=N"),
        (("features", *TO_FOLDER, "--executor", "processes=0"), "expected a positive integer"),
        (("features", *TO_FOLDER, "--executor", "processes=999"), "from 1 to 256"),
        (("predict", "a.jpg", "--shard", "3"), "--shard goes with --output FOLDER/ only"),
        (("predict",), "the following arguments are required: PHOTO"),
        (("predict", *TO_FOLDER, "--format", "csv"), "not allowed with argument"),
    ],
)  # fmt: skip
def test_wrong_use_is_a_message(run, command, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*command)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_done_is_a_message(run, small_classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, output, message in (
        ("nothing", "out/", "nothing: there is no such file or folder"),
        ("*.jpg", "out/", "no file matches this pattern"),
        (".", "deep/out/", "there is no such folder to make out in"),
        (".", "out/", "there are no photographs in this folder"),
    ):
        status, _, err = run("features", place, "--output", output, "--model", small_classifier)
        assert status == 1
        assert message in err
        assert not list(tmp_path.iterdir())


def test_a_damaged_job_is_a_message(run, arguments, output):
    run("features", *arguments)
    with open(f"{output}job.json", "w") as stream:
        stream.write("{")
    status, _, err = run("features", *arguments)
    assert status == 1
    assert "job.json: is not the record of a job, or damaged" in err
