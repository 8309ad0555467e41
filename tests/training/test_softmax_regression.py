"""A softmax classifier on features, and the model that is made of it."""

import numpy as np
import pytest

import xception
from xception.data.photographs import Photograph
from xception.kernels import softmax
from xception.training.softmax_regression import fit_classifier
from xception.training.transfer import base_features, check_folders, taught


def clusters(counts, d=40, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(counts), d))
    truth = np.repeat(np.arange(len(counts)), counts)
    x = centres[truth] + noise * rng.normal(size=(len(truth), d)) + 3
    return x, [f"class {i}" for i in truth]


@pytest.mark.parametrize("counts", [(8, 9, 7), (60, 70, 80)])
def test_clusters_are_told_apart(counts):
    x, labels = clusters(counts)
    fitted = fit_classifier(x, labels)
    assert fitted.accuracy == 1
    assert fitted.classes == ("class 0", "class 1", "class 2")
    assert fitted.folds == (24 if sum(counts) < 60 else 5)
    np.testing.assert_array_equal(fitted.confusion, np.diag(counts))
    p = softmax(x @ fitted.kernel + fitted.bias)
    assert [fitted.classes[i] for i in p.argmax(axis=1)] == labels


def test_the_solution_is_the_least_of_the_penalised_loss():
    x, labels = clusters((20, 30), d=5, noise=2)
    strength = 0.01
    fitted = fit_classifier(x, labels, strengths=[strength])
    scale = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())

    def loss(kernel, bias):
        p = softmax(x @ kernel + bias)
        own = np.log(p[np.arange(len(x)), [int(label[-1]) for label in labels]])
        return -own.mean() + 0.5 * strength / len(x) * ((kernel * scale) ** 2).sum()

    kernel, bias = fitted.kernel.astype(float), fitted.bias.astype(float)
    least = loss(kernel, bias)
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-3):
        for _ in range(20):
            step = size * rng.normal(size=kernel.shape)
            assert loss(kernel + step, bias + size * rng.normal(size=2)) > least - 1e-9


def test_noise_is_found_out():
    x, labels = clusters((40, 40), noise=200)
    fitted = fit_classifier(x, labels)
    assert 0.25 < fitted.accuracy < 0.75
    assert len(set(fitted.least_sure(5))) == 5


def test_a_lonely_mistake_is_the_least_sure():
    x, labels = clusters((12, 12))
    labels[3] = "class 1"
    assert fit_classifier(x, labels).least_sure(1) == [3]


def test_balance():
    x, labels = clusters((100, 10), noise=6)
    plain, balanced = fit_classifier(x, labels), fit_classifier(x, labels, balanced=True)
    assert balanced.confusion[1, 1] >= plain.confusion[1, 1]
    assert balanced.confusion[:, 1].sum() > plain.confusion[:, 1].sum()


def test_fewer_photographs_than_features_change_nothing():
    # Features that are all zero make more of them than photographs, and tell nothing.
    x, labels = clusters((15, 15), d=8, noise=2)
    narrow = fit_classifier(x, labels)
    wide = fit_classifier(np.concatenate([x, np.zeros((30, 200))], axis=1), labels)
    np.testing.assert_allclose(wide.kernel[:8], narrow.kernel, rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(wide.probabilities, narrow.probabilities, atol=2e-3)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros((3, 4)), ["a", "b"], "n labels"),
        (np.zeros((4, 4)), ["a"] * 4, "two classes at least, got a"),
        (np.zeros((3, 4)), ["a", "a", "b"], "there is one of b"),
        (np.full((4, 2), np.nan), ["a", "a", "b", "b"], "not finite"),
    ],
)
def test_what_cannot_be_fitted(features, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_classifier(features, labels)


def test_features_that_are_all_alike():
    fitted = fit_classifier(np.ones((6, 3)), ["a", "b"] * 3)
    assert np.isfinite(fitted.kernel).all()


def test_a_taught_model(base, examples, tmp_path):
    photos = sorted(examples.glob("*.jpg"))[:4]
    pixels = np.stack([xception.load_image(photo) for photo in photos])
    features = base_features(base, pixels)
    model = taught(base, fit_classifier(features, ["one", "one", "two", "two"]))
    assert model.labels == (("0", "one"), ("1", "two"))
    answers = model.predict(pixels, verbose=0)  # pixels as they are: a warning would be an error
    assert answers.argmax(axis=1).tolist() == [0, 0, 1, 1]
    model.save(tmp_path / "mine.keras")
    (found,) = xception.predict(photos[3], xception.load_model(tmp_path / "mine.keras"), top=1)
    assert found[0].label == "two"
    assert found[0].score == pytest.approx(answers[3, 1], abs=1e-5)


# --- folders --------------------------------------------------------------------------------


def lying_in(*labels):
    return [Photograph(f"{number}.jpg", label) for number, label in enumerate(labels)]


def test_folders_that_are_well():
    assert check_folders(lying_in("a", "a", "b", "b"), ["a", "b"]) == []
    words = check_folders(lying_in("a", "a", "b", "b", "", ""), ["a", "b", "c"])
    assert words == ["no photographs in c", "2 photographs lie in no sub-folder, and are left out"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat", "cat", "Cat", "Cat"], "'Cat' and 'cat'"),
        (["red fox", "red fox", "red_fox", "red_fox"], "differ in spelling only"),
        (["a", "a", "b"], "there is one in b"),
        (["a", "a"], "a folder of its own, with photographs; found a"),
        (["", ""], "found none"),
    ],
)
def test_folders_that_cannot_be_taught(labels, message):
    with pytest.raises(ValueError, match=message):
        check_folders(lying_in(*labels), labels)
