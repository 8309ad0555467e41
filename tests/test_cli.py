"""The command line, as a user meets it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

import xception
from xception import cli, pretrained


@pytest.fixture
def run(capsys):
    """Run the command; (status, what stood on stdout, what stood on stderr)."""

    def call(*arguments):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's
            status = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return status, captured.out, captured.err

    return call


def test_predict(run, weights_file, full_model, examples):
    status, out, err = run("predict", examples / "coffee.jpg", "--weights", weights_file, "--top", 2)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(examples / "coffee.jpg")
    assert len(lines) == 3
    model = xception.Xception(weights=weights_file)
    (expected,) = xception.predict([examples / "coffee.jpg"], model, top=2)
    assert lines[1].split() == [f"{expected[0].score:.4f}", expected[0].class_id, expected[0].label]


def test_predict_as_json_and_csv(run, weights_file, examples):
    arguments = ("predict", examples, "--weights", weights_file, "--top", 3, "--format")
    status, out, _ = run(*arguments, "json")
    answers = json.loads(out)
    assert status == 0
    assert [answer["photo"] for answer in answers] == sorted(str(p) for p in examples.glob("*.jpg"))
    assert set(answers[0]["predictions"][0]) == {"class_id", "label", "score"}
    status, out, _ = run(*arguments, "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 3 * len(answers)
    assert rows[0]["photo"] == answers[0]["photo"]
    assert rows[0]["rank"] == "1"
    assert rows[0]["label"] == answers[0]["predictions"][0]["label"]


def test_photographs_that_cannot_be_read_are_named_and_the_others_go_on(
    run, weights_file, examples, tmp_path
):
    (tmp_path / "broken.jpg").write_bytes((examples / "coffee.jpg").read_bytes()[:5000])
    photos = [tmp_path / "broken.jpg", tmp_path / "missing.jpg", tmp_path / "*.gif", examples / "coffee.jpg"]
    status, out, err = run("predict", *photos, "--weights", weights_file, "--format", "json")
    assert status == 1
    assert [answer["photo"] for answer in json.loads(out)] == [str(examples / "coffee.jpg")]
    assert "broken.jpg: is damaged or incomplete" in err
    assert "missing.jpg: there is no such file" in err
    assert "*.gif: no file fits this pattern" in err
    assert "3 could not be read" in err


def test_predict_with_classes_of_ones_own(run, examples, tmp_path):
    xception.Xception(weights=None, classes=3, seed=0).save_weights(tmp_path / "mine.h5")
    status, out, _ = run("predict", examples / "rocket.jpg", "--weights", tmp_path / "mine.h5")
    assert status == 0
    assert sorted(line.split()[-1] for line in out.splitlines()[1:]) == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n and no more"])
def test_weights_that_are_none(run, examples, tmp_path, content):
    (tmp_path / "bad.h5").write_bytes(content)
    status, out, err = run("predict", examples, "--weights", tmp_path / "bad.h5")
    assert (status, out) == (1, "")
    assert err.startswith("xception: bad.h5: ")


def test_weights_without_a_classifier(run, examples):
    status, _, err = run("predict", examples, "--weights", pretrained.shipped_base())
    assert status == 1
    assert "holds no classifier" in err


def test_features(run, base, examples, tmp_path):
    status, out, err = run("features", examples, "--output", tmp_path / "f.npz")
    assert (status, out) == (0, "")
    assert "4 photographs, 2048 features each" in err
    with np.load(tmp_path / "f.npz") as saved:
        names, features = saved["names"], saved["features"]
    assert names.tolist() == sorted(str(p) for p in examples.glob("*.jpg"))
    x = np.stack([xception.load_image(name) for name in names])
    np.testing.assert_allclose(features, base.predict(xception.preprocess_input(x)), rtol=1e-5, atol=1e-6)

    status, _, _ = run("features", examples / "c*.jpg", "--output", tmp_path / "f.csv")
    assert status == 0
    rows = list(csv.reader((tmp_path / "f.csv").read_text().splitlines()))
    assert rows[0][:2] == ["photo", "feature_0"]
    assert [row[0] for row in rows[1:]] == names[1:3].tolist()
    np.testing.assert_allclose(
        np.array(rows[1:])[:, 1:].astype(np.float32), features[1:3], rtol=1e-5, atol=1e-6
    )


def test_features_of_nothing_write_nothing(run, tmp_path):
    status, _, err = run("features", tmp_path, "--output", tmp_path / "f.npz")
    assert status == 1
    assert "no photographs in this folder" in err
    assert not list(tmp_path.iterdir())
    status, _, err = run("features", tmp_path, "--output", tmp_path / "nowhere" / "f.npz")
    assert status == 1
    assert "there is no such folder" in err


@pytest.mark.parametrize(
    "command",
    [
        "", "predict", "classify x", "predict x --top 0", "predict x --format xml", "features x",
        "features x --output f.txt", "weights", "weights fetch", "summary --style html",
    ],
)  # fmt: skip
def test_wrong_use_is_status_2(run, command):
    status, out, err = run(*command.split())
    assert (status, out) == (2, "")
    assert err.startswith("usage: xception")


def test_summary(run):
    status, out, _ = run("summary", "--style", "dl4j")
    assert status == 0
    assert "Total Parameters:  22,910,480" in out
    status, out, _ = run("summary", "--no-top")
    assert "Total params: 20,861,480" in out


def test_weights(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    name = pretrained.CLASSIFIER.name
    status, out, _ = run("weights", "path")
    assert status == 0
    assert str(pretrained.shipped_base()) in out
    assert f"{tmp_path / name} (not there yet)" in out
    status, out, _ = run("weights", "verify")
    assert status == 1
    assert "base        ok" in out
    assert "not on this machine" in out
    (tmp_path / name).write_bytes(b"half of it")
    status, out, _ = run("weights", "verify")
    assert status == 1
    assert "DAMAGED" in out
    status, _, err = run("weights", "download")
    assert status == 1
    assert pretrained.CLASSIFIER.sha256 in err
    monkeypatch.setattr(pretrained, "CLASSIFIER", pretrained.BASE)  # a file that is here
    status, out, _ = run("weights", "verify", "--cache-dir", pretrained.shipped_base().parent)
    assert status == 0
    assert out.count(" ok ") == 2


def test_a_mistake_of_the_program_is_no_traceback(run, examples, monkeypatch):
    def broken(*_, **__):
        raise KeyError("oops")

    monkeypatch.delenv("XCEPTION_DEBUG", raising=False)
    monkeypatch.setattr(cli, "Xception", broken)
    status, _, err = run("predict", examples)
    assert status == 1
    assert "a mistake of this program, KeyError" in err


def test_an_interruption_is_no_traceback(run, examples, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "Xception", interrupted)
    assert run("predict", examples) == (130, "", "xception: interrupted\n")


def test_as_a_module_with_a_reader_that_leaves():
    command = f"{sys.executable} -m xception summary | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert result.stdout == 'Model: "xception"\n'
    assert result.stderr == ""
