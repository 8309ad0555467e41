"""Ridge regression of standardized targets, with L2 penalties by exact leave-one-out validation.

It is the counterpart of `softmax_regression` for the task "regression".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from ...kernels import Array
from .feature_arrays import center_and_scale, check_arrays
from .softmax_regression import reduce_features

#: L2 penalties to choose from. They are relative to features of mean squared length 1, whose squared singular
#: values add up to the number of photographs.
L2_VALUES = tuple(float(10.0**exponent) for exponent in np.arange(-5, 5.5, 0.5))
MAX_TARGET = 1e30  #: float32, which outputs are, ends at 3.4e38, and the model gives sums of products
MIN_PHOTOGRAPHS = 3  #: a line through two leaves nothing to measure


@dataclass(frozen=True)
class TargetScaling:
    """Standardization of targets: (y − center) / deviation.

    Attributes:
        center: (c,) float64 the mean of each target.
        deviation: (c,) float64 the standard deviation of each, above 0.
    """

    center: Array
    deviation: Array

    @classmethod
    def of(cls, targets: Array, names: Sequence[str]) -> TargetScaling:
        """Return the standardization of targets (n, c).

        Raises:
            ValueError: A target has the same value everywhere, or numbers that float32 cannot hold.
        """
        largest = np.abs(targets).max(initial=0.0)
        if largest > MAX_TARGET:
            raise ValueError(
                f"targets go up to {largest:g}, expected at most {MAX_TARGET:g}: use a larger unit"
            )
        deviation = targets.std(axis=0)
        for name, spread, value in zip(names, deviation, targets[0], strict=True):
            if not spread > np.finfo(np.float64).eps * abs(value):
                raise ValueError(f"the target {name!r} is {value:g} for every photograph: nothing to learn")
            if spread < 1 / MAX_TARGET:
                raise ValueError(f"the target {name!r} deviates by {spread:g} only: use a smaller unit")
        return cls(targets.mean(axis=0), deviation)

    def standardize(self, targets: Array) -> Array:
        """Convert targets (n, c) to standard ones."""
        return (targets - self.center) / self.deviation

    def fold(self, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """Return the kernel (d, c) and bias (c,) that give targets, from those that give standard ones."""
        return kernel * self.deviation, bias * self.deviation + self.center

    def unfold(self, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """Return the kernel (d, c) and bias (c,) that give standard targets: the inverse of `fold`."""
        return kernel / self.deviation, (bias - self.center) / self.deviation


@dataclass(frozen=True, eq=False)
class RidgeRegression:
    """A fitted linear head for c targets on d features, and its leave-one-out validation on n photographs.

    Attributes:
        kernel: (d, c) float32.
        bias: (c,) float32.
        target_names: (c,) the names of the targets.
        l2: (c,) the L2 penalty that was chosen for each target.
        predicted: (n, c) float64 of each photograph, by a head that was fitted without it.
        targets: (n, c) float64.
        scaling: The mean and deviation of the targets.
    """

    kernel: Array
    bias: Array
    target_names: tuple[str, ...]
    l2: tuple[float, ...]
    predicted: Array
    targets: Array
    scaling: TargetScaling

    def __repr__(self) -> str:
        errors = ", ".join(
            f"{name} {error:.3g} (always the median: {median:.3g})"
            for name, error, median in zip(self.target_names, self.mae, self.median_mae, strict=True)
        )
        return f"<RidgeRegression: leave-one-out MAE on {len(self.targets)} photographs: {errors}>"

    @property
    def mae(self) -> tuple[float, ...]:
        """(c,) the mean absolute error of each target, leave-one-out."""
        return tuple(np.abs(self.predicted - self.targets).mean(axis=0).tolist())

    @property
    def median_mae(self) -> tuple[float, ...]:
        """(c,) the mean absolute error of always answering with the target's median."""
        return tuple(np.abs(np.median(self.targets, axis=0) - self.targets).mean(axis=0).tolist())


def fit_ridge_regression(
    features: ArrayLike,
    targets: ArrayLike,
    target_names: Sequence[str],
    *,
    l2_values: Sequence[float] = L2_VALUES,
) -> RidgeRegression:
    """Fit a ridge regression of each target, standardized, and fold the standardization into the head.

    The loss is Σ (standard target − output)² + l2 · Σ kernel², where features are scaled to a mean squared
    length of 1. The bias is not penalized. For such a head the errors of leaving out each photograph have a
    closed form (the PRESS statistic: Allen, 1974), so every penalty is tried on every photograph.

    Args:
        features: (n, d).
        targets: (n, c) numbers.
        target_names: (c,) the names of the targets.
        l2_values: Penalties to choose from: for each target the one with the lowest squared error is taken.

    Returns:
        The head and its leave-one-out validation.

    Raises:
        ValueError: The shapes do not agree, numbers are not finite, a target has the same value for every
            photograph, or there are fewer than three photographs.

    Examples:
        >>> head = fit_ridge_regression([[0.0], [1.0], [2.0], [3.0]], [[10], [12], [14], [16]], ["age"])
        >>> round(float(head.kernel[0, 0]), 2), round(float(head.bias[0]), 2)
        (2.0, 10.0)
    """
    x, y = check_arrays(features, targets, target_names, "targets")
    if len(x) < MIN_PHOTOGRAPHS:
        raise ValueError(f"a regression needs at least {MIN_PHOTOGRAPHS} photographs, got {len(x)}")
    scaling = TargetScaling.of(y, target_names)
    standard = scaling.standardize(y)  # (n, c)
    mean, scale = center_and_scale(x)
    with threadpool_limits(1, "blas"):  # two threads gain little, and results would depend on their number
        z, basis = reduce_features((x - mean) / scale)  # (n, r), (r, d)
        values, vectors = np.linalg.eigh(z.T @ z)  # (r,), (r, r)
        rotated = z @ vectors  # (n, r), orthogonal columns
        products = rotated.T @ standard  # (r, c)
        residuals = np.stack(
            [_left_out_residuals(rotated, values, products, standard, l2) for l2 in l2_values]
        )  # (l, n, c)
        best = (residuals**2).mean(axis=1).argmin(axis=0)  # (c,)
        l2 = np.array([l2_values[index] for index in best])
        solution = vectors @ (products / (np.maximum(values, 0)[:, np.newaxis] + l2))  # (r, c)
        kernel, bias = scaling.fold(basis.T @ solution / scale, np.zeros(y.shape[1]))
    bias = bias - mean @ kernel
    chosen = np.take_along_axis(residuals, best[np.newaxis, np.newaxis], axis=0)[0]  # (n, c)
    return RidgeRegression(
        kernel.astype(np.float32), bias.astype(np.float32), tuple(target_names), tuple(l2.tolist()),
        y - chosen * scaling.deviation, y, scaling,
    )  # fmt: skip


def _left_out_residuals(rotated: Array, values: Array, products: Array, standard: Array, l2: float) -> Array:
    """Return (n, c) the error of each row by a ridge regression without it: error / (1 − leverage)."""
    shrunk = rotated / (np.maximum(values, 0) + l2)  # (n, r)
    leverage = 1 / len(rotated) + (shrunk * rotated).sum(axis=1)  # 1 / n is the bias's share
    # A row that alone decides a direction has leverage 1, and nothing is known without it.
    room = np.maximum(1 - leverage, np.finfo(np.float64).eps)
    residuals: Array = (standard - shrunk @ products) / room[:, np.newaxis]
    return residuals
