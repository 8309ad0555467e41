"""Three ways to ask what a score comes from. Each gives (n, targets, h, w): what speaks for the class.

What speaks against it is left out: all of them are rectified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..gradients import gradients, reads
from ..kernels import Array, relu, softmax
from .grid import Grid
from .scores import Scores

BATCH = 16  #: images, or tries, computed at once
NUMBERS = 64 << 20  #: activations that are held at once, at most, if a single image has not more

Pick = Callable[[Array], NDArray[np.intp]]  #: scores (n, classes) -> the targets, (n, t)
Advance = Callable[[int], None]  #: says how much more is done
Found = tuple[Array, NDArray[np.intp], Array]  #: maps (n, t, h, w), targets (n, t), their scores (n, t)


def batches(scores: Scores, node: str, x: Array, method: str) -> Iterator[slice]:
    """Images that are worked on together: one, where there are many tries of each."""
    size = 1
    if method == "grad-cam" and len(x):
        one = scores.size(_needed(scores, node), x.shape[1:])
        size = min(max(NUMBERS // one, 1), BATCH)
    for start in range(0, len(x), size):
        yield slice(start, start + size)


# --- by the gradient ------------------------------------------------------------------------


def grad_cam(scores: Scores, node: str, x: Array, pick: Pick, advance: Advance) -> Found:
    """Grad-CAM: the sum of the channels, each as much as the score grows with it.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization" (ICCV 2017), equations 1 and 2: with A the maps (h, w, k), and y the score,
    αₖ = mean over (i, j) of dy/dAᵢⱼₖ, and the map is max(Σₖ αₖ Aₖ, 0).
    """
    values = scores.values(x, _needed(scores, node))
    targets = pick(scores.of(values))
    parts = []
    for target in targets.T:  # (n,)
        seeds = {scores.output: scores.signs[target]}  # (n, outputs)
        slopes = gradients(scores.graph, scores.parameters, values, seeds, [node])[node]
        weights = slopes.mean(axis=(1, 2))  # (n, k)
        parts.append(np.einsum("nhwk,nk->nhw", values[node], weights))
    advance(len(x))
    return relu(np.stack(parts, axis=1)), targets, _of_targets(scores.of(values), targets)


def _needed(scores: Scores, node: str) -> set[str]:
    return {node} | reads(scores.graph, [node], [scores.output])


# --- by trying ------------------------------------------------------------------------------


def score_cam(
    scores: Scores, node: str, x: Array, pick: Pick, advance: Advance, channels: int, blank: float
) -> Found:
    """Score-CAM: the sum of the channels, each as much as what it shows scores by itself.

    Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks"
    (CVPR Workshops 2020), algorithm 1: each map Aₖ, enlarged to the image and stretched to 0…1, is
    laid over the image as a mask; αₖ = softmax over k of the scores; the map is max(Σₖ αₖ Aₖ, 0).
    That scores are counted from the blank image's makes no difference to the softmax.

    The paper tries all channels. Here it is those that vary most over the image.
    """
    values, grid = scores.values(x, [node]), scores.grid(node, x.shape[1:])
    targets = pick(scores.of(values))
    parts = []
    for image, maps, wanted in zip(x, values[node], targets, strict=True):
        chosen = np.argsort(-maps.std(axis=(0, 1)), kind="stable")[:channels]
        shown = maps[..., chosen]
        shown = shown[..., np.ptp(shown, axis=(0, 1)) > 0]  # (h, w, tried): what is even hides nothing
        masks = _stretched(grid.enlarged(shown, image.shape[:2]))  # (H, W, tried)

        def masked(k: int, image: Array = image, masks: Array = masks) -> Array:
            return blank + (image - blank) * masks[..., k, None]

        found = _tried(scores, masked, masks.shape[-1], advance)  # (tried, classes)
        advance(len(chosen) - masks.shape[-1])
        weights = softmax(found[:, wanted], axis=0) if len(found) else found[:, wanted]  # (tried, t)
        parts.append(np.moveaxis(shown @ weights, -1, 0))  # (t, h, w)
    return relu(np.stack(parts)), targets, _of_targets(scores.of(values), targets)


def occlusion(
    scores: Scores, node: str, x: Array, pick: Pick, advance: Advance, patch: float, blank: float
) -> Found:
    """Occlusion: how much the score falls when a grey patch covers the place.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section
    4.2. As many places as the node's maps have cells share the image evenly, and the patch stands in
    the middle of each in turn. Where it reaches over the image's border, less is covered.
    """
    values = scores.values(x, [node])
    targets, (h, w) = pick(scores.of(values)), values[node].shape[1:3]
    grid = Grid.even(h, w)
    parts = []
    for image, before, wanted in zip(x, scores.of(values), targets, strict=True):

        def covered(place: int, image: Array = image) -> Array:
            row, column = divmod(place, w)
            one = image.copy()
            rows = _span(grid.rows[row], patch, image.shape[0])
            one[rows, _span(grid.columns[column], patch, image.shape[1])] = blank
            return one

        found = _tried(scores, covered, h * w, advance)  # (h·w, classes)
        fallen = (before - found)[:, wanted]  # (h·w, t)
        parts.append(fallen.T.reshape(-1, h, w))
    return relu(np.stack(parts)), targets, _of_targets(scores.of(values), targets)


def _tried(scores: Scores, made: Callable[[int], Array], count: int, advance: Advance) -> Array:
    """The scores (count, classes) of images that are made one by one."""
    found = np.empty((count, len(scores.signs)), np.float32)
    for start in range(0, count, BATCH):
        part = range(start, min(start + BATCH, count))
        found[part.start : part.stop] = scores(np.stack([made(place) for place in part]).astype(np.float32))
        advance(len(part))
    return found


def _stretched(masks: Array) -> Array:
    """(H, W, k), each from 0 to 1."""
    masks = masks - masks.min(axis=(0, 1))
    return masks / np.maximum(masks.max(axis=(0, 1)), np.finfo(masks.dtype).tiny)


def _span(middle: float, patch: float, size: int) -> slice:
    """The pixels along one axis that a patch covers. middle, patch: as parts of the image's size."""
    side = max(round(patch * size), 1)
    start = round(middle * size - side / 2)
    return slice(max(start, 0), max(start + side, 0))


def _of_targets(scores: Array, targets: NDArray[np.intp]) -> Array:
    return np.take_along_axis(scores, targets, axis=1)
