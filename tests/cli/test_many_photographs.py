"""The commands for features, similar photographs, and classes of one's own."""

import csv
import json
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
from xception.cli import main as cli
from xception.layers import Dense, GlobalAveragePooling2D, Input, Rescaling, SeparableConv2D


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XCEPTION_CACHE_DIR", str(tmp_path / "cache"))

    def command(*arguments):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The file of a small classifier of photographs."""
    built = small_models.model(
        small_models.row(
            "small", ("image", Input((16, 16, 3))), ("scaled", Rescaling(1 / 127.5, -1.0)),
            ("maps", SeparableConv2D(8, 3, padding="same")), ("pool", GlobalAveragePooling2D()),
            ("classes", Dense(3, "softmax")),
        )
    )  # fmt: skip
    built.labels = (("0", "cat"), ("1", "cup"), ("2", "rocket"))
    path = tmp_path_factory.mktemp("small") / "small.keras"
    built.save(path)
    return path


@pytest.fixture
def photos(examples, tmp_path):
    """Two classes of photographs, in folders."""
    for name, label in (
        ("chelsea", "animals"),
        ("astronaut", "animals"),
        ("coffee", "things"),
        ("rocket", "things"),
    ):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(examples / f"{name}.jpg", tmp_path / "photos" / label)
    return tmp_path / "photos"


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


# --- features -------------------------------------------------------------------------------


def test_features_of_layers_with_labels(run, small, photos, tmp_path):
    output = tmp_path / "f.csv"
    status, out, err = run(
        "features", photos, "--model", small, "--layers", "pool,maps", "--pooling", "max", "--output", output
    )
    assert (status, out) == (0, "")
    assert "4 photographs, 16 features each" in err
    rows = rows_of(output)
    assert [row["label"] for row in rows] == ["animals", "animals", "things", "things"]
    x = np.stack([xception.load_image(row["photo"], (16, 16)) for row in rows]).astype(np.float32)
    expected = xception.load_model(small).features(x, ["pool", "maps"], "max")
    names = [f"{layer}_{i}" for layer in ("pool", "maps") for i in range(8)]
    assert list(rows[0]) == ["photo", "label", *names]
    found = np.array([[row[name] for name in names] for row in rows], np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "photos"]


def test_features_go_on_where_they_were_killed(run, small, photos, tmp_path):
    output = tmp_path / "f.npy"
    for number in range(60):
        shutil.copy(photos / "things" / "rocket.jpg", photos / "things" / f"{number:02}.jpg")
    arguments = ["features", str(photos), "--model", str(small), "--output", str(output)]
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
    assert kept >= 16
    status, _, err = run(*arguments)
    assert status == 0
    assert f"{kept} of 64 photographs are there already" in err
    assert np.load(output).shape == (64, 8)
    assert not progress.parent.exists()
    os.remove(output)
    whole = tmp_path / "g.npy"
    run("features", photos, "--model", small, "--output", whole)
    assert np.load(whole).shape == (64, 8)


def test_the_shipped_base_has_its_pooling_too(run, base, photos, tmp_path):
    for arguments in ([], ["--layers", "block4_pool,avg_pool"]):
        status, _, _ = run("features", photos / "things", "--output", tmp_path / "f.npz", *arguments)
        assert status == 0
        with np.load(tmp_path / "f.npz") as found:
            features, names = found["features"], found["names"]
        x = np.stack([xception.load_image(name) for name in names])
        expected = base.predict(xception.preprocess_input(x), verbose=0)
        np.testing.assert_allclose(features[:, -2048:], expected, rtol=1e-4, atol=1e-5)
    assert features.shape == (2, 728 + 2048)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "block99"], "has no layer 'block99'"),
        (["--layers", "maps", "--pooling", "median"], "invalid choice: 'median'"),
    ],
)
def test_features_that_cannot_be(run, small, photos, tmp_path, arguments, message):
    status, _, err = run("features", photos, "--model", small, "--output", tmp_path / "f.npz", *arguments)
    assert status in (1, 2)
    assert message in err
    assert not (tmp_path / "f.npz").exists()


# --- similar --------------------------------------------------------------------------------


def test_similar(run, small, photos):
    shutil.copy(photos / "things" / "coffee.jpg", photos / "animals" / "copy.jpg")
    query = photos / "things" / "coffee.jpg"
    arguments = [
        "similar",
        query,
        photos,
        "--model",
        small,
        "--top",
        2,
        "--layers",
        "maps",
        "--pooling",
        "none",
    ]
    status, out, _ = run(*arguments)
    lines = out.splitlines()
    assert (status, lines[0], len(lines)) == (0, str(query), 3)
    cosine, path = lines[1].split()
    assert float(cosine) == pytest.approx(1, abs=1e-4)
    assert path.endswith("copy.jpg")
    status, out, err = run(*arguments, "--format", "json")
    assert json.loads(out)[0]["similar"][0]["photo"].endswith("copy.jpg")
    assert "5 of 5 photographs are there already" in err
    _, out, _ = run(*arguments, "--format", "csv")
    assert out.splitlines()[0] == "photo,rank,similar,cosine"


# --- fit ------------------------------------------------------------------------------------


def test_fit_and_predict(run, photos, tmp_path):
    (photos / "nothing").mkdir()
    (photos / "things" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    status, out, err = run("fit", photos, "--output", tmp_path / "mine.keras")
    assert status == 1  # one could not be read, the others went on
    assert "broken.jpg" in err
    assert "no photographs in nothing" in err
    assert "2 classes, from 4 photographs" in err
    assert "cross-validated accuracy" in out
    assert "least sure" in out
    photo = photos / "things" / "rocket.jpg"
    status, out, err = run("predict", photo, "--model", tmp_path / "mine.keras", "--top", 1)
    assert (status, err) == (0, "")
    assert out.split()[-1] == "things"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: shutil.rmtree(p / "things"), "found animals"),
        (lambda p: (p / "things" / "coffee.jpg").unlink(), "there is one in things"),
        (lambda p: shutil.copytree(p / "things", p / "Things"), "differ in spelling only"),
        (lambda p: shutil.rmtree(p), "is no folder"),
    ],
)
def test_folders_that_cannot_be_fitted(run, photos, tmp_path, change, message):
    change(photos)
    status, out, err = run("fit", photos, "--output", tmp_path / "mine.keras")
    assert (status, out) == (1, "")
    assert message in err
    assert not (tmp_path / "mine.keras").exists()
