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
from .logistic_newton import MAX_NEWTON_STEPS, Regressions, solve_regressions
from .softmax_regression import MIN_PROBABILITY, stratified_folds

#: L2 penalties to choose from, weak to strong. They are relative to features of mean squared length 1. Labels
#: are noisier than classes, and want stronger ones.
L2_VALUES = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)
TOLERANCE = 1e-10  #: of the solver, relative to the loss
FOLD_TOLERANCE = 1e-5  #: in cross-validation, which only compares penalties, and reports three digits
#: Regressions that are solved together, folds times labels. With more, products take as long for each.
MAX_COLUMNS = 60
#: Principal axes along which features vary less than this, relative to the first, are rounding errors.
MIN_VARIANCE = 1e-10
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
        z, basis = principal_axes((x - mean) / scale)  # (n, r), (r, d)
        fold_of_row, folds = _folds_by_label(y, seed)  # (n, c), (c,)
        best, chosen = _choose_penalties(z, y, weights, fold_of_row, l2_values)
        start = np.zeros((z.shape[1] + 1, y.shape[1]))
        solution, converged = solve_regressions(
            Regressions(z, y, weights / len(z), best / len(z)), start, TOLERANCE
        )
    if not converged:
        warnings.warn(f"label regression did not converge in {MAX_NEWTON_STEPS} steps", stacklevel=2)
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


def principal_axes(z: Array) -> tuple[Array, Array]:
    """Return (u, v) with z = u·v, where the columns of u (n, r) are orthogonal and the rows of v orthonormal.

    The lengths of kernels do not change with the basis, nor do penalties. With fewer rows than features, the
    optimal kernels lie in the span of the rows. The basis comes from the smaller one of the Gram matrices
    z·zᵀ and zᵀ·z, which costs less than an SVD of z.

    Args:
        z: (n, d) centered features.
    """
    is_wide = len(z) < z.shape[1]
    values, vectors = np.linalg.eigh(z @ z.T if is_wide else z.T @ z)  # ascending
    keep = values > MIN_VARIANCE * max(values[-1], 1e-300)
    vectors = vectors[:, keep]
    if not is_wide:
        return z @ vectors, np.ascontiguousarray(vectors.T)
    lengths = np.sqrt(values[keep])
    return vectors * lengths, (vectors.T @ z) / lengths[:, np.newaxis]


def _choose_penalties(
    z: Array, y: Array, weights: Array, fold_of_row: NDArray[np.intp], l2_values: Sequence[float]
) -> tuple[Array, Array]:
    """Return (c,) the penalty of each label with the lowest cross-validated loss, and (n, c) its outputs."""
    folds = int(fold_of_row.max()) + 1
    best, chosen = np.empty(y.shape[1]), np.empty_like(y)
    together = max(1, MAX_COLUMNS // folds)
    for first in range(0, y.shape[1], together):
        part = slice(first, first + together)
        best[part], chosen[:, part] = _choose_together(
            z, y[:, part], weights[:, part], fold_of_row[:, part], folds, l2_values
        )
    return best, chosen


def _choose_together(
    z: Array, y: Array, weights: Array, fold_of_row: NDArray[np.intp], folds: int, l2_values: Sequence[float]
) -> tuple[Array, Array]:
    """Do what `_choose_penalties` does, for a few labels.

    Penalties are tried from strong to weak, each from the solution of the one before, until the loss of the
    label does not improve: the weakest take most of the time, and seldom help.
    """
    count = y.shape[1]
    best, least = np.empty(count), np.full(count, np.inf)
    chosen, solutions = np.empty_like(y), np.zeros((folds, z.shape[1] + 1, count))
    labels = np.arange(count)  # those that are still improving
    for l2 in sorted(l2_values, reverse=True):
        left_out = fold_of_row[:, labels] == np.arange(folds)[:, np.newaxis, np.newaxis]  # (folds, n, labels)
        share = np.where(left_out, 0, weights[:, labels] / len(z))
        columns = folds * len(labels)
        problem = Regressions(
            z, np.tile(y[:, labels], folds), np.hstack(list(share)), np.full(columns, l2 / len(z))
        )
        solution, _ = solve_regressions(problem, np.hstack(list(solutions)), FOLD_TOLERANCE)
        probabilities = np.empty((len(z), len(labels)))
        for mask, p in zip(left_out, np.hsplit(sigmoid(problem.logits(solution)), folds), strict=True):
            probabilities[mask] = p[mask]
        losses = _cross_entropy(probabilities, y[:, labels], weights[:, labels])
        better = losses < least[labels]
        improved = labels[better]
        best[improved], least[improved] = l2, losses[better]
        chosen[:, improved] = probabilities[:, better]
        labels = improved
        if not len(labels):
            break
        solutions = np.stack(np.hsplit(solution, folds))[:, :, better]
    return best, chosen


def _cross_entropy(probabilities: Array, y: Array, weights: Array) -> Array:
    """Return (c,) the mean binary cross-entropy of each label."""
    own = np.where(y == 1, probabilities, 1 - probabilities)
    mean: Array = -(weights * np.log(np.maximum(own, MIN_PROBABILITY))).mean(axis=0)
    return mean
