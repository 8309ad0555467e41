"""The command line, as a user meets it."""

import csv
import json
import subprocess
import sys
import zipfile

import pytest
import small_models

import xception
from xception.cli import predict as predicting
from xception.models import pretrained


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


# --- a model of one's own -------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A classifier of five classes that scales pixels itself, in a file."""
    path = tmp_path_factory.mktemp("own") / "own.keras"
    small_models.model(small_models.nested()).save(path)
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cup\nfork\nglass\nknife\nplate\n")
    return path


def test_predict_with_a_model_and_labels_of_ones_own(run, own, labels, examples):
    photo = examples / "coffee.jpg"
    status, out, err = run("predict", photo, "--model", own, "--labels", labels, "--top", 2)
    assert (status, err) == (0, "")
    (expected,) = xception.predict(photo, xception.load_model(own), top=2, labels=labels)
    assert [line.split() for line in out.splitlines()[1:]] == [
        [f"{answer.score:.4f}", answer.class_id, answer.label] for answer in expected
    ]
    status, out, _ = run("predict", photo, "--model", own, "--format", "csv")
    assert {row["label"] for row in csv.DictReader(out.splitlines())} == {f"class_{i}" for i in range(5)}


def test_softmax_and_scaling_on_demand(run, own, examples):
    def found(*settings):
        status, out, err = run(
            "predict", examples / "coffee.jpg", "--model", own, "--format", "csv", *settings
        )
        assert (status, err) == (0, "")
        return {row["label"]: float(row["score"]) for row in csv.DictReader(out.splitlines())}

    assert found("--scaling", "none", "--softmax", "no") == found()
    assert found("--scaling", "tf") != found()
    assert found("--softmax", "yes") != found()
    assert sum(found("--softmax", "yes").values()) == pytest.approx(1, abs=1e-4)


def test_pixels_as_they_are_draw_no_warning_where_they_are_asked_for(run, weights_file, examples):
    arguments = ("predict", examples / "coffee.jpg", "--weights", weights_file, "--scaling", "none")
    status, _, err = run(*arguments)
    assert status == 0
    assert "the images hold" not in err


def test_labels_of_another_number_are_refused_before_a_photograph_is_read(run, own, tmp_path):
    (tmp_path / "labels.txt").write_text("cup\nfork\n")
    arguments = ("predict", tmp_path / "no.jpg", "--model", own, "--labels", tmp_path / "labels.txt")
    message = "xception: there are 2 labels, but nested tells 5 classes apart\n"
    assert run(*arguments) == (1, "", message)
    (tmp_path / "labels.txt").write_text("")
    status, _, err = run(*arguments)
    assert (status, err) == (1, "xception: labels.txt: there are no names of classes in it\n")
    (tmp_path / "labels.txt").unlink()
    status, _, err = run(*arguments)
    assert status == 1
    assert "there is no such file of labels" in err


def test_models_that_do_not_load(run, weights_file, examples, tmp_path):
    status, out, err = run("predict", examples, "--model", weights_file)
    assert (status, out) == (1, "")
    assert "holds weights alone, no model" in err
    assert run("predict", examples, "--model", tmp_path / "no.keras")[0] == 1
    small_models.model(small_models.base()).save(tmp_path / "base.keras")
    status, out, err = run("predict", examples, "--model", tmp_path / "base.keras")
    assert (status, out) == (1, "")
    assert "has it a classifier" in err


def test_summary_of_a_model_of_ones_own(run, own):
    status, out, _ = run("summary", own)
    assert status == 0
    assert 'Model: "nested"' in out
    assert "block1_conv1" not in out
    status, out, _ = run("summary", own, "--expand-nested")
    assert "  block1_conv1 (Conv2D)" in out
    status, out, _ = run("summary", own, "--style", "dl4j")
    assert "base/block1_conv1 (ConvolutionLayer)" in out


# --- inspect --------------------------------------------------------------------------------


def test_inspect(run, own):
    status, out, err = run("inspect", own)
    assert (status, err) == (0, "")
    assert "runs here   yes: xception.load_model(FILE)" in out
    assert "base (Functional)" in out
    status, out, _ = run("inspect", own, "--format", "json")
    found = json.loads(out)
    assert (status, found["runs"], found["outputs"]) == (0, True, {"classes": [None, 5]})


def test_inspect_what_is_no_model(run, tmp_path):
    (tmp_path / "page.h5").write_text("<!DOCTYPE html><p>Quota exceeded")
    status, out, err = run("inspect", tmp_path / "page.h5")
    assert (status, err) == (0, "")
    assert "a web page" in out
    status, out, err = run("inspect", tmp_path / "no.h5")
    assert (status, out) == (1, "")
    assert "there is no such file" in err
    assert run("inspect", tmp_path)[0] == 1


def test_inspect_what_is_damaged(run, own, tmp_path):
    (tmp_path / "half.keras").write_bytes(own.read_bytes()[:5000])
    status, out, err = run("inspect", tmp_path / "half.keras")
    assert status == 1
    assert "damage" in out
    assert err.startswith("xception: half.keras: a damaged .keras archive")


def test_words_of_a_file_do_not_reach_the_terminal_as_they_are(run, own, examples, tmp_path):
    path = tmp_path / "rude.keras"
    with zipfile.ZipFile(own) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "metadata.json":
                content = json.dumps({"keras_version": "\x1b[2J3", "date_saved": "today\a"}).encode()
            target.writestr(name, content)
    status, out, _ = run("inspect", path)
    assert status == 0
    assert "Keras \\x1b[2J3, today\\x07" in out
    (tmp_path / "labels.json").write_text(json.dumps(["\x1b[2J", "b", "c", "d", "e"]))
    arguments = ("predict", examples / "coffee.jpg", "--model", own, "--labels", tmp_path / "labels.json")
    status, out, _ = run(*arguments)
    assert status == 0
    assert "\x1b" not in out


# --- weights --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "command",
    [
        "", "predict", "classify x", "predict x --top 0", "predict x --format xml", "weights",
        "weights fetch", "summary --style html", "predict x --model m.keras --weights w.h5",
        "predict x --softmax perhaps", "predict x --scaling caffe", "summary m.keras --no-top", "inspect",
        "inspect m.keras --format xml",
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
    monkeypatch.setattr(predicting, "Xception", broken)
    status, _, err = run("predict", examples)
    assert status == 1
    assert "a mistake of this program, KeyError" in err


def test_an_interruption_is_no_traceback(run, examples, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predicting, "Xception", interrupted)
    assert run("predict", examples) == (130, "", "xception: interrupted\n")


def test_as_a_module_with_a_reader_that_leaves():
    command = f"{sys.executable} -m xception summary | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert result.stdout == 'Model: "xception"\n'
    assert result.stderr == ""
