"""The command for explanations."""

import csv
import shutil

import pytest
import small_models

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


# --- explain --------------------------------------------------------------------------------


def test_explain(run, small, photos, tmp_path):
    photo = photos / "things" / "coffee.jpg"
    status, out, err = run(
        "explain", photo, "--model", small, "--class", "cup", "--output", tmp_path / "why.png"
    )
    assert (status, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'why.png'}: cup ")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = run("explain", photos, "--model", small, "--top", 2, "--output", tmp_path / "pictures")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "astronaut.why.png", "chelsea.why.png", "coffee.why.png", "rocket.why.png",
    ]  # fmt: skip


def test_explain_overwrites_no_photograph(run, small, photos, tmp_path):
    photo = photos / "things" / "coffee.jpg"
    before = photo.read_bytes()
    status, _, err = run("explain", photo, "--model", small, "--output", photo)
    assert status == 1
    assert "is one of the photographs" in err
    shutil.copy(photo, photos / "animals" / "coffee.jpg")
    status, out, _ = run("explain", photos, "--model", small, "--output", photos)
    assert status == 0
    assert len(set(out.splitlines())) == 5
    assert photo.read_bytes() == before
    status, _, err = run("explain", photos, "--model", small, "--output", tmp_path / "one.png")
    assert status == 1
    assert "go into a folder" in err
    status, _, err = run(
        "explain", photo, "--model", small, "--class", "dog", "--output", tmp_path / "one.png"
    )
    assert status == 1
    assert "dog" in err
