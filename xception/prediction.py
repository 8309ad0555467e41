"""Photographs to labels and to features, in one call."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .imagenet import Prediction, best, classes, preprocess_input
from .images import load_image
from .inputs import image_input, scales_pixels
from .kernels import Array, sigmoid
from .kernels import softmax as softmax_of
from .labels import Labels, named
from .layers import Activation, Dense, Softmax
from .model import Model, Xception

if TYPE_CHECKING:
    from .images import ImageLike

T = TypeVar("T")
BATCH = 16  #: photographs computed at once
SCALINGS = ("auto", "tf", "unit", "none")


def predict(
    images: ImageLike | Iterable[ImageLike],
    model: Model | None = None,
    top: int = 5,
    labels: Sequence[Any] | None = None,
    scaling: str = "auto",
    softmax: str = "auto",
) -> list[list[Prediction]]:
    """What the photographs show: for each a list of the `top` best classes, best first.

    images: one or more of: a path, an open file, a PIL image, an array of pixels 0…255. An
        array (n, h, w, 3) is n images. See `load_image` for how they are read.
    model: Xception with the ImageNet classifier unless given; it is loaded once and kept.
    labels: the classes' names, or pairs (class id, name), in the order of the model's outputs. By
        default the model's own; ImageNet's for 1000 classes.
    scaling: what becomes of pixels: "tf" −1…1, "unit" 0…1, "none" 0…255; "auto" is "none" where
        the model does its own scaling, else "tf".
    softmax: "yes" makes probabilities of scores, "no" leaves them, "auto" looks which they are.

    Raises what `load_image` raises, and `Xception` at its first use.
    """
    model = model or imagenet_model()
    predictions: list[list[Prediction]] = []
    for batch in batched(_each(images), BATCH):
        pixels = np.stack([load_image(image, image_size(model)) for image in batch])
        scores = model.predict(scaled(pixels, model, scaling), verbose=0)
        predictions += label(model, scores, top, labels, softmax)
    return predictions


def scaled(pixels: Array, model: Model, scaling: str = "auto") -> Array:
    """Pixels 0…255 as a model takes them: (n, h, w, 3) float32."""
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}")
    if scaling == "auto":
        scaling = "none" if scales_pixels(model.graph) else "tf"
    if scaling == "tf":
        return preprocess_input(pixels)
    x = pixels.astype(np.float32)
    return x / np.float32(255) if scaling == "unit" else x


def label(
    model: Model, scores: Any, top: int, labels: Sequence[Any] | None = None, softmax: str = "auto"
) -> list[list[Prediction]]:
    """(n, classes) -> the best classes of each."""
    if not isinstance(scores, np.ndarray) or scores.ndim != 2:
        shape = scores.shape if isinstance(scores, np.ndarray) else f"{len(scores)} outputs"
        raise ValueError(f"the model gives {shape}, no scores (n, classes): has it a classifier?")
    names = _labels(model, labels)
    scores = probabilities(model, scores, softmax, names)
    count = scores.shape[1]
    if names is None:
        names = classes() if count == len(classes()) else named([f"class_{i}" for i in range(count)])
    if len(names) != count:
        raise ValueError(f"there are {len(names)} labels, but the model tells {count} classes apart")
    return [best(row, names, top) for row in scores]


def probabilities(model: Model, scores: Array, wanted: str = "auto", labels: Labels | None = None) -> Array:
    """Scores (n, classes) as probabilities. A single score is that of the second of two classes."""
    if wanted not in ("auto", "yes", "no"):
        raise ValueError(f'softmax must be "auto", "yes" or "no", got {wanted!r}')
    last = _last_activation(model)
    two = scores.shape[1] == 1 and (last == "sigmoid" or (labels is not None and len(labels) == 2))
    if two and wanted != "no":
        p = scores if last == "sigmoid" else sigmoid(scores)
        return np.concatenate([1 - p, p], axis=1)
    if wanted == "auto":
        sums = scores.sum(axis=1)
        are_probabilities = scores.min(initial=0) >= 0 and np.allclose(sums, 1, atol=1e-3)
        keep = last in ("softmax", "sigmoid") or are_probabilities or scores.shape[1] == 1
        wanted = "no" if keep else "yes"
    return softmax_of(scores) if wanted == "yes" else scores


def _last_activation(model: Model) -> str:
    node = model.graph.nodes[model.graph.outputs[0]]
    while node.layer.identity and node.inputs:
        node = model.graph.nodes[node.inputs[0]]
    if isinstance(node.layer, Softmax):
        return "softmax"
    if isinstance(node.layer, Dense | Activation) and isinstance(node.layer.activation, str):
        return node.layer.activation
    return ""


def _labels(model: Model, labels: Sequence[Any] | None) -> Labels | None:
    return model.labels if labels is None else named(labels)


@functools.cache
def imagenet_model() -> Model:
    """Xception with the ImageNet classifier, built at the first call."""
    return Xception()


def image_size(model: Model) -> tuple[int, int]:
    """(height, width) that a model wants; 299×299 where it leaves that open.

    Raises ValueError for a model that takes something else than photographs.
    """
    name = image_input(model.graph)
    if name is None or len(model.graph.inputs) > 1:
        raise ValueError(
            f"{model.name} takes {model.input_shape}, where one photograph (None, height, width, 3) is "
            "expected; its own predict() takes what it needs"
        )
    height, width, _ = model.graph.nodes[name].output_shape
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
