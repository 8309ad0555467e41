"""Explanations of a trained model on photographs, against Keras and against where the objects are."""

import numpy as np
import pytest

import xception

CLASS_NAMES = ("cup", "fork", "glass", "knife", "plate", "spoon")

#: Where the object is, by eye: (left, top, right, bottom), as fractions of the photograph.
OBJECTS = {
    "0000": (0.05, 0.21, 0.84, 0.84), "0001": (0.32, 0.22, 0.50, 0.85), "0002": (0.10, 0.23, 0.95, 0.55),
    "0004": (0.07, 0.26, 0.96, 0.98), "0009": (0.27, 0.07, 0.99, 0.48), "0013": (0.17, 0.18, 0.90, 0.83),
    "0020": (0.15, 0.33, 0.95, 0.90), "0024": (0.37, 0.22, 0.57, 0.95), "0026": (0.14, 0.27, 0.77, 0.74),
    "0192": (0.22, 0.28, 0.71, 0.68), "0199": (0.38, 0.02, 0.56, 0.93), "0207": (0.38, 0.25, 0.58, 0.90),
    "0291": (0.10, 0.09, 0.79, 0.94), "0299": (0.04, 0.20, 0.92, 0.97), "0385": (0.12, 0.19, 0.85, 0.69),
    "0403": (0.11, 0.08, 0.92, 0.54), "0412": (0.38, 0.07, 0.53, 0.98), "0422": (0.35, 0.17, 0.93, 0.60),
}  # fmt: skip
CUP_OF_COFFEE = (0.29, 0.05, 0.69, 0.80)  # in examples/coffee.jpg


@pytest.fixture(scope="module")
def model(real):
    model = xception.load_model(real / "kitchenware_xception.keras")
    model.class_names = CLASS_NAMES
    return model


@pytest.fixture(scope="module")
def expected(real):
    with np.load(real / "expected.npz") as file:
        return dict(file)


def ranking(explanation, box, size=100):
    """Return how often the map is higher at a pixel of the object than of the background; 0.5 by chance."""
    heat = explanation.grid.upsample(explanation.maps[0, ..., None], (size, size))[..., 0]
    left, top, right, bottom = (round(size * edge) for edge in box)
    inside = np.zeros(heat.shape, bool)
    inside[top:bottom, left:right] = True
    rank = heat.ravel().argsort().argsort().reshape(heat.shape)
    return (rank[inside].mean() - (inside.sum() - 1) / 2) / (~inside).sum()


def test_grad_cam_equals_that_of_keras(model, expected):
    explanation = xception.explain(expected["x"], model)
    assert explanation.layer == "xception/block14_sepconv2_act"
    np.testing.assert_array_equal(explanation.targets, expected["logits"].argmax(axis=1))
    np.testing.assert_allclose(explanation.scores, expected["logits"].max(axis=1), rtol=1e-4)
    for ours, theirs in zip(explanation.maps, expected["cam"], strict=True):
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999999
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * theirs.max())


def test_explain_names_the_classes_that_predict_finds_best(model, real):
    photos = [real / "images" / f"{name}.jpg" for name in OBJECTS]
    best = [
        [prediction.class_name for prediction in entry] for entry in xception.predict(photos, model, top=2)
    ]
    assert xception.explain(photos, model, top=2).names == best


def test_grad_cam_ranks_the_objects_over_the_background(model, real):
    photos = [real / "images" / f"{name}.jpg" for name in OBJECTS]
    explanation = xception.explain(photos, model)
    ranks = [ranking(part, box) for part, box in zip(explanation, OBJECTS.values(), strict=True)]
    assert min(ranks) > 0.7
    assert np.mean(ranks) > 0.88


@pytest.mark.parametrize(("method", "options"), [("score-cam", {"channels": 16}), ("occlusion", {})])
@pytest.mark.parametrize("name", ["0001", "0009", "0207"])
def test_perturbing_methods_rank_the_object_over_the_background(model, real, method, options, name):
    explanation = xception.explain(real / "images" / f"{name}.jpg", model, method=method, **options)
    assert ranking(explanation, OBJECTS[name]) > 0.75


@pytest.mark.parametrize(
    ("method", "options"), [("grad-cam", {}), ("score-cam", {"channels": 16}), ("occlusion", {})]
)
def test_the_cup_in_the_example(model, examples, method, options):
    photo = examples / "coffee.jpg"
    explanation = xception.explain(photo, model, method=method, target="cup", **options)
    assert ranking(explanation, CUP_OF_COFFEE) > 0.75
