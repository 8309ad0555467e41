"""A real trained model on real photographs, against the outputs of Keras."""

import csv
import json

import numpy as np
import pytest

import xception
from xception.inspection.backbones import Backbone

CLASS_NAMES = ("cup", "fork", "glass", "knife", "plate", "spoon")


@pytest.fixture(scope="module")
def expected(real):
    with np.load(real / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def exact_base(real):
    """The ImageNet base in float32, from a model in which it is a layer."""
    with pytest.warns(UserWarning, match="'functional'.* not loaded: dense, dense_1"):
        return xception.Xception(
            include_top=False, weights=real / "kitchenware_xception.keras", pooling="avg"
        )


def test_features_of_the_exact_base_equal_those_of_keras(exact_base, expected):
    features = exact_base.predict(xception.preprocess_input(expected["x"]))
    assert np.abs(features - expected["features"]).max() <= 1e-4 * np.abs(expected["features"]).max()
    np.testing.assert_allclose(features, expected["features"], rtol=1e-4, atol=1e-5)


def test_the_shipped_base_is_the_exact_base_rounded(base, exact_base, expected):
    for shipped, exact in zip(base.get_weights(), exact_base.get_weights(), strict=True):
        rounded = exact.astype(np.float16).astype(np.float32) if exact.ndim > 1 else exact
        np.testing.assert_array_equal(shipped, rounded)
    ours, theirs = base.predict(xception.preprocess_input(expected["x"])), expected["features"]
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    assert (1 - (ours * theirs).sum(axis=1) / lengths).max() < 6e-6


def test_photographs_are_read_as_keras_reads_them(real, expected):
    for name, pixels in zip(expected["names"], expected["x"], strict=True):
        x = xception.load_image(real / "images" / name, (150, 150), "nearest")
        np.testing.assert_array_equal(x, pixels)


# --- the whole model ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(real):
    return xception.load_model(real / "kitchenware_xception.keras")


@pytest.fixture(scope="module")
def labels(real):
    """{file name: label} of the photographs."""
    with (real / "labels.csv").open() as stream:
        return {row["image"]: row["label"] for row in csv.DictReader(stream)}


def test_logits_equal_those_of_keras(model, expected):
    logits = model.predict(xception.preprocess_input(expected["x"]))
    assert logits.shape == expected["logits"].shape
    assert np.abs(logits - expected["logits"]).max() <= 1e-3


def test_predict_classifies_all_photographs_correctly(real, model, expected, labels):
    photos = [real / "images" / name for name in expected["names"]]
    predictions = xception.predict(photos, model, top=1, class_names=CLASS_NAMES)
    names = [prediction.class_name for (prediction,) in predictions]
    assert names == [labels[name] for name in expected["names"]]
    # Logits are recognized, and made probabilities.
    assert 0.8 < min(prediction.score for (prediction,) in predictions) <= 1


def test_the_command_classifies_all_photographs_correctly(real, run, labels, tmp_path):
    (tmp_path / "classes.txt").write_text("\n".join(CLASS_NAMES))
    status, out, _ = run(
        "predict", real / "images", "--model", real / "kitchenware_xception.keras",
        "--class-names", tmp_path / "classes.txt", "--top", 1, "--format", "json",
    )  # fmt: skip
    assert status == 0
    predicted = {
        entry["path"].rpartition("/")[2]: entry["predictions"][0]["class_name"] for entry in json.loads(out)
    }
    assert predicted == labels


def test_evaluate_gives_an_accuracy_of_1(real, model, labels):
    photos = [real / "images" / name for name in labels]
    evaluation = xception.evaluate(photos, labels.values(), model, class_names=CLASS_NAMES)
    assert evaluation.accuracy == 1
    assert evaluation.top_5_accuracy == 1
    assert evaluation.mistakes() == []


def test_the_model_is_inspected(real):
    report = xception.inspect(real / "kitchenware_xception.keras")
    assert (report.format, report.keras_version, report.saved) == (
        ".keras archive", "3.3.3", "2024-05-15@12:16:32",
    )  # fmt: skip
    assert (report.parameters, report.trainable) == (21_066_986, 205_506)
    assert (report.optimizer, report.optimizer_arrays) == ("Adam", 10)
    assert report.arrays == {"float32": 238}
    assert report.bases == [Backbone("xception", 234, 0)]
    assert report.runs
