"""A graph together with its parameters, behind the interface that Keras users know."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from . import architecture, summary
from .graph import Graph, GraphParameters, Node
from .kernels import Array
from .layers import Shape
from .plan import Plan
from .progress import ProgressBar


def Xception(  # noqa: N802, the name is Keras's
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_shape: Shape | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    *,
    seed: int | None = None,
) -> Model:
    """Xception, as `keras.applications.Xception` builds it.

    include_top: with the classifier (22,910,480 parameters) or without (20,861,480).
    weights: "imagenet", the path of a weights file, or None for fresh ones as Keras's
        initialisers draw them, from `seed` if one is given.
    input_shape: (h, w, 3), at least 71×71; a size that is None stays open until an image
        comes. By default (299, 299, 3) with the classifier, (None, None, 3) without.
    pooling: without the classifier, what to make of the last maps (h, w, 2048): None leaves
        them, "avg" and "max" give (2048,).
    classes, classifier_activation: of the classifier; activation None gives logits.

    "imagenet" with the classifier is the file that Keras publishes: from a cache, else
    downloaded. Without, it is the base shipped with this library, rounded to float16.

    Raises ValueError for settings that do not go together, DownloadError where the weights are
    not to be had, WeightsFileError (a ValueError) for a file that does not fit.
    """
    imagenet = weights == "imagenet"
    if pooling not in (None, *architecture.POOLINGS):
        raise ValueError(f'pooling must be None, "avg" or "max", got {pooling!r}')
    if include_top and imagenet and classes != 1000:
        raise ValueError(f"the ImageNet classifier has 1000 classes, not {classes}")
    if include_top and imagenet and classifier_activation not in (None, "linear", "softmax"):
        raise ValueError("the ImageNet classifier was trained with softmax; its activation is that or None")
    if input_shape is None:
        input_shape = (299, 299, 3) if include_top else (None, None, 3)
    if len(input_shape) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), got {input_shape}")
    if imagenet and input_shape[-1] != 3:
        raise ValueError(f"the ImageNet weights take 3 channels, not {input_shape[-1]}")

    graph = architecture.xception(
        tuple(input_shape), include_top, pooling, classes, classifier_activation or "linear"
    )
    if weights is None:
        return Model(graph, initial_parameters(graph, seed))
    from . import keras_files, pretrained

    if imagenet:
        weights = pretrained.classifier() if include_top else pretrained.shipped_base()
    return Model(graph, keras_files.read_weights(weights, graph))


def initial_parameters(graph: Graph, seed: int | None = None) -> dict[str, dict[str, Array]]:
    """Parameters as training would begin with; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return {
        node.name: {name: parameter.initial_value(rng) for name, parameter in node.parameters.items()}
        for node in graph.nodes.values()
        if node.parameters
    }


class Model:
    """A network that predicts. Build one with `Xception(…)`."""

    def __init__(self, graph: Graph, parameters: GraphParameters) -> None:
        self.graph = graph
        self._set_parameters(parameters)

    def __repr__(self) -> str:
        shapes = f"{self.input_shape} -> {self.output_shape}"
        return f"<Model {self.name}: {shapes}, {self.count_params():,} parameters>"

    # --- what it is -------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def input_shape(self) -> Shape:
        """With the batch axis, as Keras gives it: (None, 299, 299, 3)."""
        return (None, *self.graph.input.output_shape)

    @property
    def output_shape(self) -> Shape:
        """With the batch axis, as Keras gives it: (None, 1000)."""
        return (None, *self.graph.nodes[self._output].output_shape)

    @property
    def parameters(self) -> GraphParameters:
        """{node name: {parameter name: float32 array}}; the arrays are not to be written to."""
        return self._parameters

    @property
    def layers(self) -> list[ModelLayer]:
        """Every layer, in Keras's order."""
        return [ModelLayer(self, node) for node in self.graph.topological_order()]

    def get_layer(self, name: str | None = None, index: int | None = None) -> ModelLayer:
        """The layer of this name, or at this place in `layers`. Raises ValueError."""
        if (name is None) == (index is None):
            raise ValueError("give either a layer's name or its index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"there are {len(self.layers)} layers; there is none at {index}")
            return self.layers[index]
        assert name is not None
        if name not in self.graph.nodes:
            import difflib

            near = difflib.get_close_matches(name, self.graph.nodes, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(f"{self.name} has no layer {name!r}{hint}")
        return ModelLayer(self, self.graph.nodes[name])

    def count_params(self) -> int:
        return self.graph.count_params()

    def summary(self, style: str = "keras", print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers. style: "keras", or "dl4j" as Deeplearning4j prints it."""
        print_fn(summary.table(self.graph, style))

    # --- computing --------------------------------------------------------------------------

    def predict(self, x: ArrayLike, batch_size: int | None = 32, verbose: str | int = "auto") -> Array:
        """The network's answers: (n, h, w, 3) -> (n, classes), float32.

        Without a classifier the answers are (n, h', w', 2048), or (n, 2048) with pooling.

        x: images scaled to −1…1 as `preprocess_input` does; pixels in 0…255 draw a warning.
        batch_size: how many images to take at once. It changes neither answers nor, by much,
            memory: each thread computes an image at a time.
        verbose: 0 for silence, 1 for a bar, "auto" for a bar where it takes long.

        Raises ValueError for arrays that are no images of this model's size, or not finite.
        """
        images = self._checked(x)
        batch_size = 32 if batch_size is None else batch_size
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        plan = self._plan  # should another thread load weights meanwhile, this call keeps the old ones
        output_shape = cast(tuple[int, ...], plan.shapes(images.shape[1:])[self._output])
        y = np.empty((len(images), *output_shape), np.float32)
        with ProgressBar(len(images), "image", verbose) as bar:
            for start in range(0, len(images), batch_size):
                batch = np.ascontiguousarray(images[start : start + batch_size], np.float32)
                y[start : start + batch_size] = plan.run(batch)[self._output]
                bar.advance(len(batch))
        return y

    @property
    def _output(self) -> str:
        (output,) = self.graph.outputs
        return output

    def _checked(self, x: ArrayLike) -> Array:
        """`x` as an array that this model can take, or a ValueError that says why not."""
        wanted = tuple("any" if size is None else size for size in self.input_shape[1:])
        expected = f"expected images of shape (n, {', '.join(map(str, wanted))})"
        try:
            images = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{expected}, got a list of arrays that differ in shape") from error
        if not np.issubdtype(images.dtype, np.number) or np.iscomplexobj(images):
            raise ValueError(f"{expected} and real numbers, got an array of {images.dtype}")
        if images.ndim != 4:
            hint = "; a single image needs a batch axis: x[np.newaxis]" if images.ndim == 3 else ""
            raise ValueError(f"{expected}, got shape {images.shape}{hint}")
        for size, fixed in zip(images.shape[1:], self.input_shape[1:], strict=True):
            if fixed is not None and size != fixed:
                raise ValueError(f"{expected}, got shape {images.shape}")
        if images.size:
            low, high = images.min(), images.max()  # both are NaN if a single pixel is
            with np.errstate(over="ignore"):  # beyond float32 is infinity too
                finite = np.isfinite(np.float32(low)) and np.isfinite(np.float32(high))
            if not finite:
                raise ValueError("the images hold numbers that are not finite (NaN or infinity)")
            if images.dtype == np.uint8 or (low >= 0 and high > 2):
                warnings.warn(
                    f"the images hold {images.dtype} from {low} to {high}, but Xception was trained on "
                    "−1…1: did you forget xception.preprocess_input(x)?",
                    stacklevel=3,
                )
        return images

    # --- weights ----------------------------------------------------------------------------

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, in the order of Keras's `get_weights()`."""
        parameters = self._parameters  # these, should another thread load others meanwhile
        return [
            parameters[node.name][name].copy()
            for node in self.graph.topological_order()
            for name in node.parameters
        ]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take arrays in the order of `get_weights()`. All are checked before one is taken."""
        self._take(self.graph.topological_order(), weights)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Take the weights of a file that Keras (1, 2 or 3) or this library wrote.

        Raises FileNotFoundError, IsADirectoryError, or WeightsFileError (a ValueError), and then
        leaves the model as it was.
        """
        from . import keras_files

        self._set_parameters(keras_files.read_weights(path, self.graph))

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights as `.h5`, which Keras's `load_weights` reads too.

        An interrupted write leaves no file of this name, or the one that was there before.
        """
        from . import keras_files

        keras_files.write_weights(Path(path), self.graph, self._parameters)

    def _take(self, nodes: Sequence[Node], weights: Sequence[ArrayLike]) -> None:
        """New arrays for these nodes' parameters, in order, or a ValueError and no change."""
        places = [(node, name) for node in nodes for name in node.parameters]
        if len(weights) != len(places):
            raise ValueError(f"expected {len(places)} arrays, got {len(weights)}")
        changed = {name: dict(arrays) for name, arrays in self._parameters.items()}
        for (node, name), value in zip(places, weights, strict=True):
            array = np.array(value, np.float32)
            expected = node.parameters[name].shape
            if array.shape != expected:
                raise ValueError(f"{node.name}: {name} should have shape {expected}, got {array.shape}")
            changed[node.name][name] = array
        self._set_parameters(changed)

    def _set_parameters(self, parameters: GraphParameters) -> None:
        """The one place where a model's numbers change, all at once."""
        for arrays in parameters.values():
            for array in arrays.values():
                array.flags.writeable = False
        self._parameters: Mapping[str, Mapping[str, Array]] = parameters
        self._plan = Plan(self.graph, parameters)


class ModelLayer:
    """One layer of a model: its place, its settings, its weights."""

    def __init__(self, model: Model, node: Node) -> None:
        self._model = model
        self._node = node

    def __repr__(self) -> str:
        return f"<{self._node.kind} {self.name}: {self.output_shape}, {self.count_params():,} parameters>"

    @property
    def name(self) -> str:
        return self._node.name

    @property
    def settings(self) -> object:
        """The layer itself, for example Conv2D(filters=32, kernel_size=3, …)."""
        return self._node.layer

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the layers that it reads."""
        return self._node.inputs

    @property
    def output_shape(self) -> Shape:
        """With the batch axis: (None, 19, 19, 728)."""
        return (None, *self._node.output_shape)

    def count_params(self) -> int:
        return self._node.count_params()

    def get_weights(self) -> list[Array]:
        """Copies of its arrays, in Keras's order."""
        return [array.copy() for array in self._weights()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take arrays in the order of `get_weights()`; on ValueError the layer is unchanged."""
        self._model._take([self._node], weights)

    def _weights(self) -> list[Array]:
        arrays = self._model.parameters.get(self.name, {})
        return [arrays[name] for name in self._node.parameters]
