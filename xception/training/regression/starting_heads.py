"""Starting heads of fine-tuning: the last Dense layer, solved on features, for each task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...data.tasks import Task
from .label_regression import LabelRegression, fit_label_regression
from .ridge_regression import RidgeRegression, fit_ridge_regression
from .softmax_regression import SoftmaxRegression, fit_softmax_regression

#: A solved head: `kernel` (d, c) and `bias` (c,) of a Dense layer with c units, and its cross-validation. The
#: layer ends in a softmax, sigmoids, or nothing.
SolvedHead = SoftmaxRegression | LabelRegression | RidgeRegression


def fit_head(
    task: Task,
    features: ArrayLike,
    targets: ArrayLike,
    names: Sequence[str],
    *,
    balanced: bool = False,
    positive_weights: ArrayLike | None = None,
    seed: int = 0,
) -> SolvedHead:
    """Solve the head of a task on features.

    Args:
        task: What the head is for.
        features: (n, d).
        targets: (n,) class indices for "classes"; (n, c) 0 or 1 for "labels", and numbers for "regression".
        names: (c,) the names of the classes, labels or targets. Those of classes are sorted, and each class
            has photographs.
        balanced: Of classes: whether each weighs the same, however many photographs it has.
        positive_weights: Of labels: (c,) how much a photograph with the label weighs.
        seed: Decides which photographs are in which fold.

    Returns:
        The head, and its cross-validation.

    Raises:
        ValueError: As for `fit_softmax_regression`, `fit_label_regression` or `fit_ridge_regression`; or an
            option does not apply to the task.
        MissingPackageError: SciPy is not installed.

    Examples:
        >>> head = fit_head("regression", [[0.0], [1.0], [2.0], [3.0]], [[10], [12], [14], [16]], ["age"])
        >>> head.kernel.shape, head.bias.shape
        ((1, 1), (1,))
    """
    if balanced and task != "classes":
        raise ValueError(f"balanced applies to classes, and the task is {task!r}")
    if positive_weights is not None and task != "labels":
        raise ValueError(f"positive_weights applies to labels, and the task is {task!r}")
    if task == "labels":
        return fit_label_regression(features, targets, names, positive_weights=positive_weights, seed=seed)
    if task == "regression":
        return fit_ridge_regression(features, targets, names)
    labels = [names[index] for index in np.asarray(targets)]
    return fit_softmax_regression(features, labels, balanced=balanced, seed=seed)
