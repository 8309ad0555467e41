"""`xception explain`."""

import shutil

import numpy as np
import pytest
import small_models
from PIL import Image

import xception
from xception.layers import Dense, GlobalAveragePooling2D, Input, Rescaling, SeparableConv2D


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
    built.class_names = ["cat", "cup", "rocket"]
    path = tmp_path_factory.mktemp("small") / "small.keras"
    built.save(path)
    return path


@pytest.fixture
def photos(examples, tmp_path):
    """Photographs in two folders."""
    for name, folder in [
        ("chelsea", "animals"), ("astronaut", "animals"), ("coffee", "things"), ("rocket", "things"),
    ]:  # fmt: skip
        (tmp_path / "photos" / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(examples / f"{name}.jpg", tmp_path / "photos" / folder)
    return tmp_path / "photos"


def test_one_photograph_makes_a_picture_and_several_a_folder(run, small, photos, tmp_path):
    photo = photos / "things" / "coffee.jpg"
    status, out, err = run(
        "explain", photo, "--model", small, "--class", "cup", "--output", tmp_path / "why.png"
    )
    assert (status, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'why.png'}: cup, ")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = run("explain", photos, "--model", small, "--top", 2, "--output", tmp_path / "pictures")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "astronaut.why.png", "chelsea.why.png", "coffee.why.png", "rocket.why.png",
    ]  # fmt: skip


def test_no_photograph_is_overwritten(run, small, photos, tmp_path):
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


def test_the_command_does_what_the_function_does(run, small, photos, tmp_path):
    """Classes, scores and pictures are those of `xception.explain`."""
    names = tmp_path / "names.txt"
    names.write_text("kitten\nmug\nrocket\n")
    status, out, err = run(
        "explain", photos, "--model", small, "--method", "score-cam", "--class", "mug", "--class", "kit*",
        "--layer", "maps", "--class-names", names, "--scaling", "unit", "--from-logits", "no",
        "--output", tmp_path / "command",
    )  # fmt: skip
    assert (status, err) == (0, "")
    explanation = xception.explain(
        photos, small, method="score-cam", target=["mug", "kit*"], layer="maps", class_names=names,
        scaling="unit", from_logits=False, output=tmp_path / "function",
    )  # fmt: skip
    pictures = [f"{name}.why.png" for name in ("astronaut", "chelsea", "coffee", "rocket")]
    assert out.splitlines() == [
        f"{tmp_path / 'command' / picture}: {'; '.join(part.captions())}"
        for picture, part in zip(pictures, explanation, strict=True)
    ]
    for picture in pictures:
        with (
            Image.open(tmp_path / "command" / picture) as ours,
            Image.open(tmp_path / "function" / picture) as theirs,
        ):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_photographs_that_cannot_be_read_are_named_and_the_others_go_on(run, small, photos, tmp_path):
    (photos / "things" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    arguments = [tmp_path / "missing.jpg", photos, tmp_path / "*.gif"]
    status, out, err = run("explain", *arguments, "--model", small, "--output", tmp_path / "pictures")
    assert status == 1
    assert len(out.splitlines()) == len(list((tmp_path / "pictures").iterdir())) == 4
    assert "broken.jpg: " in err
    assert "missing.jpg: there is no such file" in err
    assert "*.gif: no file matches this pattern" in err
    assert "3 could not be read" in err


@pytest.mark.parametrize(
    "arguments",
    ["explain", "explain x", "explain x --output o.png --method gradcam", "explain x --output o --top 0"],
)
def test_wrong_use_is_status_2(run, arguments):
    status, out, err = run(*arguments.split())
    assert (status, out) == (2, "")
    assert err.startswith("usage: xception explain")


def test_what_is_wrong_with_the_output_is_said_before_the_model_is_loaded(run, photos, tmp_path):
    photo = photos / "things" / "coffee.jpg"
    for output, message in [("no/why.png", "no such folder"), ("why.npz", "expected a picture's name")]:
        status, out, err = run("explain", photo, "--model", "missing.keras", "--output", tmp_path / output)
        assert (status, out) == (1, "")
        assert message in err


def test_a_folder_without_photographs_is_said_once(run, small, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    message = f"xception: {empty}: there are no photographs in this folder\n"
    assert run("explain", empty, "--model", small, "--output", tmp_path / "a.png") == (1, "", message)


def test_a_run_that_fails_leaves_no_folder(run, small, tmp_path):
    folder = tmp_path / "new"
    assert run("explain", tmp_path / "no.jpg", "--model", small, "--output", folder)[0] == 1
    assert not folder.exists()
    (tmp_path / "file").touch()
    status, _, err = run("explain", tmp_path / "no.jpg", "--model", small, "--output", tmp_path / "file")
    assert (status, err.count("\n")) == (1, 1)
    assert f"{tmp_path / 'file'}: is a file, expected a folder, or a name that ends in .png" in err
    status, _, err = run("explain", tmp_path / "no.jpg", "--model", small, "--output", "")
    assert (status, err) == (1, "xception: the name of a file to write is empty\n")
