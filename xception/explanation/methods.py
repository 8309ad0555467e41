"""Explanation methods: Grad-CAM, Score-CAM, and occlusion.

Each computes a map (h, w) per image and class. Maps are rectified: evidence against a class is left out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from ..engine.plan import InputArrays
from ..engine.schedule_cache import InputShapes
from ..gradients import gradients, required_nodes
from ..graph.budget import check_memory
from ..kernels import Array, relu, softmax
from ..layers.validation import as_float, as_int
from .grid import Grid
from .scores import Scores
from .targets import Indices

MethodName = Literal["grad-cam", "score-cam", "occlusion"]
METHODS: tuple[MethodName, ...] = get_args(MethodName)

#: Images, or variants of an image, computed at once: enough to keep every thread busy.
BATCH_SIZE = 16
#: Activations of a batch that Grad-CAM keeps (256 MiB), except that one image may have more. Bounds
#: memory for early layers, whose maps are large.
MAX_BATCH_ELEMENTS = 64 << 20
#: Bytes of Score-CAM's masks for a pixel and a channel: the enlarged map, and two copies when it is scaled.
BYTES_PER_MASK_PIXEL = 16

Select = Callable[[Array], Indices]  #: probabilities (n, classes) -> indices of target classes (n, t)
CountPasses = Callable[[int], object]  #: called with the number of forward passes just done


class MethodResult(NamedTuple):
    """Maps of n images for t target classes each.

    Attributes:
        maps: (n, t, h, w) float32, 0 and above.
        targets: (n, t) class indices.
        scores: (n, t) float32 scores of these classes.
        probabilities: (n, t) float32 the same as `predict` gives them.
    """

    maps: Array
    targets: Indices
    scores: Array
    probabilities: Array

    def of_first_target(self) -> MethodResult:
        """Return all values without the axis for targets."""
        return MethodResult(self.maps[:, 0], self.targets[:, 0], self.scores[:, 0], self.probabilities[:, 0])


@dataclass(frozen=True)
class Method(ABC):
    """An explanation method for one model and one layer.

    Attributes:
        scores: The model's scores.
        node: The node whose maps are explained.
    """

    scores: Scores
    node: str

    def map_size(self, input_shapes: InputShapes) -> tuple[int, int]:
        """Return (h, w) of a map, for inputs of these shapes."""
        return self.scores.map_shape(self.node, input_shapes)[:2]

    def grid(self, input_shapes: InputShapes) -> Grid:
        """Return where a map's cells are, on images of these shapes."""
        return self.scores.grid(self.node, input_shapes)

    def batch_size(self, input_shapes: InputShapes) -> int:
        """Return how many images of these shapes are computed together."""
        return 1  # each image has many variants, which fill batches

    @abstractmethod
    def count_passes(self, input_shapes: InputShapes) -> int:
        """Return how many forward passes an image of these shapes takes, at most."""

    @abstractmethod
    def compute(self, x: InputArrays, select: Select, count: CountPasses) -> MethodResult:
        """Explain the scores of images.

        Args:
            x: (n, …) float32 by input, as the model takes it; n is at least 1.
            select: Selects the target classes.
            count: Called with the number of forward passes just done.
        """


def build_method(
    name: MethodName, scores: Scores, node: str, channels: int, patch: float, gray: float
) -> Method:
    """Return the method of this name.

    Args:
        name: "grad-cam", "score-cam" or "occlusion".
        scores: The model's scores.
        node: The node whose maps are explained.
        channels: How many channels Score-CAM uses, at least 1.
        patch: Side of occlusion's square, as a fraction of the image's, 0…1.
        gray: What a gray pixel is, scaled as the model takes it.

    Raises:
        ValueError: A value is out of range.
    """
    if name not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {name!r}")
    channels, patch = as_int("channels", channels), as_float("patch", patch)
    if not 0 < patch <= 1:
        raise ValueError(f"patch must be above 0 and at most 1, got {patch}")
    if name == "grad-cam":
        return GradCam(scores, node)
    if name == "score-cam":
        return ScoreCam(scores, node, channels, gray)
    return Occlusion(scores, node, patch, gray)


# --- by the gradient ------------------------------------------------------------------------


class GradCam(Method):
    """Grad-CAM: the sum of the channels, each weighted with the mean gradient of the score.

    With A the maps (h, w, k) and y the class's score,

        αₖ = mean over (i, j) of ∂y/∂Aᵢⱼₖ,    map = max(Σₖ αₖ Aₖ, 0).

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017, equations 1 and 2.
    """

    def batch_size(self, input_shapes: InputShapes) -> int:
        elements = self.scores.count_elements(self._nodes(), input_shapes)
        return self.scores.images_at_once(
            input_shapes, min(max(MAX_BATCH_ELEMENTS // elements, 1), BATCH_SIZE)
        )

    def count_passes(self, input_shapes: InputShapes) -> int:
        return 1

    def compute(self, x: InputArrays, select: Select, count: CountPasses) -> MethodResult:
        graph, parameters, output = self.scores.graph, self.scores.parameters, self.scores.output
        activations, scores, probabilities = self.scores.forward(x, self._nodes())
        targets = select(probabilities)  # (n, t)
        maps = []
        for target in targets.T:  # (n,)
            seeds = {output: self.scores.signs[target]}  # (n, outputs)
            slopes = gradients(graph, parameters, activations, seeds, [self.node])[self.node]  # (n, h, w, k)
            weights = slopes.mean(axis=(1, 2))  # (n, k)
            maps.append(np.einsum("nhwk,nk->nhw", activations[self.node], weights))
        count(len(scores))
        return _result(np.stack(maps, axis=1), targets, scores, probabilities)

    def _nodes(self) -> set[str]:
        return {self.node} | required_nodes(self.scores.graph, [self.node], [self.scores.output])


# --- by perturbation ------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreCam(Method):
    """Score-CAM: the sum of the channels, each weighted with the score of the image masked by it.

    Each map Aₖ is upsampled to the image, stretched to 0…1, and multiplied with the image as a mask.
    With yₖ the class's score for the masked image,

        αₖ = softmax over k of yₖ,    map = max(Σₖ αₖ Aₖ, 0).

    The paper subtracts the score of a blank image from each yₖ, which does not change the softmax. It
    uses all channels; here it is those whose maps have the largest standard deviation.

    Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks",
    CVPR Workshops 2020, algorithm 1.

    Attributes:
        channels: How many channels are used.
        gray: What a gray pixel is, scaled as the model takes it: masked parts become gray.
    """

    channels: int
    gray: float

    def count_passes(self, input_shapes: InputShapes) -> int:
        return min(self.channels, self.scores.map_shape(self.node, input_shapes)[2])

    def compute(self, x: InputArrays, select: Select, count: CountPasses) -> MethodResult:
        activations, scores, probabilities = self.scores.forward(x, [self.node])
        targets, grid = select(probabilities), self.grid(self.scores.input_shapes(x))
        maps = [
            self._explain(example, channels, grid, classes, count)
            for example, channels, classes in zip(_examples(x), activations[self.node], targets, strict=True)
        ]
        return _result(np.stack(maps), targets, scores, probabilities)

    def _explain(
        self, example: InputArrays, channels: Array, grid: Grid, targets: Indices, count: CountPasses
    ) -> Array:
        """Compute the maps (t, h, w) of one example from its channels (h, w, k)."""
        image = example[self.scores.image][0]
        order = np.argsort(-channels.std(axis=(0, 1)), kind="stable")[: self.channels]
        used = channels[..., order]
        used = used[..., np.ptp(used, axis=(0, 1)) > 0]  # (h, w, k'): a constant channel masks nothing
        height, width, _ = image.shape
        check_memory(self.scores.graph.name, height * width * used.shape[-1] * BYTES_PER_MASK_PIXEL)
        masks = _stretch(grid.upsample(used, image.shape[:2]))  # (H, W, k')

        def mask_image(channel: int) -> Array:
            return self.gray + (image - self.gray) * masks[..., channel, None]

        scores = _score_variants(self.scores, mask_image, masks.shape[-1], example, count)
        scores = scores[:, targets]  # (k', t)
        weights = softmax(scores, axis=0) if len(scores) else scores
        return np.moveaxis(used @ weights, -1, 0)


@dataclass(frozen=True)
class Occlusion(Method):
    """Occlusion: how much the score falls when a gray square covers a place.

    The square is centered on each cell of an even grid, which has as many cells as the node's maps. At
    the image's border it covers less.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.

    Attributes:
        patch: Side of the square, as a fraction of the image's height and width.
        gray: What a gray pixel is, scaled as the model takes it.
    """

    patch: float
    gray: float

    def grid(self, input_shapes: InputShapes) -> Grid:
        return Grid.even(*self.map_size(input_shapes))

    def count_passes(self, input_shapes: InputShapes) -> int:
        h, w = self.map_size(input_shapes)
        return h * w

    def compute(self, x: InputArrays, select: Select, count: CountPasses) -> MethodResult:
        _, scores, probabilities = self.scores.forward(x, ())
        targets, grid = select(probabilities), self.grid(self.scores.input_shapes(x))
        maps = [
            self._explain(example, grid, before[classes], classes, count)
            for example, before, classes in zip(_examples(x), scores, targets, strict=True)
        ]
        return _result(np.stack(maps), targets, scores, probabilities)

    def _explain(
        self, example: InputArrays, grid: Grid, before: Array, targets: Indices, count: CountPasses
    ) -> Array:
        """Compute the maps (t, h, w) of one example from the scores (t,) of the whole image."""
        image = example[self.scores.image][0]
        h, w = len(grid.rows), len(grid.columns)

        def cover(cell: int) -> Array:
            row, column = divmod(cell, w)
            covered = image.copy()
            rows = _span(grid.rows[row], self.patch, image.shape[0])
            covered[rows, _span(grid.columns[column], self.patch, image.shape[1])] = self.gray
            return covered

        after = _score_variants(self.scores, cover, h * w, example, count)[:, targets]  # (h·w, t)
        return (before - after).T.reshape(-1, h, w)


def _result(maps: Array, targets: Indices, scores: Array, probabilities: Array) -> MethodResult:
    """Rectify maps (n, t, h, w), and take the targets' values from those of all classes, (n, classes)."""
    of_targets = (np.take_along_axis(values, targets, axis=1) for values in (scores, probabilities))
    return MethodResult(relu(maps), targets, *of_targets)


def _examples(x: InputArrays) -> Iterator[InputArrays]:
    """Yield the examples of a batch, each as a batch of one."""
    count = min(map(len, x.values()))
    return ({name: array[i : i + 1] for name, array in x.items()} for i in range(count))


def _score_variants(
    scores: Scores, variant: Callable[[int], Array], variants: int, example: InputArrays, count: CountPasses
) -> Array:
    """Compute the scores (variants, classes) of variants of an image, made when they are needed.

    Other inputs are the same for all variants.
    """
    result = np.empty((variants, len(scores.signs)), np.float32)
    size = scores.images_at_once(scores.input_shapes(example), BATCH_SIZE)
    for start in range(0, variants, size):
        batch = range(start, min(start + size, variants))
        x = {
            name: np.repeat(array, len(batch), axis=0)
            for name, array in example.items()
            if name != scores.image
        }
        x[scores.image] = np.stack([variant(index) for index in batch]).astype(np.float32)
        result[start : batch.stop] = scores.compute(x)
        count(len(batch))
    return result


def _stretch(masks: Array) -> Array:
    """Scale each of (H, W, k) masks linearly to 0…1."""
    masks = masks - masks.min(axis=(0, 1))
    return masks / np.maximum(masks.max(axis=(0, 1)), np.finfo(masks.dtype).tiny)


def _span(center: float, patch: float, size: int) -> slice:
    """Return the pixels along an axis that a patch covers; center and patch are fractions of `size`."""
    side = max(round(patch * size), 1)
    start = round(center * size - side / 2)
    return slice(max(start, 0), max(start + side, 0))
