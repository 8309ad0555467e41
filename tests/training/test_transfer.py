"""A model for your own classes, from photographs in folders or from lists."""

import warnings

import numpy as np
import pytest

import xception
from xception.data.preprocessing import Preprocessing
from xception.feature_extraction.extraction import Extractor
from xception.training.regression.softmax_regression import fit_softmax_regression
from xception.training.transfer import build_model, check_folders

pytestmark = pytest.mark.usefixtures("cache")


def test_a_built_model(examples, tmp_path):
    photos = sorted(examples.glob("*.jpg"))[:4]
    pixels = np.stack([xception.load_image(photo) for photo in photos])
    extractor = Extractor()
    regression = fit_softmax_regression(extractor.compute(pixels), ["one", "one", "two", "two"])
    model = build_model(extractor.model, regression)
    assert model.class_names == (("0", "one"), ("1", "two"))
    probabilities = model.predict(pixels, verbose=0)  # unscaled pixels: a warning would be an error
    assert probabilities.argmax(axis=1).tolist() == [0, 0, 1, 1]
    model.save(tmp_path / "mine.keras")
    loaded = xception.load_model(tmp_path / "mine.keras")
    (prediction,) = xception.predict(photos[3], loaded, top=1)
    assert prediction[0].class_name == "two"
    assert prediction[0].score == pytest.approx(probabilities[3, 1], abs=1e-5)
    assert loaded.preprocessing == Preprocessing("none", "bilinear", False)


# --- xception.fit ---------------------------------------------------------------------------


@pytest.fixture
def photos(two_folders):
    return sorted(two_folders.rglob("*.jpg"))


LABELS = ["animals", "animals", "things", "things"]


def test_a_folder_and_lists_give_the_same_model(two_folders, photos):
    by_folder = xception.fit(two_folders)
    images = [photos[0], xception.load_image(photos[1], None), photos[2].read_bytes(), str(photos[3])]
    for model in (
        xception.fit(photos, LABELS),
        xception.fit(iter(images), (label for label in LABELS)),
        xception.fit(str(two_folders / "*" / "*.jpg"), LABELS),
    ):
        assert model.class_names == by_folder.class_names == (("0", "animals"), ("1", "things"))
        for ours, expected in zip(model.get_weights()[-2:], by_folder.get_weights()[-2:], strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)
    predictions = xception.predict(photos, by_folder, top=1)
    assert [entry[0].class_name for entry in predictions] == LABELS


def test_the_report(two_folders, photos):
    report = xception.fit_with_report(two_folders)
    assert isinstance(report, xception.FitReport)
    assert report.paths == [str(photo) for photo in photos]
    assert (report.indices, report.labels) == ([0, 1, 2, 3], LABELS)
    assert (report.failures, report.notes) == ([], [])
    assert report.regression.class_names == ("animals", "things")
    text = str(report)
    assert "cross-validated accuracy" in text
    assert "of 4 photographs right, leave-one-out" in text
    assert "confusion" in text
    assert "least sure" in text
    assert text.count(".jpg") == 4


def test_labels_may_be_integers(photos):
    assert xception.fit(photos, np.array([7, 7, 10, 10])).class_names == (("0", "10"), ("1", "7"))


def test_features_of_files_are_computed_once(two_folders, photos, monkeypatch):
    xception.fit(two_folders)
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("computed again"))
    xception.fit(two_folders)
    xception.fit(photos, ["a", "b", "a", "b"], balanced=True)
    xception.similar(photos[0], two_folders)  # has the same cache


def test_what_is_odd_about_folders_is_said(two_folders, photos):
    for name in (".ipynb_checkpoints", "__MACOSX/things", "nothing"):
        (two_folders / name).mkdir(parents=True)
    (two_folders / "__MACOSX" / "things" / "coffee.jpg").write_bytes(b"a resource fork")
    (two_folders / "outside.jpg").write_bytes(photos[0].read_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = xception.fit_with_report(two_folders)
    assert report.notes == [str(warning.message) for warning in caught] == [
        "skipped the folders .ipynb_checkpoints, __MACOSX",
        "no photographs in the folder nothing",
        "1 photograph outside any sub-folder left out",
    ]  # fmt: skip
    assert report.paths == [str(photo) for photo in photos]


def test_folders_within_folders_are_not_empty(two_folders, photos):
    (two_folders / "more").mkdir()
    (two_folders / "things").rename(two_folders / "more" / "things")
    report = xception.fit_with_report(two_folders)
    assert report.notes == []
    assert sorted(set(report.labels)) == ["animals", "more"]  # the sub-folders, as in Keras


def test_photographs_that_cannot_be_read(two_folders, photos):
    broken = two_folders / "animals" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff and no more")
    with pytest.raises(xception.ImageError, match=r"broken\.jpg"):
        xception.fit(two_folders)
    report = xception.fit_with_report(two_folders, on_error="skip")
    assert [failure.path for failure in report.failures] == [str(broken)]
    assert (report.indices, report.labels) == ([0, 2, 3, 4], LABELS)
    seen = []
    xception.fit([*photos, broken], [*LABELS, "things"], on_error=seen.append)
    assert [failure.index for failure in seen] == [4]


def test_a_class_that_cannot_be_read_is_an_error(two_folders):
    (two_folders / "lost").mkdir()
    for number in range(2):
        (two_folders / "lost" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    with pytest.raises(ValueError, match="no photograph of lost could be read"):
        xception.fit(two_folders, on_error="skip")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a", "b"], "got 3 labels for 4"),
        (["a", "a", "b", "b", "b"], "got 5 labels for 4"),
        (["a", "a", "a", "a"], "at least two classes, got one class: a"),
        (["a", "a", "a", "b"], "there is one of b"),
    ],
)
def test_labels_that_do_not_fit(photos, labels, message):
    with pytest.raises(ValueError, match=message):
        xception.fit(photos, labels)


@pytest.mark.parametrize(
    ("labels", "message"), [(LABELS[:2], "got 2 labels for more"), ([*LABELS, "x"], "got 5 labels for 4")]
)
def test_labels_that_do_not_fit_a_generator(photos, labels, message):
    with pytest.raises(ValueError, match=message):
        xception.fit(iter(photos), labels)


@pytest.mark.parametrize(
    ("name", "message"),
    [("d\x1bog", r"should be printable text, got 'd\\x1bog'"), ("", "should have a name")],
)
def test_a_class_name_that_cannot_be_saved_is_refused_before_features_are_computed(name, message):
    with pytest.raises(ValueError, match=message):
        xception.fit(["no.jpg"] * 4, ["cat", "cat", name, name])


def test_wrong_arguments(base, two_folders, photos):
    with pytest.raises(TypeError, match=r"labels must be a list .* got the text 'animals'"):
        xception.fit(photos, "animals")
    with pytest.raises(TypeError, match=r"labels must be a list .* got int"):
        xception.fit(photos, 3)
    with pytest.raises(TypeError, match="a label is a text or an integer, got None"):
        xception.fit(photos, [None] * 4)
    with pytest.raises(
        TypeError, match=r"fit\(images, labels\): expected photographs for images, got a Model"
    ):
        xception.fit(base, LABELS)
    with pytest.raises(TypeError, match=r"fit\(images, labels\): expected labels, got a Model"):
        xception.fit(photos, base)
    with pytest.raises(ValueError, match="those of a folder are the names of its sub-folders"):
        xception.fit(two_folders, LABELS)
    with pytest.raises(ValueError, match="at least two classes; found none"):
        xception.fit(photos)


# --- folders --------------------------------------------------------------------------------


def test_folders_that_are_well():
    check_folders(["a", "a", "b", "b"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat", "cat", "Cat", "Cat"], "'Cat' and 'cat'"),
        (["red fox", "red fox", "red_fox", "red_fox"], "differ only in spelling"),
        (["a", "a", "b"], "there is one in b"),
        (["a", "a"], "a sub-folder of photographs for each of at least two classes; found a"),
        ([], "found none"),
    ],
)
def test_folders_that_cannot_be_fitted(labels, message):
    with pytest.raises(ValueError, match=message):
        check_folders(labels)
