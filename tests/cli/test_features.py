"""The command `features`."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import small_models

import xception


def read_table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_features(run, base, examples, tmp_path):
    status, out, err = run("features", examples, "--output", tmp_path / "f.npz")
    assert (status, out) == (0, "")
    assert err.endswith(f"{tmp_path / 'f.npz'}: 4 photographs, 2,048 features each\n")
    with np.load(tmp_path / "f.npz") as saved:
        paths, features = saved["paths"], saved["values"]
        assert saved["names"][:2].tolist() == ["feature_0", "feature_1"]
    assert paths.tolist() == sorted(str(p) for p in examples.glob("*.jpg"))
    x = np.stack([xception.load_image(path) for path in paths])
    np.testing.assert_allclose(features, base.predict(xception.preprocess_input(x)), rtol=1e-5, atol=1e-6)

    status, _, _ = run("features", examples / "c*.jpg", "--output", tmp_path / "f.csv")
    assert status == 0
    rows = list(csv.reader((tmp_path / "f.csv").read_text().splitlines()))
    assert rows[0][:2] == ["path", "feature_0"]
    assert [row[0] for row in rows[1:]] == paths[1:3].tolist()
    np.testing.assert_allclose(
        np.array(rows[1:])[:, 1:].astype(np.float32), features[1:3], rtol=1e-5, atol=1e-6
    )


def test_without_photographs_nothing_is_written(run, tmp_path):
    status, _, err = run("features", tmp_path, "--output", tmp_path / "f.npz")
    assert status == 1
    assert "no photographs in this folder" in err
    assert not list(tmp_path.iterdir())
    status, _, err = run("features", tmp_path, "--output", tmp_path / "nowhere" / "f.npz")
    assert status == 1
    assert "there is no such folder" in err


def test_features_of_your_own_model(run, examples, tmp_path):
    model = small_models.model(small_models.nested())
    model.save(tmp_path / "own.keras")
    arguments = ("features", examples, "--model", tmp_path / "own.keras", "--output", tmp_path / "f.npz")
    status, _, err = run(*arguments)
    assert status == 0
    assert "4 photographs, 8 features each" in err
    with np.load(tmp_path / "f.npz") as saved:
        paths, features = saved["paths"], saved["values"]
    x = np.stack([xception.load_image(path, (12, 12)) for path in paths])
    expected = xception.load_model(tmp_path / "own.keras").activations(x.astype(np.float32), ["pooled"])
    np.testing.assert_allclose(features, expected["pooled"], rtol=1e-5, atol=1e-5)


def test_features_of_your_own_weights(run, base, examples, tmp_path):
    xception.Xception(include_top=False).save_weights(tmp_path / "own.h5")
    photo = examples / "coffee.jpg"
    arguments = ("--weights", tmp_path / "own.h5", "--layers", "avg_pool")
    status, _, err = run("features", photo, "--output", tmp_path / "f.npy", *arguments)
    assert status == 0
    assert "1 photograph, 2,048 features each" in err
    expected = base.predict(xception.preprocess_input(xception.load_image(photo)[None]), verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), expected, rtol=1e-5, atol=1e-6)


def test_features_of_layers_with_labels(run, small_classifier, two_folders, tmp_path):
    output = tmp_path / "f.csv"
    layers = ("--layers", "pool,maps", "--pooling", "max")
    status, out, err = run("features", two_folders, "--model", small_classifier, *layers, "--output", output)
    assert (status, out) == (0, "")
    assert "4 photographs, 16 features each" in err
    rows = read_table(output)
    assert [row["label"] for row in rows] == ["animals", "animals", "things", "things"]
    x = np.stack([xception.load_image(row["path"], (16, 16)) for row in rows]).astype(np.float32)
    expected = xception.load_model(small_classifier).features(x, ["pool", "maps"], "max")
    names = [f"{layer}_{i}" for layer in ("pool", "maps") for i in range(8)]
    assert list(rows[0]) == ["path", "label", *names]
    features = np.array([[row[name] for name in names] for row in rows], np.float32)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "photos"]


def test_features_go_on_where_they_were_killed(run, small_classifier, two_folders, tmp_path):
    output = tmp_path / "f.npy"
    for number in range(60):
        shutil.copy(two_folders / "things" / "rocket.jpg", two_folders / "things" / f"{number:02}.jpg")
    arguments = ["features", str(two_folders), "--model", str(small_classifier), "--output", str(output)]
    process = subprocess.Popen([sys.executable, "-m", "xception", *arguments], stderr=subprocess.DEVNULL)
    progress = tmp_path / ".f.npy.progress" / "photos.jsonl"
    for _ in range(3000):
        if process.poll() is not None or (progress.exists() and progress.stat().st_size):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    kept = len(progress.read_text().splitlines())
    assert kept >= 1
    status, _, err = run(*arguments)
    assert status == 0
    assert err.endswith(f"f.npy: 64 photographs, 8 features each ({kept} had been computed before)\n")
    assert np.load(output).shape == (64, 8)
    assert not progress.parent.exists()
    resumed = np.load(output)
    os.remove(output)
    whole = tmp_path / "g.npy"
    status, _, err = run("features", two_folders, "--model", small_classifier, "--output", whole)
    assert "already" not in err
    np.testing.assert_allclose(np.load(whole), resumed, rtol=1e-5)


def test_verify_reads_the_photographs_of_an_interrupted_run(run, small_classifier, two_folders, tmp_path):
    output = tmp_path / "f.csv"
    arguments = ("features", two_folders, "--model", small_classifier, "--output", output, "--verify")
    assert run(*arguments)[0] == 0
    assert len(read_table(output)) == 4


@pytest.mark.parametrize("wide", [False, True])
def test_wide(run, small_classifier, two_folders, tmp_path, wide):
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "f.parquet"
    arguments = ("features", two_folders, "--model", small_classifier, *(["--wide"] if wide else []))
    assert run(*arguments, "--output", output)[0] == 0
    names = [f"feature_{i}" for i in range(8)] if wide else ["features"]
    assert parquet.read_schema(output).names == ["path", "label", *names]
    if wide:
        status, _, err = run(*arguments, "--output", tmp_path / "f.csv")
        assert status == 1
        assert "f.csv: 'wide' is a layout of .parquet files" in err


def test_a_photograph_given_twice_is_one_row(run, small_classifier, examples, tmp_path):
    photo = examples / "coffee.jpg"
    arguments = ("--model", small_classifier, "--output", tmp_path / "f.npy")
    status, _, err = run("features", photo, photo, examples / "cof*.jpg", *arguments)
    assert status == 0
    assert "1 photograph, 8 features each" in err


def test_broken_photographs_are_named_and_the_others_written(run, small_classifier, two_folders, tmp_path):
    (two_folders / "things" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    arguments = ("--model", small_classifier, "--output", tmp_path / "f.csv")
    status, _, err = run("features", two_folders, tmp_path / "missing.jpg", *arguments)
    assert status == 1
    assert "broken.jpg" in err
    assert "missing.jpg: there is no such file" in err
    assert "2 could not be read" in err
    assert "4 photographs, 8 features each" in err
    assert len(read_table(tmp_path / "f.csv")) == 4


def test_the_shipped_base_has_its_pooling_too(run, base, two_folders, tmp_path):
    for arguments in ([], ["--layers", "block4_pool,avg_pool"]):
        status, _, _ = run("features", two_folders / "things", "--output", tmp_path / "f.npz", *arguments)
        assert status == 0
        with np.load(tmp_path / "f.npz") as saved:
            features, paths = saved["values"], saved["paths"]
        x = np.stack([xception.load_image(path) for path in paths])
        expected = base.predict(xception.preprocess_input(x), verbose=0)
        np.testing.assert_allclose(features[:, -2048:], expected, rtol=1e-4, atol=1e-5)
    assert features.shape == (2, 728 + 2048)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "block99"], "has no layer 'block99'"),
        (["--layers", "maps,maps"], "layers has a name twice: maps, maps"),
        (["--layers", "maps,"], "expected names with commas between them, got 'maps,'"),
        (["--layers", "maps", "--pooling", "median"], "invalid choice: 'median'"),
    ],
)
def test_features_that_do_not_exist(run, small_classifier, two_folders, tmp_path, arguments, message):
    output = tmp_path / "f.npz"
    status, _, err = run("features", two_folders, "--model", small_classifier, "--output", output, *arguments)
    assert status in (1, 2)
    assert message in err
    assert not output.exists()


@pytest.mark.parametrize(
    "command",
    ["features x", "features x --output f.txt"],
)
def test_wrong_use_is_status_2(run, command):
    status, out, err = run(*command.split())
    assert (status, out) == (2, "")
    assert err.startswith("usage: xception")
