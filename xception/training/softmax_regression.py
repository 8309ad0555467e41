"""A softmax classifier on features: multinomial logistic regression with L2, solved to convergence.

Its strength is chosen by stratified cross-validation. For the solver features are centred and all
divided by one number: which of them vary much is worth knowing. The classifier that comes out takes
them as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ..kernels import Array, softmax

Counts = NDArray[np.signedinteger]

#: Penalties on the squared weights, from hardly any to strong, where a row of features is of length 1.
STRENGTHS = (1e-8, 1e-6, 1e-4, 1e-2)
FOLDS = 5
MOST_STEPS = 2000
LEAVE_ONE_OUT = 60  #: photographs, up to which each is a fold of its own


@dataclass(frozen=True)
class Fitted:
    """A classifier, and what cross-validation found out about it.

    A prediction on photograph i in `probabilities` is by a classifier that has not seen it.
    """

    kernel: Array  #: (features, classes) float32
    bias: Array  #: (classes,) float32
    classes: tuple[str, ...]
    strength: float
    folds: int
    probabilities: Array  #: (n, classes)
    truth: Counts  #: (n,) the number of each photograph's class

    @property
    def accuracy(self) -> float:
        """The share of photographs that cross-validation got right."""
        return float((self.probabilities.argmax(axis=1) == self.truth).mean())

    @property
    def confusion(self) -> Counts:
        """(classes, classes): how many photographs of the row's class were taken for the column's."""
        found = np.zeros((len(self.classes), len(self.classes)), int)
        np.add.at(found, (self.truth, self.probabilities.argmax(axis=1)), 1)
        return found

    def least_sure(self, count: int = 5) -> list[int]:
        """The photographs to whose own class cross-validation gave the least probability."""
        own = self.probabilities[np.arange(len(self.truth)), self.truth]
        return [int(i) for i in np.argsort(own, kind="stable")[:count]]


def fit_classifier(
    features: ArrayLike,
    labels: Sequence[str],
    balanced: bool = False,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> Fitted:
    """Fit features (n, d) to n labels.

    balanced: photographs of rare classes weigh more, so that all classes weigh the same.

    Raises ValueError for features that are not finite, a single class, or classes of one photograph.
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or len(x) != len(labels):
        raise ValueError(f"expected features (n, d) and n labels, got {x.shape} and {len(labels)} labels")
    if not np.isfinite(x).all():
        raise ValueError("the features hold numbers that are not finite")
    classes, truth, counts = np.unique(np.asarray(labels, str), return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"a classifier needs two classes at least, got {', '.join(classes) or 'none'}")
    if counts.min() < 2:
        alone = [str(name) for name, count in zip(classes, counts, strict=True) if count < 2]
        raise ValueError(
            f"every class needs two photographs at least; there is one of {', '.join(alone)}. Add some, or "
            "leave the class out"
        )
    weights = len(x) / (len(classes) * counts[truth]) if balanced else np.ones(len(x))

    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).sum(axis=1).mean()) or 1.0  # a row's usual length
    with threadpool_limits(1, "blas"):  # the products are too narrow to be shared
        reduced, back = _reduced((x - mean) / scale)  # (n, r), (r, d)
        folds = list(_folds(truth, counts, seed))
        found = {strength: np.empty((len(x), len(classes))) for strength in strengths}
        for fold in folds:
            solution = None
            for strength in sorted(strengths, reverse=True):  # each begins where a stronger one ended
                solution = _solve(
                    reduced[~fold], truth[~fold], weights[~fold], len(classes), strength, solution
                )
                found[strength][fold] = softmax(reduced[fold] @ solution[:-1] + solution[-1])
        own = {strength: p[np.arange(len(x)), truth] for strength, p in found.items()}
        losses = {s: -(weights * np.log(np.maximum(p, 1e-12))).mean() for s, p in own.items()}
        best = min(losses, key=lambda strength: losses[strength])
        solution = _solve(reduced, truth, weights, len(classes), best, None)
    kernel = back.T @ solution[:-1] / scale  # (d, classes)
    bias = solution[-1] - mean @ kernel
    return Fitted(
        kernel.astype(np.float32), bias.astype(np.float32), tuple(map(str, classes)), best, len(folds),
        found[best], truth,
    )  # fmt: skip


def _reduced(z: Array) -> tuple[Array, Array]:
    """(u, v) with z = u·v, (n, r) and (r, d), v's rows orthonormal and r no more than n.

    The penalty sees only lengths, so a solution for u is one for z: fewer numbers, the same answer.
    """
    if len(z) >= z.shape[1]:
        return z, np.eye(z.shape[1])
    values, vectors = np.linalg.eigh(z @ z.T)  # (n,), (n, n)
    keep = values > 1e-10 * max(values[-1], 1e-300)
    lengths = np.sqrt(values[keep])
    return vectors[:, keep] * lengths, (vectors[:, keep].T @ z) / lengths[:, np.newaxis]


def _folds(truth: Counts, counts: Counts, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Masks (n,) of the photographs that are left out, of each class as many in every fold."""
    if len(truth) <= LEAVE_ONE_OUT:
        yield from np.eye(len(truth), dtype=bool)
        return
    number = max(2, min(FOLDS, counts.min()))
    rng = np.random.default_rng(seed)
    of_fold = np.empty(len(truth), int)
    offset = 0
    for label in range(len(counts)):
        members = rng.permutation(np.flatnonzero(truth == label))
        of_fold[members] = (np.arange(len(members)) + offset) % number
        offset += len(members)
    for fold in range(number):
        yield of_fold == fold


def _solve(
    x: Array, truth: Counts, weights: Array, classes: int, strength: float, start: Array | None
) -> Array:
    """The weights (d + 1, classes), the bias in the last row, that make the penalised loss least."""
    from scipy.optimize import minimize

    n, d = x.shape
    rows = np.arange(n)
    share = weights / n

    def loss(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(d + 1, classes)
        logits = x @ w[:-1] + w[-1]  # (n, classes)
        logits -= logits.max(axis=1, keepdims=True)
        sums = np.log(np.exp(logits).sum(axis=1))  # (n,)
        value = share @ (sums - logits[rows, truth]) + 0.5 * strength / n * (w[:-1] ** 2).sum()
        slope = np.exp(logits - sums[:, np.newaxis])  # (n, classes)
        slope[rows, truth] -= 1
        slope *= share[:, np.newaxis]
        gradient = np.empty_like(w)
        gradient[:-1] = x.T @ slope + strength / n * w[:-1]
        gradient[-1] = slope.sum(axis=0)
        return float(value), gradient.ravel()

    begin = np.zeros((d + 1, classes)) if start is None else start
    result = minimize(
        loss, begin.ravel(), jac=True, method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "gtol": 1e-8, "ftol": 1e-12},
    )  # fmt: skip
    if result.nit >= MOST_STEPS:
        warnings.warn(f"the classifier did not converge in {MOST_STEPS} steps", stacklevel=3)
    return np.asarray(result.x).reshape(d + 1, classes)
