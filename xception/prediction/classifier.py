"""Photographs to labels and to features, in one call."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..console.html import PhotographPredictions, Predictions
from ..data.class_names import ClassNames, ClassNamesLike, as_class_names, read_class_names
from ..data.imagenet import Prediction, best, classes, preprocess_input
from ..data.images import load_image
from ..data.photographs import BATCH
from ..kernels import Array, sigmoid
from ..kernels import softmax as softmax_of
from ..layers import Softmax
from ..models.factory import Xception
from ..models.inputs import image_input, own_scaling
from ..models.model import Model

if TYPE_CHECKING:
    from ..data.images import ImageLike

T = TypeVar("T")
SCALINGS = ("auto", "tf", "unit", "none")
SOFTMAXES = ("auto", "yes", "no")
#: Layers behind which probabilities are still probabilities.
VALUES_STAY = ("Average", "Flatten", "GlobalAveragePooling2D", "Reshape")


def predict(
    images: ImageLike | Iterable[ImageLike],
    model: Model | None = None,
    top: int = 5,
    labels: ClassNamesLike | str | os.PathLike[str] | None = None,
    scaling: str = "auto",
    softmax: str = "auto",
) -> Predictions:
    """What the photographs show: for each a list of the `top` best classes, best first.

    images: one or more of: a path, an open file, a PIL image, an array of pixels 0…255. An
        array (n, h, w, 3) is n images. See `load_image` for how they are read.
    model: Xception with the ImageNet classifier unless given; it is loaded once and kept.
    labels: the classes' names in the order of the model's outputs, or a file that holds them, see
        `read_class_names`. By default the model's own; ImageNet's for 1000 classes; else numbers.
    scaling: what becomes of pixels: "tf" −1…1, "unit" 0…1, "none" 0…255; "auto" is "none" where
        the model scales pixels itself ("unit" where its layers would enlarge them), else "tf".
    softmax: "yes" makes probabilities of logits, "no" leaves scores as they are, "auto" finds out
        which they are: by the model's last activation, else by whether they add up to 1.

    A single score is the probability of the second of two classes if it comes out of a sigmoid, or
    if there are two labels.

    In a notebook the answers show themselves beside the photographs.

    Raises what `load_image` raises, what `Xception` raises at its first use, and ValueError for a
    model that does not take photographs or has no classifier, and for labels of another number.
    """
    model = imagenet_model() if model is None else model
    size, names = image_size(model), class_labels(model, labels, softmax)
    predictions = Predictions()
    for batch in batched(each(images), BATCH):
        pixels = np.stack([load_image(image, size) for image in batch])
        found = label(model, outputs(model, pixels, scaling), names, top, softmax)
        predictions += map(PhotographPredictions, found, pixels)
    return predictions


# --- what enters ----------------------------------------------------------------------------


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


def scaled(pixels: NDArray[Any], model: Model, scaling: str = "auto") -> Array:
    """Pixels 0…255 as a model takes them: (n, h, w, 3) float32."""
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}")
    if scaling == "auto":
        scaling = wanted_scaling(model)
    if scaling == "tf":
        return preprocess_input(pixels)
    x = pixels.astype(np.float32)
    return x / np.float32(255) if scaling == "unit" else x


def wanted_scaling(model: Model) -> str:
    """What "auto" means for a model: what was done to the images that it was trained on, as far as
    can be told by what it does to them itself."""
    own = own_scaling(model.graph)
    if not own:
        return "tf"
    white = np.full((1, *image_size(model), 3), 255, np.float32)
    (reached,) = model.graph.evaluate(model.parameters, white, own[-1:]).values()
    # Layers that make 255 even more, such as (x − 0.5) / 0.2, are made for smaller numbers.
    return "unit" if np.abs(reached).max() > 255 else "none"


def outputs(
    model: Model, pixels: NDArray[Any], scaling: str = "auto", compute: Callable[..., Any] | None = None
) -> Any:
    """What a model makes of pixels 0…255, (n, h, w, 3). compute: its `predict`, or its `features`."""
    x = scaled(pixels, model, scaling)
    # Who asks for pixels as they are has not forgotten to scale them.
    with warnings.catch_warnings() if scaling == "none" else nullcontext():
        if scaling == "none":
            warnings.filterwarnings("ignore", "the images hold")
        return (compute or model.predict)(x, verbose=0)


# --- what leaves ----------------------------------------------------------------------------


def class_labels(
    model: Model, labels: ClassNamesLike | str | os.PathLike[str] | None = None, softmax: str = "auto"
) -> ClassNames:
    """(class id, name) of each class that a model tells apart, by whoever knows: the labels given,
    the model's own file, ImageNet where there are 1000, else nobody.

    Raises ValueError where there is no classifier, or one of another number of classes.
    """
    shape = model.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            f"{model.name} gives {shape}, where scores (None, classes) are expected: has it a classifier?"
        )
    if isinstance(labels, str | os.PathLike):
        names: ClassNames | None = read_class_names(labels)
    else:
        names = model.labels if labels is None else as_class_names(labels)
    count = 2 if _is_of_two(model, names, softmax) else shape[1]
    if names is None and count == len(classes()):
        return classes()
    names = names or as_class_names([f"class_{number}" for number in range(count)])
    if len(names) != count:
        raise ValueError(f"there are {len(names)} labels, but {model.name} tells {count} classes apart")
    return names


def label(
    model: Model, scores: Array, names: ClassNames, top: int = 5, softmax: str = "auto"
) -> list[list[Prediction]]:
    """(n, classes) -> the best classes of each. names: of all classes, see `class_labels`."""
    if scores.shape[1] < len(names):
        p = scores if _last_activation(model) == "sigmoid" else sigmoid(scores)
        scores = np.concatenate([1 - p, p], axis=1)
    elif softmax == "yes" or (softmax == "auto" and _are_logits(model, scores)):
        scores = softmax_of(scores) if scores.shape[1] > 1 else sigmoid(scores)
    return [best(row, names, top) for row in scores]


def _is_of_two(model: Model, names: ClassNames | None, softmax: str) -> bool:
    """Whether a model's one score tells two classes apart."""
    if softmax not in SOFTMAXES:
        raise ValueError(f"softmax must be one of {', '.join(SOFTMAXES)}, got {softmax!r}")
    if model.output_shape[1] != 1:
        return False
    if _last_activation(model) == "sigmoid":
        return names is None or len(names) != 1
    return softmax == "yes" if names is None else softmax != "no" and len(names) == 2


def _are_logits(model: Model, scores: Array) -> bool:
    """Whether these scores (n, classes) are still to be made probabilities of."""
    if _last_activation(model) in ("softmax", "sigmoid") or scores.shape[1] == 1:
        return False
    return scores.min(initial=0) < 0 or not np.allclose(scores.sum(axis=1), 1, atol=1e-3)


def _last_activation(model: Model) -> str:
    """The function that a model's scores come out of; "" if it has no name here."""
    node = model.graph.nodes[model.graph.outputs[0]]
    while node.inputs and (node.layer.identity or node.kind in VALUES_STAY):
        node = model.graph.nodes[node.inputs[0]]
    found = node.layer if isinstance(node.layer, Softmax) else getattr(node.layer, "activation", "")
    return "softmax" if isinstance(found, Softmax) else found if isinstance(found, str) else ""


# --- models and batches ---------------------------------------------------------------------


@functools.cache
def imagenet_model() -> Model:
    """Xception with the ImageNet classifier, built at the first call."""
    return Xception()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last perhaps shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def each(images: ImageLike | Iterable[ImageLike]) -> Sequence[ImageLike] | Iterable[ImageLike]:
    """Several images, also where only one was given."""
    if isinstance(images, np.ndarray):
        return images if images.ndim == 4 else [images]
    if isinstance(images, str) or hasattr(images, "__fspath__") or hasattr(images, "read"):
        return [images]  # type: ignore[list-item]
    return images if isinstance(images, Iterable) else [images]
