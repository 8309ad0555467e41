"""ImageNet's 1000 classes, and the scaling that Xception's weights were trained with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import Array
from ..layers.validation import as_int
from .arrays import as_real_array
from .class_names import ClassNames


class Prediction(NamedTuple):
    """One class of a photograph, with its score.

    Attributes:
        class_id: WordNet id, "n02124075", or the class's index as text.
        class_name: "Egyptian_cat".
        score: Probability 0…1, or whatever the model gives.
    """

    class_id: str
    class_name: str
    score: float


def preprocess_input(x: ArrayLike) -> Array:
    """Scale pixels from 0…255 to −1…1, as Keras does for Xception: x / 127.5 − 1.

    Args:
        x: Pixels of any shape, 0…255.

    Returns:
        A new array of the same shape: float32 for integers, otherwise in the dtype of `x`. (Keras
        changes a floating-point argument in place.)

    Raises:
        TypeError: `x` is a generator, a path, or another object that is no array.
        ValueError: `x` does not hold real numbers.

    Examples:
        >>> preprocess_input([0, 255])
        array([-1.,  1.], dtype=float32)
    """
    pixels = as_real_array(x, "pixels 0…255")
    own = None
    if not np.issubdtype(pixels.dtype, np.floating):
        own = pixels = pixels.astype(np.float32)
    scaled = np.divide(pixels, np.asarray(127.5, pixels.dtype), out=own)
    scaled -= 1
    return scaled


def decode_predictions(y: ArrayLike, top: int = 5) -> list[list[Prediction]]:
    """Name the best classes in scores of the ImageNet classifier.

    Args:
        y: Scores of shape (n, 1000).
        top: How many classes per row, at least 1.

    Returns:
        For each row the `top` best classes, best first. The names are Keras's: WordNet's first name
        for the class, with underscores for spaces.

    Raises:
        TypeError: `y` is a generator, a path, or another object that is no array.
        ValueError: `y` has another shape: only the ImageNet classifier has these classes. Or `top` is
            not a positive integer.
    """
    expected = f"ImageNet scores of shape (n, {len(imagenet_classes())})"
    scores = as_real_array(y, expected)
    if scores.ndim != 2 or scores.shape[1] != len(imagenet_classes()):
        raise ValueError(f"expected {expected}, got {scores.shape}")
    return [best_classes(row, imagenet_classes(), top) for row in scores]


def best_classes(scores: Array, class_names: Sequence[tuple[str, str]], top: int) -> list[Prediction]:
    """Return the `top` highest of `scores` (classes,), best first; ties in the order of the classes."""
    descending = -scores.astype(np.float64)  # not of unsigned integers, which would wrap
    order = np.argsort(descending, kind="stable")[: as_int("top", top)]
    return [Prediction(class_names[i][0], class_names[i][1], float(scores[i])) for i in order]


@functools.cache
def imagenet_classes() -> ClassNames:
    """Return the 1000 (WordNet id, class name) pairs, in the order of the classifier's outputs."""
    text = Path(__file__).with_name("imagenet_classes.txt").read_text("ascii")
    pairs = (line.split() for line in text.splitlines())
    return tuple((class_id, class_name) for class_id, class_name in pairs)
