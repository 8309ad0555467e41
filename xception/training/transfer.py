"""Classes of one's own: features of the shipped base, and a classifier fitted to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import architecture
from ..data.class_names import as_class_names
from ..data.imagenet import preprocess_input
from ..data.images import load_image
from ..data.photographs import Photograph
from ..graph import network
from ..graph.network import Member, Network
from ..kernels import Array
from ..layers import Dense, GlobalAveragePooling2D, Input, Rescaling
from ..models.factory import Xception
from ..models.model import Model
from ..prediction.classifier import batched
from .softmax_regression import Fitted, fit_classifier

if TYPE_CHECKING:
    from ..data.images import ImageLike

SIZE = (299, 299)  #: at which the base was trained
BATCH = 8


def fit(images: Iterable[ImageLike] | Array, labels: Sequence[str], balanced: bool = False) -> Model:
    """A model that tells one's own classes apart, from a few photographs of each.

    images: paths, PIL images, or arrays of pixels 0…255, as `predict` takes them.
    labels: the class of each.
    balanced: photographs of rare classes weigh more, so that all classes weigh the same.

    The model takes pixels 0…255 (n, 299, 299, 3), and bears the classes' names as its `labels`. Its
    base is the shipped ImageNet base, left as it is; its classifier is a softmax regression on pooled
    features, of a strength chosen by cross-validation. `save` writes it for Keras too.

    Raises ValueError for fewer than two classes, or classes with a single photograph, and what
    `load_image` raises.
    """
    labels = [str(label) for label in labels]
    base = Xception(include_top=False)
    rows = [
        base_features(base, np.stack([load_image(image, SIZE) for image in batch]))
        for batch in batched(images, BATCH)
    ]
    features = np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
    return taught(base, fit_classifier(features, labels, balanced))


def base_features(base: Model, pixels: Array) -> Array:
    """Pixels (n, 299, 299, 3) 0…255 -> what the classifier sees, (n, 2048)."""
    return base.features(preprocess_input(pixels), verbose=0)


def taught(base: Model, fitted: Fitted) -> Model:
    """The base with a fitted classifier behind it: pixels in, probabilities out."""
    inner = network.of_graph(architecture.xception((*SIZE, 3), include_top=False))
    classes = len(fitted.classes)
    members = (
        ("pixels", Input((*SIZE, 3)), None),
        ("rescaling", Rescaling(1 / 127.5, -1.0), "pixels"),
        ("xception", inner, "rescaling"),
        ("avg_pool", GlobalAveragePooling2D(), "xception"),
        ("predictions", Dense(classes, "softmax"), "avg_pool"),
    )
    outline = Network(
        "xception_classifier",
        {
            name: Member(name, layer, (((source, 0, 0),) if source else (),), trainable=name != "xception")
            for name, layer, source in members
        },
        inputs=("pixels",),
        outputs=(("predictions", 0, 0),),
    )
    parameters: dict[str, Any] = {f"xception/{name}": arrays for name, arrays in base.parameters.items()}
    parameters["predictions"] = {"kernel": fitted.kernel, "bias": fitted.bias}
    return Model(network.flatten(outline), parameters, outline, as_class_names(fitted.classes))


def check_folders(photos: Sequence[Photograph], folders: Iterable[str]) -> list[str]:
    """What is odd about the folders of photographs, in words; ValueError for what cannot be taught.

    folders: all sub-folders, with or without photographs.
    """
    counts = Counter(photo.label for photo in photos)
    outside = counts.pop("", 0)
    spellings: dict[str, list[str]] = {}
    for label in sorted({*counts, *folders}):
        spellings.setdefault(" ".join(label.casefold().replace("_", " ").split()), []).append(label)
    twice = [" and ".join(map(repr, found)) for found in spellings.values() if len(found) > 1]
    if twice:
        raise ValueError(f"folders that differ in spelling only: {'; '.join(twice)}. Make one of each pair")
    alone = sorted(label for label, count in counts.items() if count < 2)
    if alone:
        raise ValueError(
            f"every class needs two photographs at least; there is one in {', '.join(alone)}. Add some, or "
            "take the folder away"
        )
    if len(counts) < 2:
        raise ValueError(
            f"each class needs a folder of its own, with photographs; found {', '.join(counts) or 'none'}"
        )
    words = [f"no photographs in {label}" for label in sorted(set(folders) - set(counts))]
    if outside:
        words.append(f"{outside} photographs lie in no sub-folder, and are left out")
    return words
