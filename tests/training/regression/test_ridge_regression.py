"""Ridge regression of standardized targets, and its leave-one-out validation."""

import numpy as np
import pytest

from xception.training.regression.ridge_regression import TargetScaling, fit_ridge_regression


def measured_features(n=60, d=8, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 2
    y = (x - 2) @ rng.normal(size=(d, 2)) + noise * rng.normal(size=(n, 2))
    return x, y * [10, 0.01] + [50, 3], ["age", "size"]


def direct_ridge(x, y, l2, scale):
    """Solve the normal equations, with a bias that is not penalized."""
    z, center = (x - x.mean(axis=0)) / scale, y.mean(axis=0)
    kernel = np.linalg.solve(z.T @ z + l2 * np.eye(x.shape[1]), z.T @ (y - center)) / scale
    return kernel, center - x.mean(axis=0) @ kernel


def test_the_kernel_and_bias_solve_the_normal_equations_in_the_targets_own_unit():
    x, y, names = measured_features()
    head = fit_ridge_regression(x, y, names, l2_values=[0.3])
    scale = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    kernel, bias = direct_ridge(x, y, 0.3, scale)
    np.testing.assert_allclose(head.kernel, kernel, rtol=1e-5)
    np.testing.assert_allclose(head.bias, bias, rtol=1e-5)
    assert head.kernel.dtype == np.float32
    assert head.l2 == (0.3, 0.3)


def test_the_figures_are_those_of_leaving_out_each_photograph():
    x, y, names = measured_features(n=20)
    head = fit_ridge_regression(x, y, names, l2_values=[0.3])
    scale = np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    for i in range(len(x)):
        kernel, bias = direct_ridge(np.delete(x, i, 0), np.delete(y, i, 0), 0.3, scale)
        np.testing.assert_allclose(head.predicted[i], x[i] @ kernel + bias, rtol=1e-6)
    assert head.mae == pytest.approx(np.abs(head.predicted - y).mean(axis=0))
    assert head.median_mae == pytest.approx(np.abs(np.median(y, axis=0) - y).mean(axis=0))
    assert head.mae[0] < head.median_mae[0] / 3


def test_more_features_than_photographs_of_which_most_are_noise():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(50, 200)), 5 * rng.normal(size=(50, 1))], axis=1)
    y = x[:, -1:] * 2 + 40
    head = fit_ridge_regression(x, y, ["age"])
    assert head.mae[0] < 0.9 * head.median_mae[0]
    np.testing.assert_allclose(x @ head.kernel + head.bias, y, atol=8)


def test_noise_is_answered_with_about_the_mean():
    x, y, names = measured_features(noise=1000)
    head = fit_ridge_regression(x, y, names)
    assert 0.8 < head.mae[0] / head.median_mae[0] < 1.2


def test_standardization_is_folded_and_unfolded():
    y = np.array([[10.0], [20], [60]])
    scaling = TargetScaling.of(y, ["age"])
    standard = scaling.standardize(y)
    assert standard.mean() == pytest.approx(0)
    assert standard.std() == pytest.approx(1)
    kernel, bias = np.array([[2.0]]), np.array([0.5])
    folded = scaling.fold(kernel, bias)
    x = np.array([[1.0], [3]])
    np.testing.assert_allclose(scaling.standardize(x @ folded[0] + folded[1]), x @ kernel + bias)
    np.testing.assert_allclose(scaling.unfold(*folded)[0], kernel)
    np.testing.assert_allclose(scaling.unfold(*folded)[1], bias)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[5], [5], [5], [5]], "the target 'age' is 5 for every photograph"),
        ([[0.1], [0.1], [0.1], [0.1]], "the target 'age' is 0.1 for every photograph"),
        ([[0], [1], [2], [np.inf]], "targets must be finite"),
        ([0, 1, 2, 3], r"targets \(n, 1\), got \(4, 1\) and \(4,\)"),
    ],
)
def test_wrong_targets_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        fit_ridge_regression([[0.0], [1], [2], [3]], y, ["age"])


def test_two_photographs_are_too_few():
    with pytest.raises(ValueError, match="at least 3 photographs, got 2"):
        fit_ridge_regression([[0.0], [1]], [[1], [2]], ["age"])
