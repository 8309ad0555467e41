"""Photographs and classes as scikit-learn passes them: lists, arrays and columns of tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..data.photographs import Photograph, PhotographList, list_files
from ..training.regression.softmax_regression import check_counts

#: The last axis of a photograph (h, w, channels).
CHANNELS = (1, 3, 4)
EXPECTED = (
    "X must hold one photograph per row: paths, PIL images or arrays (h, w, channels) in a list, an array "
    "(n,) or a column of a table; or an array (n, h, w, channels)"
)


def list_column(X: Any) -> Sequence[Photograph]:
    """List the photographs of a sequence, one for each row; nothing is read.

    Unlike with `xception.features`, no path stands for a folder or a pattern.

    Args:
        X: n paths, PIL images, arrays or bytes of files in a list, a tuple, an array (n,) or (n, 1), a column
            of a table, or a table of one column; or pixels 0…255, (n, h, w) or (n, h, w, channels).

    Returns:
        n photographs.

    Raises:
        TypeError: `X` is something else, such as a single path.
        ValueError: `X` is empty, or has several columns; or it is a single photograph.
        MissingPackageError: A package is needed for a URL that is not installed.
    """
    items = _rows(X)
    if not len(items):
        raise ValueError("X has no rows: expected at least one photograph")
    if all(isinstance(item, str | os.PathLike) for item in items):
        return list_files(map(os.fspath, items))
    return PhotographList(list(items), [""] * len(items))


def _rows(X: Any) -> Sequence[Any] | NDArray[Any]:
    if hasattr(X, "to_numpy"):  # a column or a table, of pandas or another library
        X = X.to_numpy()
    if isinstance(X, list | tuple):
        if not any(isinstance(item, list | tuple) for item in X):
            return X
        if not all(isinstance(item, list | tuple) and len(item) == 1 for item in X):
            raise ValueError(f"{EXPECTED}; got rows of several values")
        return [item[0] for item in X]
    if not isinstance(X, np.ndarray):
        raise TypeError(f"{EXPECTED}; got {_describe(X)}")
    if X.ndim == 2 and X.shape[1] != 1:
        raise ValueError(
            f"{EXPECTED}; got a table {X.shape}. Choose its column of photographs; a ColumnTransformer takes "
            'its name: ("features", XceptionFeatures(), "photo")'
        )
    if X.ndim == 3 and X.shape[-1] in CHANNELS:
        raise ValueError(f"{EXPECTED}; got a single photograph {X.shape}: pass X[np.newaxis]")
    if not 1 <= X.ndim <= 4 or (X.ndim < 3 and X.dtype.kind not in "OTU"):
        raise ValueError(f"{EXPECTED}; got an array {X.shape} of {X.dtype}")
    return X.ravel().tolist() if X.ndim < 3 else X


def _describe(X: Any) -> str:
    if isinstance(X, str | os.PathLike):
        return f"the path {os.fspath(X)!r:.80}: pass a list of paths, such as sorted(glob('photos/*.jpg'))"
    if hasattr(X, "convert"):
        return "a single PIL image: pass a list of them"
    return type(X).__name__


def list_classes(y: ArrayLike, count: int) -> tuple[NDArray[Any], list[str]]:
    """Return the classes, and the class of each photograph as a text.

    Args:
        y: (n,) the class of each photograph.
        count: The number of photographs.

    Returns:
        The sorted classes (c,), and n texts.

    Raises:
        ValueError: `y` is missing, has another length, or is continuous; or there are fewer than two classes
            or fewer than two photographs of a class.
    """
    if y is None:
        raise ValueError("XceptionClassifier requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    check_classification_targets(labels)
    if len(labels) != count:
        raise ValueError(f"expected a class in y for each photograph in X, got {len(labels)} for {count}")
    classes, counts = np.unique(labels, return_counts=True)
    check_counts([str(label) for label in classes], counts)  # before features are computed
    return classes, [str(label) for label in labels]
