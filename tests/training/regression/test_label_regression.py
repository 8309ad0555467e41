"""Logistic regression for several labels at once, and its cross-validation."""

import time

import numpy as np
import pytest
from scipy.optimize import minimize

from xception.kernels import sigmoid
from xception.prediction.rates import rank_auc
from xception.training.regression.label_regression import L2_VALUES, fit_label_regression
from xception.training.regression.softmax_regression import stratified_folds


def labelled_features(n=80, d=12, c=3, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 3
    logits = (x - 3) @ rng.normal(size=(d, c)) + noise * rng.normal(size=(n, c))
    return x, (logits > 0.5).astype(int), [f"label {i}" for i in range(c)]


def test_labels_are_learned_and_any_number_of_them_is_right():
    x, y, names = labelled_features(n=200, noise=0.1)
    head = fit_label_regression(x, y, names)
    assert head.kernel.shape == (12, 3)
    assert head.kernel.dtype == np.float32
    assert head.bias.shape == (3,)
    scores = sigmoid(x @ head.kernel + head.bias)
    assert ((scores > 0.5) == y).mean() > 0.98
    assert set(y.sum(axis=1)) >= {0, 1, 2}
    assert min(head.auc) > 0.95
    assert len(head.auc) == 3


def test_each_label_is_a_logistic_regression_of_its_own():
    """The labels are solved together; each must get what it gets alone."""
    x, y, names = labelled_features()
    together = fit_label_regression(x, y, names)
    for label, name in enumerate(names):
        alone = fit_label_regression(x, y[:, [label]], [name])
        assert alone.l2[0] == together.l2[label]
        np.testing.assert_allclose(alone.kernel[:, 0], together.kernel[:, label], rtol=0.02, atol=0.02)
        np.testing.assert_allclose(alone.probabilities[:, 0], together.probabilities[:, label], atol=0.01)


def test_the_solution_minimizes_the_penalized_loss():
    x, y, names = labelled_features(n=70, d=5)
    l2, weight = 0.01, 2.0
    head = fit_label_regression(x, y, names, l2_values=[l2], positive_weights=[weight] * 3)
    scale = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())

    def loss(kernel, bias):
        p = sigmoid(x @ kernel + bias)
        own = np.where(y == 1, weight * np.log(p), np.log(1 - p))
        return -own.mean(axis=0).sum() + 0.5 * l2 / len(x) * ((kernel * scale) ** 2).sum()

    kernel, bias = head.kernel.astype(float), head.bias.astype(float)
    least = loss(kernel, bias)
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-3):
        for _ in range(20):
            step = size * rng.normal(size=kernel.shape)
            assert loss(kernel + step, bias + size * rng.normal(size=3)) > least - 1e-8


def test_a_rare_label_has_fewer_folds_and_both_kinds_in_each():
    x, y, names = labelled_features(n=90)
    y[:, 1] = 0
    y[:3, 1] = 1
    head = fit_label_regression(x, y, names)
    assert head.folds == (5, 3, 5)
    assert np.isfinite(head.probabilities).all()
    assert np.isfinite(head.bias).all()


def test_few_photographs_of_noise_have_a_chance_figure_too():
    """Leave-one-out would give an AUC far below one half."""
    x, y, names = labelled_features(n=40, noise=1000)
    head = fit_label_regression(x, y, names)
    assert head.folds == (5, 5, 5)
    assert 0.3 < head.mean_auc < 0.7


def test_noise_has_chance_figures():
    x, y, names = labelled_features(n=120, noise=1000)
    assert 0.3 < fit_label_regression(x, y, names).mean_auc < 0.7


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([[0], [1], [2], [1]], {}, "labels must be 0 or 1, got 2"),
        ([[0], [0], [0], [1]], {}, r"too few have, or lack, dark \(1 of 4\)"),
        ([[1], [1], [1], [0]], {}, r"too few have, or lack, dark \(3 of 4\)"),
        ([[0], [1]], {}, r"features \(n, d\) and labels \(n, 1\), got \(4, 1\) and \(2, 1\)"),
        ([[0], [1], [0], [np.nan]], {}, "labels must be finite"),
        ([[0], [1], [0], [1]], {"positive_weights": [0]}, "expected 1 positive weights"),
    ],
)
def test_wrong_labels_are_refused(y, options, message):
    with pytest.raises(ValueError, match=message):
        fit_label_regression([[0.0], [1], [2], [3]], y, ["dark"], **options)


# --- against SciPy's L-BFGS, label by label, fold by fold ------------------------------------------


def reference(x, y, weights, l2):
    """Minimize the loss of one label with SciPy: a kernel (d,) and a bias."""
    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).sum(axis=1).mean())
    z = (x - mean) / scale

    def loss(w):
        logits = z @ w[:-1] + w[-1]
        residual = weights * (sigmoid(logits) - y) / len(z)
        value = (weights * (np.logaddexp(0, logits) - y * logits)).mean()
        gradient = np.append(z.T @ residual + l2 / len(z) * w[:-1], residual.sum())
        return value + 0.5 * l2 / len(z) * (w[:-1] ** 2).sum(), gradient

    options = {"maxiter": 20_000, "maxfun": 50_000, "gtol": 1e-10, "ftol": 1e-15, "maxcor": 50}
    w = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x
    return w[:-1] / scale, w[-1] - mean @ w[:-1] / scale


@pytest.mark.parametrize(("n", "d"), [(90, 20), (40, 60)])
@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_heads_are_those_of_scipy(n, d, l2):
    x, y, names = labelled_features(n=n, d=d)
    head = fit_label_regression(x, y, names, l2_values=[l2], positive_weights=[1.0, 2.0, 0.5])
    for label, weight in enumerate((1.0, 2.0, 0.5)):
        kernel, bias = reference(x, y[:, label], np.where(y[:, label] == 1, weight, 1.0), l2)
        size = np.abs(kernel).max()
        np.testing.assert_allclose(head.kernel[:, label], kernel, atol=1e-4 * size)
        assert head.bias[label] == pytest.approx(bias, rel=1e-4, abs=1e-4 * size)


def test_cross_validation_is_that_of_scipy():
    x, y, names = labelled_features(n=90, d=20, c=2)
    x *= np.geomspace(1, 0.01, 20)  # features of unequal size, as those of a network
    head = fit_label_regression(x, y, names)
    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).sum(axis=1).mean())
    z = (x - mean) / scale  # of all rows, as the folds share it
    for label in range(2):
        column, losses, probabilities = y[:, label], {}, {}
        masks = list(stratified_folds(column, np.bincount(column), 0, 0))
        for l2 in L2_VALUES:
            p = np.empty(len(x))
            for mask in masks:
                kernel, bias = reference_on_rows(z, column, ~mask, l2)
                p[mask] = sigmoid(z[mask] @ kernel + bias)
            probabilities[l2] = p
            losses[l2] = -np.log(np.where(column == 1, p, 1 - p)).mean()
        best = min(losses, key=losses.get)
        assert head.l2[label] == best
        np.testing.assert_allclose(head.probabilities[:, label], probabilities[best], atol=5e-3)
        assert head.auc[label] == pytest.approx(rank_auc(probabilities[best], column == 1), abs=2e-3)


def reference_on_rows(z, y, rows, l2):
    """Minimize the loss of some rows, the mean of which is taken over all of them."""

    def loss(w):
        logits = z[rows] @ w[:-1] + w[-1]
        residual = (sigmoid(logits) - y[rows]) / len(z)
        value = (np.logaddexp(0, logits) - y[rows] * logits).sum() / len(z)
        gradient = np.append(z[rows].T @ residual + l2 / len(z) * w[:-1], residual.sum())
        return value + 0.5 * l2 / len(z) * (w[:-1] ** 2).sum(), gradient

    options = {"maxiter": 20_000, "maxfun": 50_000, "gtol": 1e-10, "ftol": 1e-15, "maxcor": 50}
    w = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x
    return w[:-1], w[-1]


def test_a_thousand_photographs_with_ten_labels_take_seconds():
    """It was 10 to 20 s, and grew with the square: CPU time, as other processes may run."""
    rng = np.random.default_rng(0)
    x = np.maximum(0, rng.normal(size=(1000, 40)) @ rng.normal(size=(40, 512)))
    y = (x @ rng.normal(size=(512, 10)) / 50 + rng.normal(size=(1000, 10)) > 0).astype(int)
    begun = time.process_time()
    head = fit_label_regression(x, y, [str(i) for i in range(10)])
    assert time.process_time() - begun < 5
    assert head.mean_auc > 0.6
