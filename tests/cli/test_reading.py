"""--interpolation, --aspect, --exif and --decode of the commands that read photographs."""

import numpy as np
import pytest
from PIL import Image

import xception

pytestmark = pytest.mark.usefixtures("cache")

WORDS = ("--interpolation", "tf-bilinear", "--aspect", "crop", "--exif", "ignore")
OPTIONS = {"interpolation": "tf-bilinear", "aspect": "crop", "exif": "ignore"}


@pytest.fixture
def photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(8).integers(0, 256, (60, 90, 3), np.uint8)
    (tmp_path / "photos" / "cup").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "photos" / "cup" / "photo.png", exif=exif)
    return tmp_path / "photos" / "cup" / "photo.png"


def test_predict_explain_and_evaluate(run, own, class_names, photo, tmp_path):
    model = ("--model", own, "--class-names", class_names, *WORDS)
    best = xception.predict(photo, own, class_names=class_names, top=1, **OPTIONS)[0][0]
    status, out, err = run("predict", photo, *model, "--top", 1)
    assert (status, err) == (0, "")
    assert out.split() == [f"{best.score:.4f}", best.class_name, str(photo)]
    status, out, _ = run("explain", photo, "--output", tmp_path / "why.png", *model)
    assert status == 0
    assert f": {best.class_name}, {100 * best.score:.1f} %" in out
    evaluation = xception.evaluate(tmp_path / "photos", model=own, class_names=class_names, **OPTIONS)
    assert run("evaluate", tmp_path / "photos", *model) == (0, f"{evaluation}\n", "")


def test_features_and_similar(run, own, photo, tmp_path):
    assert run("features", photo, "--output", tmp_path / "f.npy", "--model", own, *WORDS)[0] == 0
    expected = xception.features(photo, own, **OPTIONS)
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), expected.values, rtol=1e-6)
    status, out, _ = run("similar", photo, photo.parent, photo, "--model", own, *WORDS)
    assert (status, out.strip()) == (0, str(photo))


def test_fit(run, two_folders, tmp_path):
    assert run("fit", two_folders, "--output", tmp_path / "mine.keras", *WORDS)[0] == 0
    record = xception.load_model(tmp_path / "mine.keras").preprocessing
    assert record == xception.Preprocessing("none", from_logits=False, **OPTIONS)
    status, out, _ = run("inspect", tmp_path / "mine.keras")
    assert status == 0
    assert "interpolation tf-bilinear, aspect crop, exif ignore" in out


def test_large_photographs_are_decoded_fast_if_asked_for(run, own, photo, tmp_path):
    large = tmp_path / "large.jpg"
    with Image.open(photo) as image:
        image.resize((900, 600)).save(large)
    pixels = xception.features(large, own, decode="fast")
    assert (np.asarray(pixels) != np.asarray(xception.features(large, own))).any()
    words = ("--output", tmp_path / "f.npy", "--model", own, "--decode", "fast")
    assert run("features", large, *words)[0] == 0
    np.testing.assert_allclose(np.load(tmp_path / "f.npy"), pixels.values, rtol=1e-6)
    status, _, err = run("features", large, *words, "--interpolation", "tf-dataset")
    assert status == 1
    assert "decode 'fast' does not give the exact pixels of TensorFlow" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "features", "similar", "explain", "evaluate", "fit"])
def test_unknown_values(run, command):
    for option in ("--interpolation", "--aspect", "--exif", "--decode"):
        status, _, err = run(command, "photo.jpg", option, "cubic")
        assert status == 2
        assert f"argument {option}: invalid choice: 'cubic'" in err
