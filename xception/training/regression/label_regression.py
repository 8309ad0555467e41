"""Label regression: logistic regression for several labels at once, with L2 penalties by cross-validation.

It is the counterpart of `softmax_regression` for the task "labels".
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ...kernels import Array, sigmoid
from ...prediction.rates import rank_auc
from .feature_arrays import center_and_scale, check_arrays
from .softmax_regression import (
    MAX_ITERATIONS,
    MIN_PROBABILITY,
    import_minimize,
    reduce_features,
    stratified_folds,
)

#: L2 penalties to choose from, weak to strong. They are relative to features of mean squared length 1. Labels
#: are noisier than classes, and want stronger ones.
L2_VALUES = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)
TOLERANCE = 1e-12  #: of the solver, relative to the loss
FOLD_TOLERANCE = 1e-7  #: in cross-validation, which only compares penalties, and reports three digits
#: Photographs that a label needs with it, and without it: one of them may be left out for cross-validation.
MIN_OF_EACH_KIND = 2


@dataclass(frozen=True, eq=False)
class LabelRegression:
    """A fitted sigmoid for each of c labels on d features, and its cross-validation on n photographs.

    Attributes:
        kernel: (d, c) float32.
        bias: (c,) float32.
        label_names: (c,) the names of the labels.
        l2: (c,) the L2 penalty that was chosen for each label.
        folds: (c,) the number of stratified folds for each label.
        probabilities: (n, c) of each photograph, by a head that was fitted without its fold.
        labels: (n, c) whether each photograph has each label.
    """

    kernel: Array
    bias: Array
    label_names: tuple[str, ...]
    l2: tuple[float, ...]
    folds: tuple[int, ...]
    probabilities: Array
    labels: NDArray[np.bool_]

    def __repr__(self) -> str:
        count, labels = self.labels.shape
        return (
            f"<LabelRegression: {labels} labels, cross-validated mean AUC {self.mean_auc:.3f} on {count} "
            "photographs>"
        )

    @property
    def auc(self) -> tuple[float, ...]:
        """(c,) the area under the ROC curve of each label, by cross-validation."""
        areas = map(rank_auc, self.probabilities.T, self.labels.T)
        return tuple(area for area in areas if area is not None)  # each label has photographs of both kinds

    @property
    def mean_auc(self) -> float:
        """The mean area under the ROC curve of the labels, by cross-validation."""
        return float(np.mean(self.auc))


def fit_label_regression(
    features: ArrayLike,
    labels: ArrayLike,
    label_names: Sequence[str],
    *,
    positive_weights: ArrayLike | None = None,
    l2_values: Sequence[float] = L2_VALUES,
    seed: int = 0,
) -> LabelRegression:
    """Fit a logistic regression for each label.

    The loss of a label is its mean binary cross-entropy plus l2 / (2n) · Σ kernel², where features are
    scaled to a mean squared length of 1. The bias is not penalized. Each label has folds of its own, so that
    all of them have photographs with and without it.

    Args:
        features: (n, d).
        labels: (n, c) 0 or 1: whether each photograph has each label.
        label_names: (c,) the names of the labels.
        positive_weights: (c,) how much a photograph with the label weighs, relative to one without; 1 each by
            default.
        l2_values: Penalties to choose from: for each label the one with the lowest cross-validated loss is
            taken.
        seed: Decides which rows are in which fold.

    Returns:
        The head and its cross-validation.

    Raises:
        ValueError: The shapes do not agree, features are not finite, labels are not 0 or 1, weights are not
            positive, or a label has fewer than two photographs with it, or without it.
        MissingPackageError: SciPy is not installed.

    Examples:
        >>> labels = [[0, 1], [0, 0], [1, 1], [1, 0]]
        >>> head = fit_label_regression([[0.0, 9], [0.1, 1], [0.9, 9], [1.0, 1]], labels, ["dark", "round"])
        >>> head.auc
        (1.0, 1.0)
    """
    x, y = check_arrays(features, labels, label_names, "labels")
    _check_labels(y, label_names)
    weights = np.where(y == 1, _check_weights(positive_weights, len(label_names)), 1.0)  # (n, c)
    mean, scale = center_and_scale(x)
    with threadpool_limits(1, "blas"):  # these products are too narrow to gain from threads
        z, basis = reduce_features((x - mean) / scale)  # (n, r), (r, d)
        fold_of_row, folds = _folds_by_label(y, seed)  # (n, c), (c,)
        best, chosen = _choose_penalties(z, y, weights, fold_of_row, l2_values)
        solution, converged = _solve_labels(z, y, weights, best, None, TOLERANCE)
    if not converged:
        warnings.warn(f"label regression did not converge in {MAX_ITERATIONS} iterations", stacklevel=2)
    kernel = basis.T @ solution[:-1] / scale  # (d, c)
    bias = solution[-1] - mean @ kernel
    return LabelRegression(
        kernel.astype(np.float32), bias.astype(np.float32), tuple(label_names), tuple(best.tolist()),
        tuple(folds), chosen, y == 1,
    )  # fmt: skip


def _check_labels(y: Array, names: Sequence[str]) -> None:
    wrong = y[(y != 0) & (y != 1)]
    if wrong.size:
        raise ValueError(f"labels must be 0 or 1, got {wrong[0]:g}")
    few = [
        f"{name} ({int(count)} of {len(y)})"
        for name, count in zip(names, y.sum(axis=0), strict=True)
        if min(count, len(y) - count) < MIN_OF_EACH_KIND
    ]
    if few:
        raise ValueError(
            f"every label needs at least {MIN_OF_EACH_KIND} photographs with it and {MIN_OF_EACH_KIND} "
            f"without it; too few have, or lack, {', '.join(few)}. Add some, or leave the label out"
        )


def _check_weights(weights: ArrayLike | None, count: int) -> Array:
    checked = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if checked.shape != (count,) or not (np.isfinite(checked) & (checked > 0)).all():
        raise ValueError(f"expected {count} positive weights, one for each label, got {checked}")
    return checked


def _folds_by_label(y: Array, seed: int) -> tuple[NDArray[np.intp], list[int]]:
    """Return (n, c) the fold of each row for each label, and (c,) the number of folds."""
    fold_of_row, folds = np.empty(y.shape, np.intp), []
    for label, column in enumerate(y.T.astype(int)):
        # Not leave-one-out: it shifts each row's score away from its label, and the AUC with it.
        masks = list(stratified_folds(column, np.bincount(column, minlength=2), seed, 0))
        for fold, mask in enumerate(masks):
            fold_of_row[mask, label] = fold
        folds.append(len(masks))
    return fold_of_row, folds


def _choose_penalties(
    z: Array, y: Array, weights: Array, fold_of_row: NDArray[np.intp], l2_values: Sequence[float]
) -> tuple[Array, Array]:
    """Return (c,) the penalty of each label with the lowest cross-validated loss, and (n, c) its outputs.

    Penalties are tried from strong to weak, each from the solution of the one before, until the loss of no
    label improves: the weakest take most of the time, and seldom help.
    """
    solutions: list[Array | None] = [None] * (int(fold_of_row.max()) + 1)
    best, least = np.empty(y.shape[1]), np.full(y.shape[1], np.inf)
    chosen = np.empty_like(y)
    for l2 in sorted(l2_values, reverse=True):
        penalties, probabilities = np.full(y.shape[1], l2), np.empty_like(y)
        for fold, start in enumerate(solutions):
            left_out = fold_of_row == fold  # (n, c); nothing of a label with fewer folds
            kept = np.where(left_out, 0, weights)
            solution, _ = _solve_labels(z, y, kept, penalties, start, FOLD_TOLERANCE)
            probabilities[left_out] = sigmoid(z @ solution[:-1] + solution[-1])[left_out]
            solutions[fold] = solution
        losses = _cross_entropy(probabilities, y, weights)
        better = losses < least
        best[better], least[better] = l2, losses[better]
        chosen[:, better] = probabilities[:, better]
        if not better.any():
            break
    return best, chosen


def _cross_entropy(probabilities: Array, y: Array, weights: Array) -> Array:
    """Return (c,) the mean binary cross-entropy of each label."""
    own = np.where(y == 1, probabilities, 1 - probabilities)
    mean: Array = -(weights * np.log(np.maximum(own, MIN_PROBABILITY))).mean(axis=0)
    return mean


def _solve_labels(
    x: Array, y: Array, weights: Array, l2: Array, start: Array | None, tolerance: float
) -> tuple[Array, bool]:
    """Minimize the penalized losses of all labels together with L-BFGS.

    Args:
        x: (n, d).
        y: (n, c) 0 or 1.
        weights: (n, c) weights of the rows; 0 for those that are left out.
        l2: (c,) the penalties.
        start: A solution to begin at; zeros by default.
        tolerance: Relative decrease of the loss in an iteration below which the solver stops.

    Returns:
        (d + 1, c): the kernels, and the biases in the last row; and whether the solver converged.
    """
    minimize = import_minimize()
    (n, d), c = x.shape, y.shape[1]
    share = weights / n

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(d + 1, c)
        logits = x @ w[:-1] + w[-1]  # (n, c)
        loss = (share * (np.logaddexp(0, logits) - y * logits)).sum() + 0.5 / n * (l2 * w[:-1] ** 2).sum()
        residual = share * (sigmoid(logits) - y)  # (n, c)
        gradient = np.empty_like(w)
        gradient[:-1] = x.T @ residual + l2 / n * w[:-1]
        gradient[-1] = residual.sum(axis=0)
        return float(loss), gradient.ravel()

    result = minimize(
        loss_and_gradient, np.zeros((d + 1) * c) if start is None else start.ravel(),
        jac=True, method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS, "gtol": 1e-8, "ftol": tolerance},
    )  # fmt: skip
    return np.asarray(result.x).reshape(d + 1, c), bool(result.nit < MAX_ITERATIONS)
