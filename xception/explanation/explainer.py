"""Explanation of a classifier's scores: which parts of a photograph support a class."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console.progress import Verbose
from ..data.failures import FailureLog, OnError
from ..data.photographs import Photograph, find_photographs
from ..data.pipeline import load_batches
from ..data.preprocessing import Aspect, Decode, Exif, Interpolation, Scaling, ScalingArgument
from ..engine.schedule_cache import InputShapes
from ..models.feature_maps import last_maps
from ..models.inputs import check_inputs, image_inputs
from ..models.model import Model
from ..prediction.classifier import ClassNamesArgument, ModelArgument, as_classifier, check_no_model
from ..prediction.preprocessing import GRAY
from .methods import MethodName, MethodResult, build_method
from .output import PictureOutput
from .passes import PassProgress
from .pictures import Pixels, as_rgb, show_framed, shrink
from .result import Explanation, concatenate
from .scores import Scores
from .targets import Target, TargetSelector

if TYPE_CHECKING:
    from ..data.images import ImageLike
    from ..data.photographs import ImagesLike

#: (scale, offset) that convert what a model takes to pixels 0…255.
TO_PIXELS: dict[Scaling, tuple[float, float]] = {"tf": (127.5, 127.5), "unit": (255, 0), "none": (1, 0)}


class Explainer:
    """A classifier with a method that explains its scores.

    The classifier's own preprocessing, class names and probabilities are used, so that explanations
    agree with `predict`.

    Args:
        classifier: A Classifier, a Model, the path of a model file, or None for the ImageNet classifier.
            The model may have other inputs besides the photograph: see `explain_inputs`.
        method: "grad-cam", "score-cam" or "occlusion"; see `explain`.
        target: The classes to explain; see `explain`.
        layer: The layer whose maps are explained; see `explain`.
        top: Explain this many best classes of each photograph, instead of `target`.
        channels: Channels that Score-CAM uses.
        patch: Side of occlusion's square, as a fraction of the image's.

    Attributes:
        classifier: The classifier. Weights that its model is given later are not used.
        method: The method's name.
        layer: The node of the graph whose maps are explained.
        image: The input that is explained: the one with photographs, on which the layer depends.

    Raises:
        ValueError: There is no such class or layer, the layer does not give maps or depends on several
            photographs, or an option is out of range.

    Examples:
        >>> import numpy as np, xception
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
        >>> explainer = Explainer(xception.Classifier(model, class_names=["cat", "dog"]), target="dog")
        >>> explainer.explain_inputs(np.zeros((4, 71, 71, 3), np.float32)).maps.shape
        (4, 3, 3)
    """

    def __init__(
        self,
        classifier: ModelArgument = None,
        *,
        method: MethodName = "grad-cam",
        target: Target = None,
        layer: str | None = None,
        top: int | None = None,
        channels: int = 64,
        patch: float = 0.25,
    ) -> None:
        self.classifier = as_classifier(classifier)
        self.method = method
        self.layer = find_map_node(self.classifier.model, layer)
        self.image = find_image(self.classifier.model, self.layer)
        self._selector = TargetSelector(target, top, self.classifier.class_names, self.classifier.task)
        gray = GRAY[self.classifier.scaling]
        self._method = build_method(
            method, Scores(self.classifier, self.image), self.layer, channels=channels, patch=patch, gray=gray
        )

    def __repr__(self) -> str:
        return f"<Explainer of {self.classifier.model.name} by {self.method} at {self.layer}>"

    def stream(self, images: ImagesLike, log: FailureLog, verbose: Verbose = "auto") -> Iterator[Explanation]:
        """Explain photographs batch by batch, as they are read, in bounded memory.

        Args:
            images: Photographs, as `explain` takes them.
            log: Records the photographs that cannot be read.
            verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

        Yields:
            The explanation of the photographs of a batch that could be read; at least one.

        Raises:
            ValueError: The model has other inputs besides the photograph.
        """
        yield from self.stream_photographs(find_photographs(images, log), log, verbose)

    def stream_photographs(
        self, photographs: Iterable[Photograph], log: FailureLog, verbose: Verbose = "auto"
    ) -> Iterator[Explanation]:
        """Compute what `stream` does, for photographs that have been listed."""
        preprocessor = self.classifier.preprocessor
        preprocessor.check_only_input()
        shapes: InputShapes = (preprocessor.input_shape,)

        def load(source: ImageLike) -> tuple[Pixels, Pixels]:
            pixels, photograph = preprocessor.load_both(source)
            if photograph is None:
                return pixels, shrink(as_rgb(pixels))
            return pixels, show_framed(photograph, preprocessor.size, preprocessor.aspect)

        total = len(photographs) if isinstance(photographs, Sequence) else None
        with self._progress_bar(total, shapes, verbose) as progress:
            for batch, loaded in load_batches(
                photographs, load, log, progress, self._method.batch_size(shapes)
            ):
                pixels, pictures = zip(*loaded, strict=True)
                x = {self.image: preprocessor.scale(np.stack(pixels))}
                result = self._method.compute(x, self._selector.select, progress.count)
                paths, indices = [p.path for p in batch], [p.index for p in batch]
                with progress.paused():
                    yield self._explanation(result, shapes, pictures, paths, indices)

    def explain_inputs(self, x: Any, verbose: Verbose = "auto") -> Explanation:
        """Explain images that are scaled already.

        Args:
            x: (n, h, w, c), scaled as `model.predict` takes them. For several inputs a list of arrays, or
                a dict by name.
            verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

        Returns:
            The explanation of the n images.

        Raises:
            ValueError: `x` has another shape, or is not finite.
        """
        checked = check_inputs(self.classifier.model.graph, x)
        arrays = {name: array.astype(np.float32, copy=False) for name, array in checked.items()}
        images, shapes = arrays[self.image], self._method.scores.input_shapes(arrays)
        n, t, size = len(images), self._selector.count, self._method.batch_size(shapes)
        maps = np.empty((0, t, *self._method.map_size(shapes)), np.float32)
        none = np.empty((0, t), np.float32)
        parts = [MethodResult(maps, none.astype(np.intp), none, none)]
        with self._progress_bar(n, shapes, verbose) as progress:
            for start in range(0, n, size):
                batch = {
                    name: np.ascontiguousarray(array[start : start + size]) for name, array in arrays.items()
                }
                parts.append(self._method.compute(batch, self._selector.select, progress.count))
                progress.advance(len(batch[self.image]))
        result = MethodResult(*map(np.concatenate, zip(*parts, strict=True)))
        scale, offset = TO_PIXELS[self.classifier.scaling]
        pictures = [shrink(as_rgb(image * scale + offset)) for image in images]
        return self._explanation(result, shapes, pictures, [None] * n, list(range(n)))

    def _progress_bar(self, total: int | None, shapes: InputShapes, verbose: Verbose) -> PassProgress:
        passes = self._method.count_passes(shapes)
        self._method.scores.check_passes(shapes, passes)
        return PassProgress(total, passes, verbose)

    def _explanation(
        self,
        result: MethodResult,
        shapes: InputShapes,
        pictures: Iterable[Pixels],
        paths: list[str | None],
        indices: list[int],
    ) -> Explanation:
        finite = np.isfinite(result.maps).all(axis=(1, 2, 3))  # (n,) of maps (n, t, h, w)
        if not finite.all():
            i = int(finite.argmin())
            name = paths[i] or f"photograph {indices[i]}"
            raise ValueError(f"{name}: what the model computes is not finite (NaN or infinity)")
        if self._selector.is_single:
            result = result.of_first_target()
        return Explanation(
            *result, self.classifier.class_names, self.classifier.task,
            self.method, self.layer, self._method.grid(shapes), tuple(pictures), paths, indices,
        )  # fmt: skip


def find_map_node(model: Model, layer: str | None) -> str:
    """Return the node whose maps are explained.

    Args:
        model: The model.
        layer: The name of a node, or of a layer as `model.get_layer` finds it. None for the last one
            before the classifier that gives maps.

    Raises:
        TypeError: `layer` is not a name.
        ValueError: There is no such layer, it does not give maps, or the output does not depend on it.
    """
    if layer is None:
        return last_maps(model.graph)
    if not isinstance(layer, str):
        raise TypeError(f"layer must be the name of one layer, got {type(layer).__name__}")
    name = layer if layer in model.graph.nodes else model.output_node(layer)
    node = model.graph.nodes[name]
    if len(node.output_shape) != 3:
        raise ValueError(
            f"{name} gives {(None, *node.output_shape)}, "
            "expected feature maps (None, height, width, channels)"
        )
    if name not in model.graph.ancestors(model.graph.outputs) or not node.inputs:
        raise ValueError(f"{name} is not between the input and the output of {model.name}")
    return name


def find_image(model: Model, layer: str) -> str:
    """Return the input with photographs that a node depends on.

    Raises:
        ValueError: There is none, or several.
    """
    needed = model.graph.ancestors([layer])
    names = [name for name in image_inputs(model.graph) if name in needed]
    if len(names) != 1:
        which = f"several photographs, {', '.join(names)}" if names else "no photograph"
        raise ValueError(f"{layer} depends on {which}; expected a layer that depends on one")
    return names[0]


def explain(
    images: ImagesLike,
    model: ModelArgument = None,
    *,
    method: MethodName = "grad-cam",
    target: Target = None,
    layer: str | None = None,
    top: int | None = None,
    class_names: ClassNamesArgument = None,
    scaling: ScalingArgument = "auto",
    interpolation: Interpolation | None = None,
    aspect: Aspect | None = None,
    exif: Exif | None = None,
    decode: Decode = "exact",
    from_logits: bool | None = None,
    output_name: str | None = None,
    channels: int = 64,
    patch: float = 0.25,
    output: str | os.PathLike[str] | None = None,
    on_error: OnError = "raise",
    verbose: Verbose = "auto",
) -> Explanation:
    """Show which parts of photographs support a class, as a map of each.

    Where the model ends in softmax or sigmoid, the logits before it are explained, else the model's own
    outputs. Probabilities are unsuitable: close to 1 they hardly change, so that the most certain
    predictions would have the smallest gradients, and softmax makes each depend on all other classes.

    Args:
        images: A path, a folder, a pattern, the bytes of a file, an open file, a PIL image, an array of
            pixels 0…255 (h, w, 3) or (n, h, w, 3); or a list or generator of these. For a model with
            other inputs besides the photograph, arrays as `model.predict` takes them. See
            `Explainer.explain_inputs` also for images that are scaled already.
        model: A Model, a Classifier, or the path of a model file. By default Xception with the ImageNet
            classifier.
        method: "grad-cam" uses the gradient of the class's score, and takes little longer than a
            prediction; "score-cam" computes the score of the image masked by each channel; "occlusion"
            computes the score with one part after the other covered.
        target: The class: its index, its name, or its id; a list of these, or a pattern such as `*cat*`,
            for several classes. None is each photograph's best class.
        layer: The name of the layer whose maps are explained, as `model.get_layer` finds it. By default
            the last that gives maps: "block14_sepconv2_act" in Xception. Occlusion uses its resolution.
        top: Explain this many best classes of each photograph, instead of `target`.
        class_names: As for `predict`.
        scaling: As for `predict`.
        interpolation: As for `predict`.
        aspect: As for `predict`.
        exif: As for `predict`.
        decode: As for `predict`.
        from_logits: As for `predict`.
        output_name: As for `predict`.
        channels: How many channels Score-CAM uses: those that vary most over the image. Each takes the
            time of a prediction.
        patch: Side of the square that occlusion covers, as a fraction of the image's, above 0 and at
            most 1.
        output: Where to write pictures: a file that ends in .png, .jpg or the like, for one picture of
            all photographs (the first 16); or a folder, for a picture of each. A name without a suffix
            is a folder, which is created. No photograph is overwritten.
        on_error: What to do with a photograph that cannot be read: "raise", "skip", or a function that
            is called with each `Failure`.
        verbose: "auto" for a progress bar if there are several, 0 for none, 1 for one in any case.

    Returns:
        The explanation of the photographs that could be read. `maps` is (n, h, w) for one class, and
        (n, classes, h, w) for several.

    Raises:
        TypeError: `images`, `model` or `layer` is of another type.
        ValueError: There is no such class or layer, an option is unknown or out of range, or `output` is
            one of the photographs; and what `predict` raises.
        GraphError: A layer behind the maps has no gradient rule (Grad-CAM).
        OSError: A photograph or model file cannot be read, or a picture cannot be written.

    Examples:
        >>> import xception
        >>> model = xception.Xception(weights=None, classes=2, input_shape=(71, 71, 3), seed=0)
        >>> explanation = explain("examples/c*.jpg", model, class_names=["cat", "cup"], target="cat")
        >>> explanation
        <Explanation by grad-cam at block14_sepconv2_act: 2 photographs, maps (2, 3, 3)>
        >>> explanation.overlay(0).size
        (451, 300)
    """
    check_no_model("explain(images, model)", images=images)
    classifier = as_classifier(
        model, class_names=class_names, scaling=scaling, interpolation=interpolation, aspect=aspect,
        exif=exif, decode=decode, from_logits=from_logits, output_name=output_name,
    )  # fmt: skip
    explainer = Explainer(
        classifier, method=method, target=target, layer=layer, top=top, channels=channels, patch=patch
    )
    log = FailureLog(on_error)
    takes_arrays = len(classifier.model.input_names) > 1
    photographs = [] if takes_arrays else find_photographs(images, log)
    pictures = None
    if output is not None:
        pictures = PictureOutput(output, photographs if isinstance(photographs, Sequence) else None)
    if takes_arrays:
        explanation = explainer.explain_inputs(images, verbose)
        if pictures is not None:
            pictures.write(explanation)
        return explanation
    # Without a photograph that can be read, the empty part has the right shapes.
    parts = [explainer.explain_inputs(np.empty((0, *classifier.preprocessor.input_shape), np.float32))]
    for part in explainer.stream_photographs(photographs, log, verbose):
        parts.append(part)
        if pictures is not None and pictures.is_folder:
            pictures.write(part)
    explanation = replace(concatenate(parts), failures=log.failures)
    if pictures is not None and not pictures.is_folder:
        pictures.write(explanation)
    return explanation
