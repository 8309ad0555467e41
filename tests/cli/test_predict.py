"""`xception predict`."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import small_models

import xception
from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
from xception.models import pretrained


def test_predict(run, weights_file, full_model, examples):
    status, out, err = run("predict", examples / "coffee.jpg", "--weights", weights_file, "--top", 2)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(examples / "coffee.jpg")
    assert len(lines) == 3
    model = xception.Xception(weights=weights_file)
    (expected,) = xception.predict([examples / "coffee.jpg"], model, top=2)
    assert lines[1].split() == [f"{expected[0].score:.4f}", expected[0].class_id, expected[0].class_name]


def test_one_class_is_one_line_with_the_whole_path_in_a_pipe(run, own, class_names, examples, monkeypatch):
    options = ("--model", own, "--class-names", class_names, "--top", 1)
    status, out, _ = run("predict", examples / "coffee.jpg", *options)
    (line,) = out.splitlines()
    score, name, path = line.split()
    assert (status, path) == (0, str(examples / "coffee.jpg"))
    assert 0 <= float(score) <= 1
    assert name in class_names.read_text().split()
    assert line.index(path) == len("0.1234  plate  ")
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = run("predict", f"{examples}/../{examples.name}/./coffee.jpg", *options)
    (line,) = out.splitlines()
    assert len(line) <= 40
    assert line.endswith("coffee.jpg")
    assert "…" in line


def test_predict_as_json_and_csv(run, weights_file, examples):
    arguments = ("predict", examples, "--weights", weights_file, "--top", 3, "--format")
    status, out, _ = run(*arguments, "json")
    answers = json.loads(out)
    assert status == 0
    assert [answer["path"] for answer in answers] == sorted(str(p) for p in examples.glob("*.jpg"))
    assert set(answers[0]["predictions"][0]) == {"class_id", "class_name", "score"}
    status, out, _ = run(*arguments, "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 3 * len(answers)
    assert rows[0]["path"] == answers[0]["path"]
    assert rows[0]["rank"] == "1"
    assert rows[0]["class_name"] == answers[0]["predictions"][0]["class_name"]


def test_photographs_that_cannot_be_read_are_named_and_the_others_go_on(
    run, weights_file, examples, tmp_path
):
    (tmp_path / "broken.jpg").write_bytes((examples / "coffee.jpg").read_bytes()[:5000])
    photos = [tmp_path / "broken.jpg", tmp_path / "missing.jpg", tmp_path / "*.gif", examples / "coffee.jpg"]
    status, out, err = run("predict", *photos, "--weights", weights_file, "--format", "json")
    assert status == 1
    assert [answer["path"] for answer in json.loads(out)] == [str(examples / "coffee.jpg")]
    assert "broken.jpg: is damaged or incomplete" in err
    assert "missing.jpg: there is no such file" in err
    assert "*.gif: no file matches this pattern" in err
    assert "3 could not be read" in err


def test_predict_with_classes_of_ones_own(run, examples, tmp_path):
    xception.Xception(weights=None, classes=3, seed=0).save_weights(tmp_path / "mine.h5")
    status, out, _ = run("predict", examples / "rocket.jpg", "--weights", tmp_path / "mine.h5")
    assert status == 0
    assert sorted(line.split()[-1] for line in out.splitlines()[1:]) == ["class_0", "class_1", "class_2"]


def test_predict_with_a_model_and_labels_of_ones_own(run, own, class_names, examples):
    photo = examples / "coffee.jpg"
    status, out, err = run("predict", photo, "--model", own, "--class-names", class_names, "--top", 2)
    assert (status, err) == (0, "")
    (expected,) = xception.predict(photo, xception.load_model(own), top=2, class_names=class_names)
    assert [line.split() for line in out.splitlines()[1:]] == [
        [f"{answer.score:.4f}", answer.class_name]
        for answer in expected  # ids are mere indices
    ]
    status, out, _ = run("predict", photo, "--model", own, "--format", "csv")
    assert {row["class_name"] for row in csv.DictReader(out.splitlines())} == {f"class_{i}" for i in range(5)}


def test_csv_of_class_names_that_a_spreadsheet_would_execute(run, own, examples, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("=1+1\n+a\n-a,b\n@SUM(1)\n-1\n")
    photo = examples / "coffee.jpg"
    _, out, _ = run("predict", photo, "--model", own, "--class-names", names, "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert {row["class_name"] for row in rows} == {"'=1+1", "'+a", "'-a,b", "'@SUM(1)", "-1"}
    _, out, _ = run("predict", photo, "--model", own, "--class-names", names, "--format", "json")
    (answer,) = json.loads(out)
    assert {entry["class_name"] for entry in answer["predictions"]} == {"=1+1", "+a", "-a,b", "@SUM(1)", "-1"}


def test_softmax_and_scaling_on_demand(run, own, examples):
    def found(*settings):
        status, out, err = run(
            "predict", examples / "coffee.jpg", "--model", own, "--format", "csv", *settings
        )
        assert (status, err) == (0, "")
        return {row["class_name"]: float(row["score"]) for row in csv.DictReader(out.splitlines())}

    assert found("--scaling", "none", "--from-logits", "no") == found()
    assert found("--scaling", "tf") != found()
    assert found("--from-logits", "yes") != found()
    assert sum(found("--from-logits", "yes").values()) == pytest.approx(1, abs=1e-4)


def test_scores_that_are_not_finite_are_null_in_json(run, examples, tmp_path):
    model = small_models.model(small_models.nested())
    model.set_weights([array * np.nan for array in model.get_weights()])
    model.save(tmp_path / "nan.keras")
    status, out, _ = run(
        "predict", examples / "coffee.jpg", "--model", tmp_path / "nan.keras", "--format", "json"
    )
    (answer,) = json.loads(out, parse_constant=pytest.fail)
    assert (status, answer["predictions"][0]["score"]) == (0, None)


def test_pixels_as_they_are_draw_no_warning_where_they_are_asked_for(run, weights_file, examples):
    arguments = ("predict", examples / "coffee.jpg", "--weights", weights_file, "--scaling", "none")
    status, _, err = run(*arguments)
    assert status == 0
    assert "the images hold" not in err


def test_labels_of_another_number_are_refused_before_a_photograph_is_read(run, own, tmp_path):
    (tmp_path / "class_names.txt").write_text("cup\nfork\n")
    arguments = (
        "predict",
        tmp_path / "no.jpg",
        "--model",
        own,
        "--class-names",
        tmp_path / "class_names.txt",
    )
    message = "xception: there are 2 class names, but nested has 5 classes\n"
    assert run(*arguments) == (1, "", message)
    (tmp_path / "class_names.txt").write_text("")
    status, _, err = run(*arguments)
    assert (status, err) == (1, "xception: class_names.txt: no class names, expected at least one\n")
    (tmp_path / "class_names.txt").unlink()
    status, _, err = run(*arguments)
    assert status == 1
    assert "there is no such file of class names" in err


def test_models_that_do_not_load(run, weights_file, examples, tmp_path):
    status, out, err = run("predict", examples, "--model", weights_file)
    assert (status, out) == (1, "")
    assert "holds weights alone, no model" in err
    assert run("predict", examples, "--model", tmp_path / "no.keras")[0] == 1
    small_models.model(small_models.base()).save(tmp_path / "base.keras")
    status, out, err = run("predict", examples, "--model", tmp_path / "base.keras")
    assert (status, out) == (1, "")
    assert "the model has no classifier" in err


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


def test_one_of_several_outputs_is_named(run, tmp_path, examples):
    network = small_models.wired(
        "traps", ["image"], ["species", "young"],
        image=(Input((12, 12, 3)),), maps=(Conv2D(4, 3), ["image"]),
        pool=(GlobalAveragePooling2D(), ["maps"]),
        species=(Dense(3, "softmax"), ["pool"]), young=(Dense(2, "softmax"), ["pool"]),
    )  # fmt: skip
    model = tmp_path / "traps.keras"
    small_models.model(network).save(model)
    photo = examples / "coffee.jpg"
    for command in (("predict",), ("explain", "--output", tmp_path / "why.png")):
        status, out, err = run(*command, photo, "--model", model)
        assert (status, out) == (1, "")
        assert "traps has 2 outputs: species (None, 3), young (None, 2); name one of them" in err
        status, out, _ = run(*command, photo, "--model", model, "--output-name", "young")
        assert status == 0
        assert "class_0" in out or "class_1" in out
    assert (tmp_path / "why.png").exists()
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "names.txt").write_text("a\nb\n")
    options = ("--model", model, "--output-name", "young", "--class-names", tmp_path / "names.txt")
    status, out, _ = run("evaluate", tmp_path / "photos", *options)
    assert status == 0
    assert "2: 1 right" in out


def test_an_architecture_with_its_weights(run, own, class_names, examples, tmp_path):
    with zipfile.ZipFile(own) as archive:
        archive.extract("model.weights.h5", tmp_path)
        (tmp_path / "model.json").write_bytes(archive.read("config.json"))
    photo, rest = examples / "coffee.jpg", ("--class-names", class_names)
    expected = run("predict", photo, "--model", own, *rest)
    assert expected[0] == 0
    both = ("--model", tmp_path / "model.json", "--weights", tmp_path / "model.weights.h5")
    assert run("predict", photo, *both, *rest) == expected
    status, out, err = run("predict", photo, *both[:2], *rest)
    assert (status, out) == (1, "")
    assert "is the architecture of a model, without weights" in err
    assert "--model model.json --weights model.h5" in err
    status, _, err = run("predict", photo, *both[:2], "--weights", tmp_path / "no.h5")
    assert (status, "there is no such file" in err) == (1, True)

    features = tmp_path / "features.npy"
    assert run("features", photo, "--output", features, *both)[0] == 0
    model = xception.load_model(own)
    np.testing.assert_array_equal(np.load(features), np.asarray(xception.features(str(photo), model)))
    for command in ("summary", "inspect"):
        status, out, _ = run(command, tmp_path / "model.json", *both[2:])
        assert status == 0
        assert "base (Functional)" in out
    assert "runs here   yes: xception.load_model(FILE, weights=WEIGHTS)" in out


@pytest.mark.parametrize("name", ["x.tflite", "x.pkl", "x.onnx"])
def test_files_of_other_programs(run, examples, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04." if name == "x.pkl" else b"1234TFL3")
    for arguments in (("predict", examples, "--model", tmp_path / name), ("summary", tmp_path / name)):
        status, out, err = run(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith(f"xception: {name}: is a")
        assert "Traceback" not in err


# --- streams and files ----------------------------------------------------------------------


def test_json_lines_hold_predictions_and_errors_in_order(run, small_classifier, two_folders):
    (two_folders / "animals" / "broken.jpg").write_bytes(b"no photograph")
    arguments = ("predict", two_folders, two_folders / "*.gif", "--model", small_classifier, "--top", 1)
    status, out, err = run(*arguments, "--format", "jsonl")
    assert status == 1
    assert "broken.jpg" in err
    assert "2 could not be read" in err
    lines = [json.loads(line) for line in out.splitlines()]
    names = [os.path.basename(line["path"]) for line in lines]
    assert names == ["*.gif", "astronaut.jpg", "broken.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]
    assert [sorted(line) for line in lines if "error" in line] == [["error", "path"]] * 2
    assert list(lines[1]["predictions"][0]) == ["class_id", "class_name", "score"]


@pytest.mark.parametrize("text_format", ["table", "csv", "jsonl"])
def test_lines_appear_as_they_are_computed(small_classifier, monkeypatch, examples, text_format):
    from xception.cli import predict
    from xception.cli.main import main

    pipe = io.BytesIO()
    seen = []

    def stream(*_, **__):
        for number in range(3):
            yield f"{number}.jpg", [xception.Prediction("0", "cat", 0.5)]
            seen.append(pipe.getvalue().count(b".jpg"))

    monkeypatch.setattr(predict, "iter_predict", stream)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    photo = str(examples / "coffee.jpg")
    assert main(["predict", photo, "--model", str(small_classifier), "--format", text_format]) == 0
    assert seen == [1, 2, 3]
    sys.stdout.detach()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "json"])
def test_a_file_holds_what_stdout_holds(run, small_classifier, two_folders, tmp_path, suffix):
    (two_folders / "animals" / "broken.jpg").write_bytes(b"no photograph")
    arguments = ("predict", two_folders, "--model", small_classifier, "--top", 2)
    _, out, _ = run(*arguments, "--format", suffix)
    output = tmp_path / f"p.{suffix}"
    status, nothing, err = run(*arguments, "--output", output)
    assert (status, nothing) == (1, "")
    assert err.endswith(f"p.{suffix}: 4 photographs, 1 could not be read\n")
    assert output.read_text() == out
    status, _, err = run("predict", two_folders / "things", *arguments[2:], "--output", output)
    assert (status, err) == (0, f"xception: {output}: 2 photographs\n")


def test_an_output_without_photographs_is_not_written(run, small_classifier, tmp_path):
    arguments = ("--model", small_classifier, "--output", tmp_path / "p.csv")
    status, out, err = run("predict", tmp_path / "a.jpg", tmp_path / "b.jpg", *arguments)
    assert (status, out) == (1, "")
    assert err.endswith("xception: 2 could not be read\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "p.txt"], "expected a name that ends in .jsonl, .csv, .json, .parquet, got 'p.txt'"),
        (["--output", "p.csv", "--format", "csv"], "not allowed with argument"),
        (["--verify"], "--verify compares what an interrupted --output has left"),
    ],
)
def test_wrong_use_of_an_output_is_status_2(run, arguments, message):
    status, out, err = run("predict", "x.jpg", *arguments)
    assert (status, out) == (2, "")
    assert message in err


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
@pytest.mark.parametrize("text_format", ["table", "csv", "jsonl", "json"])
def test_a_reader_that_goes_away_ends_it_quietly(small_classifier, two_folders, text_format):
    reading, writing = os.pipe()
    os.close(reading)
    command = ("predict", two_folders, "--model", small_classifier, "--format", text_format)
    process = subprocess.run(
        [sys.executable, "-m", "xception", *map(str, command)],
        stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (process.returncode, process.stderr) == (1, b"")


def test_a_photograph_that_is_not_there_is_said_before_a_download(run, monkeypatch, tmp_path):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("XCEPTION_WEIGHTS_URL", "http://127.0.0.1:9")
    photo = tmp_path / "no.jpg"
    assert run("predict", photo) == (1, "", f"xception: {photo}: there is no such file\n")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.txt").write_text("nothing to see")
    expected = f"xception: {notes}: there are no photographs in this folder, only 1 .txt\n"
    assert run("predict", notes, photo) == (1, "", expected)


def test_class_names_are_not_written_over(run, small_classifier, examples, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('["cat", "cup", "rocket"]')
    options = ("--model", small_classifier, "--class-names", names, "--output", names)
    message = f"xception: {names}: is the file of class names; name another file to write\n"
    assert run("predict", examples, *options) == (1, "", message)
    with pytest.raises(ValueError, match="is the file of class names"):
        xception.predict(examples, small_classifier, class_names=names, output=names)
    assert names.read_text() == '["cat", "cup", "rocket"]'


def test_a_csv_of_wrong_use_has_no_header(run, small_classifier, examples):
    status, out, _ = run("predict", examples, "--model", small_classifier, "--format", "csv", "--top", 10**17)
    assert (status, out) == (1, "")
