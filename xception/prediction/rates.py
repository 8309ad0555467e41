"""Rates with their uncertainty: Wilson's interval, and the exact area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959964  #: standard deviations of a normal distribution's central 95 %


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        correct: Successes, 0…count.
        count: Trials, at least 1.

    Examples:
        >>> low, high = wilson_interval(16, 20)
        >>> round(low, 2), round(high, 2)
        (0.58, 0.92)
    """
    p = correct / count
    center = p + Z_95**2 / (2 * count)
    margin = float(Z_95 * np.sqrt(p * (1 - p) / count + Z_95**2 / (4 * count**2)))
    scale = 1 + Z_95**2 / count
    # At the ends it is exactly 0 or 1, which rounding would miss.
    low = (center - margin) / scale if correct else 0.0
    high = (center + margin) / scale if correct < count else 1.0
    return low, high


def rank_auc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Return the area under the ROC curve, exactly, by ranks (Mann and Whitney, 1947).

    It is the probability that a positive example gets a higher score than a negative one; equal scores
    count half.

    Args:
        scores: (n,) finite numbers.
        positive: (n,) whether each example is positive.

    Returns:
        The area, 0…1; None if there are no positive or no negative examples.

    Examples:
        >>> rank_auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
        0.875
    """
    is_positive: NDArray[np.bool_] = np.asarray(positive, bool)
    positives, count = int(is_positive.sum()), len(is_positive)
    if not 0 < positives < count:
        return None
    _, inverse, counts = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # from 1; equal scores share their mean
    above = ranks[is_positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (count - positives)))
