"""Softmax regression on features, and its cross-validation."""

import numpy as np
import pytest

from xception.kernels import softmax
from xception.training.regression.softmax_regression import fit_softmax_regression


def clusters(counts, d=40, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(len(counts), d))
    truth = np.repeat(np.arange(len(counts)), counts)
    x = centers[truth] + noise * rng.normal(size=(len(truth), d)) + 3
    return x, [f"class {i}" for i in truth]


@pytest.mark.parametrize("counts", [(8, 9, 7), (60, 70, 80)])
def test_clusters_are_separated(counts):
    x, labels = clusters(counts)
    regression = fit_softmax_regression(x, labels)
    assert regression.accuracy == 1
    assert regression.class_names == ("class 0", "class 1", "class 2")
    assert regression.folds == (24 if sum(counts) < 60 else 5)
    np.testing.assert_array_equal(regression.confusion, np.diag(counts))
    p = softmax(x @ regression.kernel + regression.bias)
    assert [regression.class_names[i] for i in p.argmax(axis=1)] == labels


def test_the_solution_minimizes_the_penalized_loss():
    x, labels = clusters((20, 30), d=5, noise=2)
    l2 = 0.01
    regression = fit_softmax_regression(x, labels, l2_values=[l2])
    scale = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())

    def loss(kernel, bias):
        p = softmax(x @ kernel + bias)
        own = np.log(p[np.arange(len(x)), [int(label[-1]) for label in labels]])
        return -own.mean() + 0.5 * l2 / len(x) * ((kernel * scale) ** 2).sum()

    kernel, bias = regression.kernel.astype(float), regression.bias.astype(float)
    least = loss(kernel, bias)
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-3):
        for _ in range(20):
            step = size * rng.normal(size=kernel.shape)
            assert loss(kernel + step, bias + size * rng.normal(size=2)) > least - 1e-9


def test_noise_has_chance_accuracy():
    x, labels = clusters((40, 40), noise=200)
    regression = fit_softmax_regression(x, labels)
    assert 0.25 < regression.accuracy < 0.75
    assert len(set(regression.least_sure(5))) == 5


def test_a_single_mislabeled_photograph_is_the_least_sure():
    x, labels = clusters((12, 12))
    labels[3] = "class 1"
    assert fit_softmax_regression(x, labels).least_sure(1) == [3]


def test_balance():
    x, labels = clusters((100, 10), noise=6)
    plain, balanced = fit_softmax_regression(x, labels), fit_softmax_regression(x, labels, balanced=True)
    assert balanced.confusion[1, 1] >= plain.confusion[1, 1]
    assert balanced.confusion[:, 1].sum() > plain.confusion[:, 1].sum()


def test_fewer_photographs_than_features_change_nothing():
    # With 200 constant features there are more features than photographs, and no more information.
    x, labels = clusters((15, 15), d=8, noise=2)
    narrow = fit_softmax_regression(x, labels)
    wide = fit_softmax_regression(np.concatenate([x, np.zeros((30, 200))], axis=1), labels)
    np.testing.assert_allclose(wide.kernel[:8], narrow.kernel, rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(wide.probabilities, narrow.probabilities, atol=2e-3)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros((3, 4)), ["a", "b"], "n labels"),
        (np.zeros((4, 4)), ["a"] * 4, "at least two classes, got one class: a"),
        (np.zeros((3, 4)), ["a", "a", "b"], "there is one of b"),
        (np.full((4, 2), np.nan), ["a", "a", "b", "b"], "must be finite"),
    ],
)
def test_what_cannot_be_regression(features, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_softmax_regression(features, labels)


def test_features_that_are_all_equal():
    regression = fit_softmax_regression(np.ones((6, 3)), ["a", "b"] * 3)
    assert np.isfinite(regression.kernel).all()


def test_predictions_are_parallel_to_labels():
    x, labels = clusters((12, 12))
    regression = fit_softmax_regression(x, labels)
    assert regression.labels.tolist() == [0] * 12 + [1] * 12
    np.testing.assert_array_equal(regression.predicted, regression.labels)
    assert regression.l2 in (1e-8, 1e-6, 1e-4, 1e-2)
    assert repr(regression).startswith("<SoftmaxRegression: 2 classes, cross-validated accuracy 1.000 on 24")


def test_the_same_seed_gives_the_same_folds():
    x, labels = clusters((40, 40), noise=20)
    first, second = (fit_softmax_regression(x, labels, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    other = fit_softmax_regression(x, labels, seed=4)
    assert not np.array_equal(first.probabilities, other.probabilities)
