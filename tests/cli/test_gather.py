"""The command `gather`."""

import csv
import json

import numpy as np
import pytest
from job_folders import write_job

import xception

pytest.importorskip("pyarrow")


@pytest.fixture
def job(tmp_path):
    """The folder of a job of five photographs in three shards, one of them unreadable."""
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    results = [(f"{i}.jpg", "a", row) for i, row in enumerate(rows)]
    results[3] = ("3.jpg", "a", xception.ImageError("3.jpg: is no photograph"))
    write_job(tmp_path / "job", "features", ["x", "y"], results, shard=2)
    return tmp_path / "job"


def test_gather(run, job, tmp_path):
    status, out, err = run("gather", f"{job}/", "--output", tmp_path / "f.csv")
    assert (status, out) == (0, "")
    assert f"{tmp_path / 'f.csv'}: 4 photographs, 2 features each\n" in err
    assert "1 could not be read when the job ran, such as 3.jpg: is no photograph" in err
    header, *rows = csv.reader((tmp_path / "f.csv").read_text().splitlines())
    assert header == ["path", "label", "x", "y"]
    assert [row[0] for row in rows] == ["0.jpg", "1.jpg", "2.jpg", "4.jpg"]


def test_a_folder_of_features_and_its_gathered_file_hold_what_a_file_holds(
    run, small_classifier, two_folders, tmp_path
):
    arguments = ("features", two_folders, "--model", small_classifier, "--output")
    assert run(*arguments, f"{tmp_path / 'job'}/", "--shard", 3)[0] == 0
    assert run("gather", tmp_path / "job", "--output", tmp_path / "g.csv")[0] == 0
    assert run(*arguments, tmp_path / "f.csv")[0] == 0
    f, g = (list(csv.reader((tmp_path / f"{name}.csv").read_text().splitlines())) for name in "fg")
    assert [row[:2] for row in f] == [row[:2] for row in g]
    values = [np.array([row[2:] for row in rows[1:]], np.float32) for rows in (f, g)]
    np.testing.assert_allclose(*values, rtol=1e-5)


def test_wide(run, job, tmp_path):
    from pyarrow import parquet

    for arguments, names in (((), ["features"]), (("--wide",), ["x", "y"])):
        assert run("gather", job, "--output", tmp_path / "f.parquet", *arguments)[0] == 0
        assert parquet.read_schema(tmp_path / "f.parquet").names == ["path", "label", *names]


def test_predictions(run, tmp_path):
    prediction = xception.Prediction("n1", "cat", 0.5)
    results = [("a.jpg", "", [prediction]), ("b.jpg", "", xception.ImageError("b.jpg: is no photograph"))]
    write_job(tmp_path / "job", "predictions", [], results, shard=1)
    status, _, err = run("gather", tmp_path / "job", "--output", tmp_path / "p.jsonl")
    assert status == 0
    assert f"{tmp_path / 'p.jsonl'}: 1 photograph\n" in err
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == ["a.jpg", "b.jpg"]
    assert lines[1]["error"] == "b.jpg: is no photograph"


def test_a_job_that_is_not_complete(run, job, tmp_path):
    (job / "part-000001.parquet").unlink()
    status, out, err = run("gather", job, "--output", tmp_path / "f.npy")
    assert (status, out) == (1, "")
    assert "1 of 3 shards are missing (part-000001.parquet): run the job again" in err
    assert "--partial, gathers what there is" in err
    assert not (tmp_path / "f.npy").exists()
    status, _, err = run("gather", job, "--output", tmp_path / "f.npy", "--partial")
    assert status == 1
    assert "3 photographs, 2 features each" in err
    assert "1 shard not computed yet, and left out" in err
    assert np.load(tmp_path / "f.npy").shape == (3, 2)


def test_what_cannot_be_gathered_is_a_message(run, job, tmp_path):
    assert run("gather", tmp_path, "--output", tmp_path / "f.npy")[0] == 1
    status, _, err = run("gather", job, "--output", tmp_path / "f.txt")
    assert status == 1
    assert "expected a name that ends in .npz" in err
    (job / "part-000001.parquet").write_text("no")
    status, _, err = run("gather", job, "--output", tmp_path / "f.npy")
    assert status == 1
    assert "delete it, and run the job again" in err
    assert run("gather", job)[0] == 2
