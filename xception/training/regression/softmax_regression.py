"""Softmax regression: multinomial logistic regression with an L2 penalty, chosen by cross-validation.

The solver works on features that are centered and divided by one common number. They are not
standardized one by one, since how much each varies is information. The result is converted back, so that
it takes features as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ...errors import requires
from ...kernels import Array, softmax
from ...prediction.report import count_confusions
from .feature_arrays import center_and_scale

Indices = NDArray[np.signedinteger]

#: L2 penalties to choose from, weak to strong. They are relative to features of mean squared length 1.
L2_VALUES = (1e-8, 1e-6, 1e-4, 1e-2)
FOLDS = 5
#: Up to so many photographs each is a fold of its own: five folds of so few give no stable estimate.
MAX_LEAVE_ONE_OUT_PHOTOGRAPHS = 60
MAX_ITERATIONS = 2000  #: of the solver; usually it needs fewer than 200
MIN_PROBABILITY = 1e-12  #: below it the loss of a single photograph would decide the choice of L2


@dataclass(frozen=True, eq=False)
class SoftmaxRegression:
    """A fitted classifier of d features and c classes, and its cross-validation on n photographs.

    Attributes:
        kernel: (d, c) float32.
        bias: (c,) float32.
        class_names: (c,) the names of the classes, sorted.
        l2: The L2 penalty that was chosen.
        folds: The number of folds; n for leave-one-out.
        probabilities: (n, c) of each photograph, by a classifier that was fitted without its fold.
        labels: (n,) the index of each photograph's class.
    """

    kernel: Array
    bias: Array
    class_names: tuple[str, ...]
    l2: float
    folds: int
    probabilities: Array
    labels: Indices

    def __repr__(self) -> str:
        return (
            f"<SoftmaxRegression: {len(self.class_names)} classes, cross-validated accuracy "
            f"{self.accuracy:.3f} on {len(self.labels)} photographs>"
        )

    @property
    def predicted(self) -> Indices:
        """(n,) the index of the most probable class of each photograph, by cross-validation."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """The share of photographs that cross-validation got right, 0…1."""
        return float((self.predicted == self.labels).mean())

    @property
    def confusion(self) -> Indices:
        """(c, c) how many photographs of the row's class were taken for the column's."""
        return count_confusions(self.labels, self.predicted, len(self.class_names))

    def least_sure(self, count: int = 5) -> list[int]:
        """Return the `count` photographs whose own class got the lowest probability, lowest first."""
        own = self.probabilities[np.arange(len(self.labels)), self.labels]
        return [int(i) for i in np.argsort(own, kind="stable")[:count]]


def import_minimize() -> Callable[..., Any]:
    """Return SciPy's optimizer.

    Raises:
        MissingPackageError: SciPy is not installed.
    """
    with requires("fitting a classifier", "scipy"):
        from scipy.optimize import minimize
    return minimize


def fit_softmax_regression(
    features: ArrayLike,
    labels: Sequence[str],
    *,
    balanced: bool = False,
    l2_values: Sequence[float] = L2_VALUES,
    seed: int = 0,
) -> SoftmaxRegression:
    """Fit a softmax classifier to features.

    The loss is the mean cross-entropy plus l2 / (2n) · Σ kernel², where features are scaled to a mean
    squared length of 1. The bias is not penalized.

    Args:
        features: (n, d).
        labels: (n,) the name of each row's class.
        balanced: Whether each class weighs the same, however many rows it has.
        l2_values: Penalties to choose from: the one with the lowest cross-validated loss is taken.
        seed: Decides which rows are in which fold.

    Returns:
        The classifier and its cross-validation.

    Raises:
        ValueError: The shapes do not agree, features are not finite, or there are fewer than two
            classes or fewer than two rows of a class.
        MissingPackageError: SciPy is not installed.

    Examples:
        >>> regression = fit_softmax_regression([[0.0], [0.1], [0.9], [1.0]], ["low", "low", "high", "high"])
        >>> regression.class_names, regression.accuracy
        (('high', 'low'), 1.0)
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or len(x) != len(labels):
        raise ValueError(f"expected features (n, d) and n labels, got {x.shape} and {len(labels)} labels")
    if not np.isfinite(x).all():
        raise ValueError("features must be finite, got NaN or infinity")
    names, truth, counts = np.unique(np.asarray(labels, str), return_inverse=True, return_counts=True)
    check_counts(names, counts)
    weights = len(x) / (len(names) * counts[truth]) if balanced else np.ones(len(x))

    mean, scale = center_and_scale(x)
    with threadpool_limits(1, "blas"):  # these products are too narrow to gain from threads
        z, basis = reduce_features((x - mean) / scale)  # (n, r), (r, d)
        folds = list(stratified_folds(truth, counts, seed))
        probabilities = {l2: np.empty((len(x), len(names))) for l2 in l2_values}
        for fold in folds:
            solution = None
            # Warm start: each penalty begins at the solution of the next stronger one.
            for l2 in sorted(l2_values, reverse=True):
                solution = _solve(z[~fold], truth[~fold], weights[~fold], len(names), l2, solution)
                probabilities[l2][fold] = softmax(z[fold] @ solution[:-1] + solution[-1])
        losses = {l2: _cross_entropy(p, truth, weights) for l2, p in probabilities.items()}
        best = min(losses, key=lambda l2: losses[l2])
        solution = _solve(z, truth, weights, len(names), best, None)
    kernel = basis.T @ solution[:-1] / scale  # (d, c)
    bias = solution[-1] - mean @ kernel
    return SoftmaxRegression(
        kernel.astype(np.float32), bias.astype(np.float32), tuple(map(str, names)), best, len(folds),
        probabilities[best], truth,
    )  # fmt: skip


def check_counts(class_names: Sequence[str] | NDArray[np.str_], counts: Sequence[int] | Indices) -> None:
    """Check that there are at least two classes, and two photographs of each.

    Args:
        class_names: (c,) the names of the classes.
        counts: (c,) how many photographs each has.

    Raises:
        ValueError: There are fewer.
    """
    if len(class_names) < 2:
        listed = f"one class: {class_names[0]}" if len(class_names) else "none"
        raise ValueError(f"a classifier needs at least two classes, got {listed}")
    single = [str(name) for name, count in zip(class_names, counts, strict=True) if count < 2]
    if single:
        raise ValueError(
            f"every class needs at least two photographs; there is one of {', '.join(single)}. Add some, or "
            "leave the class out"
        )


def _cross_entropy(probabilities: Array, truth: Indices, weights: Array) -> float:
    own = probabilities[np.arange(len(truth)), truth]
    return float(-(weights * np.log(np.maximum(own, MIN_PROBABILITY))).mean())


def reduce_features(z: Array) -> tuple[Array, Array]:
    """Return (u, v) with z = u·v, where the rows of v (r, d) are orthonormal and r ≤ n.

    With fewer rows than features the optimal kernel lies in the span of the rows (the representer
    theorem, as in the kernel trick), and its length does not change with the basis. So the problem is
    solved in r instead of d dimensions. The basis comes from the eigendecomposition of the Gram matrix
    z·zᵀ (n, n), which costs less than an SVD of z.
    """
    if len(z) >= z.shape[1]:
        return z, np.eye(z.shape[1])
    values, vectors = np.linalg.eigh(z @ z.T)  # (n,) ascending, (n, n)
    keep = values > 1e-10 * max(values[-1], 1e-300)  # beyond the rank, directions are rounding errors
    lengths = np.sqrt(values[keep])
    return vectors[:, keep] * lengths, (vectors[:, keep].T @ z) / lengths[:, np.newaxis]


def stratified_folds(
    truth: Indices, counts: Indices, seed: int, max_leave_one_out: int = MAX_LEAVE_ONE_OUT_PHOTOGRAPHS
) -> Iterator[NDArray[np.bool_]]:
    """Yield a mask (n,) of the rows that each fold leaves out: stratified folds, or leave-one-out.

    Args:
        truth: (n,) class indices.
        counts: (c,) how many rows each class has.
        seed: Decides which rows are in which fold.
        max_leave_one_out: Up to so many rows each is a fold of its own.
    """
    if len(truth) <= max_leave_one_out:
        yield from np.eye(len(truth), dtype=bool)
        return
    folds = max(2, min(FOLDS, counts.min()))  # every fold has some of every class
    rng = np.random.default_rng(seed)
    fold_of_row = np.empty(len(truth), int)
    offset = 0  # goes on from class to class, so that the folds are of equal size
    for label in range(len(counts)):
        members = rng.permutation(np.flatnonzero(truth == label))
        fold_of_row[members] = (np.arange(len(members)) + offset) % folds
        offset += len(members)
    for fold in range(folds):
        yield fold_of_row == fold


def _solve(x: Array, truth: Indices, weights: Array, classes: int, l2: float, start: Array | None) -> Array:
    """Minimize the penalized loss of a softmax classifier with L-BFGS.

    Args:
        x: (n, d).
        truth: (n,) class indices.
        weights: (n,) weights of the rows.
        classes: The number of classes, c.
        l2: The penalty.
        start: A solution to begin at; zeros by default.

    Returns:
        (d + 1, c): the kernel, and the bias in the last row.
    """
    minimize = import_minimize()
    n, d = x.shape
    rows = np.arange(n)
    share = weights / n

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(d + 1, classes)
        logits = x @ w[:-1] + w[-1]  # (n, c)
        logits -= logits.max(axis=1, keepdims=True)  # exp() cannot overflow
        log_sums = np.log(np.exp(logits).sum(axis=1))  # (n,)
        loss = share @ (log_sums - logits[rows, truth]) + 0.5 * l2 / n * (w[:-1] ** 2).sum()
        residual = np.exp(logits - log_sums[:, np.newaxis])  # (n, c) probabilities
        residual[rows, truth] -= 1
        residual *= share[:, np.newaxis]
        gradient = np.empty_like(w)
        gradient[:-1] = x.T @ residual + l2 / n * w[:-1]
        gradient[-1] = residual.sum(axis=0)
        return float(loss), gradient.ravel()

    result = minimize(
        loss_and_gradient, np.zeros((d + 1) * classes) if start is None else start.ravel(),
        jac=True, method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS, "gtol": 1e-8, "ftol": 1e-12},
    )  # fmt: skip
    if result.nit >= MAX_ITERATIONS:
        warnings.warn(f"softmax regression did not converge in {MAX_ITERATIONS} iterations", stacklevel=3)
    return np.asarray(result.x).reshape(d + 1, classes)
