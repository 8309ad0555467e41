"""The 1000 classes of ImageNet, and the scaling that Xception's weights were trained with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..kernels import Array


class Prediction(NamedTuple):
    """One answer: ("n02124075", "Egyptian_cat", 0.83)."""

    class_id: str
    label: str
    score: float


def preprocess_input(x: ArrayLike) -> Array:
    """Pixels from 0…255 to −1…1, as Keras does for Xception: x / 127.5 − 1.

    Any shape. Integers come back as float32, floating-point numbers in their own type. Always
    a new array; Keras changes a floating-point argument in place.
    """
    pixels = np.asarray(x)
    if not np.issubdtype(pixels.dtype, np.number) or np.iscomplexobj(pixels):
        raise ValueError(f"pixels must be real numbers, got an array of {pixels.dtype}")
    if not np.issubdtype(pixels.dtype, np.floating):
        pixels = pixels.astype(np.float32)
    scaled = pixels / np.asarray(127.5, pixels.dtype)
    scaled -= 1
    return scaled


def decode_predictions(y: ArrayLike, top: int = 5) -> list[list[Prediction]]:
    """Scores (n, 1000) to the `top` best classes of each row, best first.

    The labels are Keras's: WordNet's first name for the class, blanks as underscores. Raises
    ValueError for any other shape: only the ImageNet classifier has these classes.
    """
    scores = np.asarray(y)
    if scores.ndim != 2 or scores.shape[1] != len(classes()):
        raise ValueError(f"expected ImageNet scores of shape (n, {len(classes())}), got {scores.shape}")
    return [best(row, classes(), top) for row in scores]


def best(scores: Array, labels: Sequence[tuple[str, str]], top: int) -> list[Prediction]:
    """The `top` highest of `scores` (c,), with their (class_id, label), best first."""
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    order = np.argsort(scores)[::-1][:top]
    return [Prediction(labels[i][0], labels[i][1], float(scores[i])) for i in order]


@functools.cache
def classes() -> tuple[tuple[str, str], ...]:
    """The 1000 pairs (WordNet id, label), in the order of the classifier's outputs."""
    text = Path(__file__).with_name("imagenet_classes.txt").read_text("ascii")
    pairs = (line.split() for line in text.splitlines())
    return tuple((class_id, label) for class_id, label in pairs)
