"""Where a model looks: maps of what in a photograph speaks for a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..console.progress import ProgressBar
from ..data.class_names import ClassNamesLike
from ..data.images import load_image
from ..kernels import Array
from ..models.feature_maps import last_maps
from ..models.inputs import check_inputs, scales_pixels
from ..models.model import Model
from ..prediction.classifier import class_labels, each, image_size, scaled
from . import methods
from .grid import Grid
from .places import node_of
from .result import Explanation, shrunk
from .scores import Scores
from .targets import Target, Targets

if TYPE_CHECKING:
    from ..data.images import ImageLike

__all__ = ["Explanation", "Target", "explain"]

METHODS = ("grad-cam", "score-cam", "occlusion")
BLANK = {"tf": 0.0, "unit": 0.5, "none": 127.5}  #: the middle of the scale: grey


def explain(
    model: Model,
    x: ImageLike | Iterable[ImageLike],
    method: str = "grad-cam",
    target: Target = None,
    layer: str | None = None,
    *,
    top: int | None = None,
    labels: ClassNamesLike | str | os.PathLike[str] | None = None,
    scaling: str = "auto",
    channels: int = 64,
    patch: float = 0.25,
    verbose: str | int = "auto",
) -> Explanation:
    """What in the photographs speaks for a class, as a map of each.

    x: photographs as `xception.predict` takes them: paths, PIL images, arrays of pixels 0…255; or an
        array of floating-point numbers (n, h, w, 3), scaled as `model.predict` takes it.
    method: "grad-cam", from the gradients of the class's score, in little more than the time of a
        prediction; "score-cam", which tries what the score is of what each channel shows; or
        "occlusion", which covers one place after the other. See `methods`.
    target: the class: its number, its name or its id in `labels`. A list of them, or a pattern such
        as "*cat*", stands for several. None is each image's own best class.
    top: the `top` best classes of each image, instead of a target.
    layer: the name of the layer whose maps are looked at, as `model.get_layer` finds it. The last
        before the classifier unless given: "block14_sepconv2_act". Occlusion takes its resolution.
    labels, scaling: as for `xception.predict`.
    channels: how many channels Score-CAM tries, of those that vary most over the image: the time
        it takes is that of so many predictions.
    patch: the side of the square that Occlusion puts, as a part of the image's.
    verbose: 0 for silence, 1 for a bar, "auto" for a bar where it takes long.

    For one target, maps are (n, h, w); for several (n, targets, h, w). A score is the logit, where
    the model ends in softmax or sigmoid, else what the model gives. Probabilities would not do:
    near 1 they hardly change any more, so that the surest answers would have the least gradient;
    and softmax's tell as much about the other classes as about this one.

    Raises ValueError for a model that takes or gives something else than one photograph and the
    scores of its classes, for a layer without maps, and for a class that is not known; and what
    `load_image` raises.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if channels < 1 or not 0 < patch <= 1:
        raise ValueError(f"channels must be at least 1 and patch from 0 to 1, got {channels} and {patch}")
    names, size = class_labels(model, labels), image_size(model)
    targets = Targets(target, top, names)
    scores = Scores(model, len(names))
    node = last_maps(model.graph) if layer is None else node_of(model, layer)
    if scaling == "auto":
        scaling = "none" if scales_pixels(model.graph) else "tf"
    if isinstance(x, np.ndarray) and np.issubdtype(x.dtype, np.floating):
        entering = check_inputs(model.graph, x)[model.input_names[0]].astype(np.float32)
        pictures = [shrunk(pixels) for pixels in _pixels(entering, scaling)]
    else:
        photos = [load_image(image, None) for image in each(x)]
        entering = _entering(model, photos, size, scaling)
        pictures = [shrunk(pixels) for pixels in photos]

    h, w, c = scores.shape(node, entering.shape[1:])
    compute: Callable[..., methods.Found] = {
        "grad-cam": partial(methods.grad_cam),
        "score-cam": partial(methods.score_cam, channels=channels, blank=BLANK[scaling]),
        "occlusion": partial(methods.occlusion, patch=patch, blank=BLANK[scaling]),
    }[method]
    tries = {"score-cam": min(channels, c), "occlusion": h * w}.get(method, 1)
    count = targets.count
    maps = np.empty((len(entering), count, h, w), np.float32)
    chosen, found = np.empty((len(entering), count), np.intp), np.empty((len(entering), count), np.float32)
    with ProgressBar(len(entering) * tries, "prediction" if tries > 1 else "image", verbose) as bar:
        for part in methods.batches(scores, node, entering, method):
            maps[part], chosen[part], found[part] = compute(
                scores, node, entering[part], targets.of, advance=bar.advance
            )
    if targets.single:
        maps, chosen, found = maps[:, 0], chosen[:, 0], found[:, 0]
    grid = Grid.even(h, w) if method == "occlusion" else scores.grid(node, entering.shape[1:])
    return Explanation(maps, chosen, found, names, method, node, grid, tuple(pictures))


def _entering(model: Model, photos: list[NDArray[np.uint8]], size: tuple[int, int], scaling: str) -> Array:
    """(n, h, w, 3) as the model takes it."""
    if not photos:
        return np.empty((0, *size, 3), np.float32)
    return scaled(np.stack([load_image(photo, size) for photo in photos]), model, scaling)


def _pixels(x: Array, scaling: str) -> NDArray[np.uint8]:
    """What a model takes, as pixels 0…255."""
    scale, offset = {"tf": (127.5, 127.5), "unit": (255, 0), "none": (1, 0)}[scaling]
    return (x * scale + offset).round().clip(0, 255).astype(np.uint8)
