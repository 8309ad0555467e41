"""Explanations of a real trained model, on real photographs: against Keras, and against what is there."""

import numpy as np
import pytest

import xception

LABELS = ("cup", "fork", "glass", "knife", "plate", "spoon")

#: Where the object is, by eye: (left, top, right, bottom), as parts of the photograph.
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
    found = xception.load_model(real / "kitchenware_xception.keras")
    found.labels = LABELS
    return found


@pytest.fixture(scope="module")
def expected(real):
    with np.load(real / "expected.npz") as answers:
        return dict(answers)


def ranking(explanation, box, size=100):
    """How often a pixel of the object has more of the map than one of the background: 0.5 by chance."""
    heat = explanation.grid.enlarged(explanation.maps[0, ..., None], (size, size))[..., 0]
    left, top, right, bottom = (round(size * edge) for edge in box)
    inside = np.zeros(heat.shape, bool)
    inside[top:bottom, left:right] = True
    rank = heat.ravel().argsort().argsort().reshape(heat.shape)
    return (rank[inside].mean() - (inside.sum() - 1) / 2) / (~inside).sum()


def test_grad_cam_is_that_of_keras(model, expected):
    found = xception.explain(model, expected["x"])
    assert found.layer == "xception/block14_sepconv2_act"
    np.testing.assert_array_equal(found.targets, expected["logits"].argmax(axis=1))
    np.testing.assert_allclose(found.scores, expected["logits"].max(axis=1), rtol=1e-4)
    for ours, theirs in zip(found.maps, expected["cam"], strict=True):
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999999
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * theirs.max())


def test_grad_cam_ranks_the_objects_over_the_background(model, real):
    photos = [real / "images" / f"{name}.jpg" for name in OBJECTS]
    found = xception.explain(model, photos)
    ranks = [ranking(one, box) for one, box in zip(found, OBJECTS.values(), strict=True)]
    assert min(ranks) > 0.7
    assert np.mean(ranks) > 0.88


@pytest.mark.parametrize(("method", "settings"), [("score-cam", {"channels": 16}), ("occlusion", {})])
@pytest.mark.parametrize("name", ["0001", "0009", "0207"])
def test_methods_that_try_rank_the_object_over_the_background(model, real, method, settings, name):
    found = xception.explain(model, real / "images" / f"{name}.jpg", method, **settings)
    assert ranking(found, OBJECTS[name]) > 0.75


@pytest.mark.parametrize(
    ("method", "settings"), [("grad-cam", {}), ("score-cam", {"channels": 16}), ("occlusion", {})]
)
def test_the_cup_in_the_example(model, examples, method, settings):
    found = xception.explain(model, examples / "coffee.jpg", method, "cup", **settings)
    assert ranking(found, CUP_OF_COFFEE) > 0.75
