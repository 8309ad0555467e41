"""Photographs to labels and to features, in one call."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .imagenet import Prediction, best, classes, preprocess_input
from .images import load_image
from .kernels import Array
from .model import Model, Xception

if TYPE_CHECKING:
    from .images import ImageLike

T = TypeVar("T")
BATCH = 16  #: photographs computed at once


def predict(
    images: ImageLike | Iterable[ImageLike], model: Model | None = None, top: int = 5
) -> list[list[Prediction]]:
    """What the photographs show: for each a list of the `top` best classes, best first.

    images: one or more of: a path, an open file, a PIL image, an array of pixels 0…255. An
        array (n, h, w, 3) is n images. See `load_image` for how they are read.
    model: Xception with the ImageNet classifier unless given; it is loaded once and kept.

    Raises what `load_image` raises, and `Xception` at its first use.
    """
    model = model or imagenet_model()
    predictions: list[list[Prediction]] = []
    for batch in batched(_each(images), BATCH):
        pixels = np.stack([load_image(image, image_size(model)) for image in batch])
        predictions += label(model.predict(preprocess_input(pixels), verbose=0), top)
    return predictions


def label(scores: Array, top: int) -> list[list[Prediction]]:
    """(n, classes) -> the best classes of each; 1000 classes are ImageNet's."""
    if scores.ndim != 2:
        raise ValueError(f"the model gives {scores.shape}, no scores (n, classes): has it a classifier?")
    count = scores.shape[1]
    labels = classes() if count == len(classes()) else tuple((str(i), f"class_{i}") for i in range(count))
    return [best(row, labels, top) for row in scores]


@functools.cache
def imagenet_model() -> Model:
    """Xception with the ImageNet classifier, built at the first call."""
    return Xception()


def image_size(model: Model) -> tuple[int, int]:
    """(height, width) that a model wants; 299×299 where it leaves that open."""
    _, height, width, _ = model.input_shape
    return height or 299, width or 299


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last perhaps shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _each(images: ImageLike | Iterable[ImageLike]) -> Sequence[ImageLike] | Iterable[ImageLike]:
    """Several images, also where only one was given."""
    if isinstance(images, np.ndarray):
        return images if images.ndim == 4 else [images]
    if isinstance(images, str) or hasattr(images, "__fspath__") or hasattr(images, "read"):
        return [images]  # type: ignore[list-item]
    return images if isinstance(images, Iterable) else [images]
