"""A graph together with its parameters, behind the interface that Keras users know."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import architecture
from ..console.html import preformatted
from ..console.progress import ProgressBar
from ..data.class_names import ClassNames, ClassNamesLike, as_class_names
from ..data.preprocessing import Preprocessing
from ..engine.plan import Plan
from ..graph import Graph, GraphParameters, Node, network
from ..graph.network import Network
from ..kernels import Array
from ..layers import Shape
from ..layers.base import as_whole
from . import inputs, summary
from .feature_maps import POOLINGS, last_maps, pooled
from .layer import ModelLayer


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
    not to be had, ModelFileError (a ValueError) for a file that does not fit.
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
    if not isinstance(input_shape, list | tuple) or len(input_shape) != 3:
        raise ValueError(f"input_shape must be (height, width, channels), got {input_shape}")
    if imagenet and input_shape[-1] != 3:
        raise ValueError(f"the ImageNet weights take 3 channels, not {input_shape[-1]}")

    graph = architecture.xception(
        tuple(input_shape), include_top, pooling, classes, classifier_activation or "linear"
    )
    if weights is None:
        return Model(graph, initial_parameters(graph, seed))
    from .. import formats
    from . import pretrained

    if imagenet:
        weights = pretrained.classifier() if include_top else pretrained.shipped_base()
    return Model(graph, formats.read_weights(weights, network.of_graph(graph), graph))


def load_model(path: str | os.PathLike[str]) -> Model:
    """The model in a file that Keras wrote: `.keras`, or a whole model as `.h5`.

    Any graph of the layers that are used around Xception, from Keras 1, 2 or 3. Nothing in the
    file is run: a layer that is not known here is refused by its name. Whatever precision Keras
    computed in, here it is float32.

    Raises FileNotFoundError, IsADirectoryError, or ModelFileError (a ValueError).
    """
    from .. import formats

    stored = formats.read_model(path)
    return Model(stored.graph, stored.parameters, stored.network, stored.class_names, stored.preprocessing)


def initial_parameters(graph: Graph, seed: int | None = None) -> dict[str, dict[str, Array]]:
    """Parameters as training would begin with; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    return {
        node.name: {name: parameter.initial_value(rng) for name, parameter in node.parameters.items()}
        for node in graph.nodes.values()
        if node.parameters
    }


class Model:
    """A network that predicts. Build one with `Xception(…)`, or `load_model(path)`."""

    def __init__(
        self,
        graph: Graph,
        parameters: GraphParameters,
        outline: Network | None = None,
        class_names: ClassNamesLike | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        self.graph = graph
        self.network = outline or network.of_graph(graph)  #: the same as Keras nests it
        self.class_names = class_names  # type: ignore[assignment]
        self.preprocessing = preprocessing or Preprocessing()
        self._set_parameters(parameters)

    def __repr__(self) -> str:
        shapes = f"{self.input_shape} -> {self.output_shape}"
        return f"<Model {self.name}: {shapes}, {self.count_params():,} parameters>"

    def _repr_html_(self) -> str:
        return preformatted(summary.table(self.graph, "keras", self.network))

    # --- what it is -------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, by which `predict` takes a dict."""
        return self.graph.inputs

    @property
    def input_shape(self) -> Any:
        """With the batch axis, as Keras gives it: (None, 299, 299, 3); for several inputs a list."""
        shapes = [(None, *self.graph.nodes[name].output_shape) for name in self.graph.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """With the batch axis, as Keras gives it: (None, 1000); for several outputs a list or dict."""
        return self._as_answers([(None, *self.graph.nodes[name].output_shape) for name in self.graph.outputs])

    @property
    def class_names(self) -> ClassNames | None:
        """(class id, name) of each class, if the file told. May be set, to names or such pairs, or to
        what `read_class_names` gives; `save` keeps them."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: ClassNamesLike | None) -> None:
        self._class_names = None if names is None else as_class_names(names)

    @property
    def parameters(self) -> GraphParameters:
        """{node name: {parameter name: float32 array}}; the arrays are not to be written to."""
        return self._parameters

    @property
    def plan(self) -> Plan:
        """The quick forward pass, for the activation of any node. It keeps its parameters, whatever
        weights the model is given later."""
        return self._plan

    @property
    def layers(self) -> list[ModelLayer]:
        """Every layer, in Keras's order. A network within this one is one layer, with its own."""
        return [ModelLayer(self, member, member.name) for member in network.listed(self.network)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> ModelLayer:
        """The layer of this name, or at this place in `layers`. Raises ValueError.

        A layer within a network within the model is found by its own name where only one bears it,
        and by "base/block1_conv1" in any case.
        """
        if (name is None) == (index is None):
            raise ValueError("give either a layer's name or its index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"there are {len(self.layers)} layers; there is none at {index}")
            return self.layers[index]
        everything = dict(network.walk(self.network))
        if name not in everything:
            ends = [path for path in everything if path.endswith(f"/{name}")]
            if len(ends) > 1:
                raise ValueError(f"{self.name} has several layers {name!r}: {', '.join(ends)}")
            if not ends:
                import difflib

                near = difflib.get_close_matches(str(name), everything, n=3)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(f"{self.name} has no layer {name!r}{hint}")
            name = ends[0]
        return ModelLayer(self, everything[name], name)

    def count_params(self) -> int:
        return self.graph.count_params()

    def summary(
        self, style: str = "keras", print_fn: Callable[[str], object] = print, expand_nested: bool = False
    ) -> None:
        """Print a table of the layers. style: "keras", or "dl4j" as Deeplearning4j prints it.

        expand_nested: also the layers of networks within the model.
        """
        print_fn(summary.table(self.graph, style, self.network, expand_nested))

    # --- computing --------------------------------------------------------------------------

    def predict(self, x: Any, batch_size: int | None = 32, verbose: str | int = "auto") -> Any:
        """The network's answers: (n, h, w, 3) -> (n, classes), float32.

        Without a classifier the answers are (n, h', w', 2048), or (n, 2048) with pooling.

        x: images scaled to −1…1 as `preprocess_input` does; pixels in 0…255 draw a warning, unless
            the model does its own scaling. For several inputs a list, or a dict by their names.
        batch_size: how many images to take at once. It changes neither answers nor, by much,
            memory: each thread computes an image at a time.
        verbose: 0 for silence, 1 for a bar, "auto" for a bar where it takes long.

        Returns a list, or a dict, where the model has several outputs. Raises ValueError for
        arrays that are no images of this model's size, or not finite.
        """
        names = self.graph.outputs
        y: dict[str, Array] = {}
        for part, count, values in self._run(x, names, batch_size, verbose):
            for name in names:
                if name not in y:
                    y[name] = np.empty((count, *values[name].shape[1:]), np.float32)
                y[name][part] = values[name]
        return self._as_answers([y[name] for name in names])

    def activations(
        self, x: Any, names: Sequence[str], batch_size: int | None = 32, verbose: str | int = 0
    ) -> dict[str, Array]:
        """What these layers give, raw: {name: (n, h, w, c) or (n, c), float32}.

        names: of layers, as `get_layer` finds them. Nothing behind the last of them is computed.
        Raises ValueError, as `predict` does.
        """
        nodes = {name: self.output_node(name) for name in names}
        parts = [values for _, _, values in self._run(x, tuple(nodes.values()), batch_size, verbose)]
        return {name: np.concatenate([part[node] for part in parts]) for name, node in nodes.items()}

    def features(
        self,
        x: Any,
        layers: str | Sequence[str] | None = None,
        pooling: str = "avg",
        batch_size: int | None = 8,
        verbose: str | int = "auto",
    ) -> Array:
        """Features of images: (n, h, w, 3) -> (n, c), float32, in one pass for all layers.

        layers: one or more, as `get_layer` finds them; by default the last that gives maps. Their
            features stand side by side in the order asked. Nothing behind the last is computed.
        pooling: what becomes of maps (h, w, c): "avg", "max", "min" or "sum" over space gives (c,),
            "none" keeps all (h·w·c,). Vectors stay as they are.

        Only a batch of maps is in memory at a time. Raises ValueError, as `predict` does.
        """
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        layers = [layers] if isinstance(layers, str) else layers
        nodes = [last_maps(self.graph)] if layers is None else [self.output_node(name) for name in layers]
        if not nodes:
            raise ValueError("name at least one layer to take features from")
        rows = [
            np.concatenate([pooled(values[node], pooling) for node in nodes], axis=1)
            for _, _, values in self._run(x, tuple(dict.fromkeys(nodes)), batch_size, verbose)
        ]
        return np.concatenate(rows)

    def feature_names(
        self, layers: str | Sequence[str] | None, pooling: str, size: tuple[int, int]
    ) -> list[str]:
        """A name for each of `features`' columns, for images of this (height, width)."""
        if layers is None:
            return [f"feature_{i}" for i in range(self._width(last_maps(self.graph), pooling, size))]
        layers = [layers] if isinstance(layers, str) else layers
        widths = {name: self._width(self.output_node(name), pooling, size) for name in layers}
        return [f"{name}_{i}" for name in layers for i in range(widths[name])]

    def _width(self, node: str, pooling: str, size: tuple[int, int]) -> int:
        shape = self._plan.shapes((*size, self.graph.nodes[self.graph.inputs[0]].output_shape[-1] or 3))[node]
        return int(shape[-1] if len(shape) == 3 and pooling != "none" else math.prod(map(int, shape)))  # type: ignore[arg-type]

    def output_node(self, name: str) -> str:
        """The node in the graph that gives what a layer of this name gives."""
        layer = self.get_layer(name)
        nodes = network.output_nodes(layer._member, layer.path)
        if len(nodes) > 1:
            raise ValueError(f"{name} has several outputs: {', '.join(nodes)}; name one of them")
        return nodes[0]

    def _run(
        self, x: Any, names: tuple[str, ...], batch_size: int | None, verbose: str | int
    ) -> Iterator[tuple[slice, int, dict[str, Array]]]:
        """(which images, of how many, what these nodes give for them), batch by batch."""
        entering = inputs.checked(self.graph, x)
        batch_size = 32 if batch_size is None else as_whole("batch_size", batch_size)
        plan = self._plan  # should another thread load weights meanwhile, this call keeps the old ones
        count = len(next(iter(entering.values())))
        with ProgressBar(count, "image", verbose) as bar:
            for start in range(0, max(count, 1), batch_size):  # of no images, no answers of the right shape
                part = slice(start, min(start + batch_size, count))
                batch = {name: np.ascontiguousarray(x[part], np.float32) for name, x in entering.items()}
                yield part, count, plan.run(batch, names)
                bar.advance(part.stop - part.start)

    def _as_answers(self, values: list[Any]) -> Any:
        """One for each output, in the form in which the model gives them."""
        if self.network.output_keys is not None:
            return dict(zip(self.network.output_keys, values, strict=True))
        return values[0] if len(values) == 1 else values

    # --- weights ----------------------------------------------------------------------------

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, in the order of Keras's `get_weights()`."""
        parameters = self._parameters  # these, should another thread load others meanwhile
        return [parameters[node.name][name].copy() for node in self._nodes() for name in node.parameters]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take arrays in the order of `get_weights()`. All are checked before one is taken."""
        self._take(self._nodes(), weights)

    def _nodes(self) -> list[Node]:
        return [self.graph.nodes[path] for path, _ in self.network.leaves()]

    def load_weights(
        self, path: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> None:
        """Take the weights of a file that Keras (1, 2 or 3) or this library wrote.

        by_name: take what is there for layers of the same names, and leave the others as they are.
        skip_mismatch: leave layers as they are for which the file has arrays of other shapes.

        Warns of everything that was not loaded; without a warning everything was. Raises
        FileNotFoundError, IsADirectoryError, or ModelFileError (a ValueError), and then leaves the
        model as it was.
        """
        from .. import formats

        found = formats.read_weights(path, self.network, self.graph, by_name, skip_mismatch)
        self._set_parameters({**self._parameters, **found})

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the weights: `.weights.h5` as Keras 3 does, any other `.h5` as Keras 2 does.

        Keras's `load_weights` reads both. An interrupted write leaves no file of this name, or the
        one that was there before.
        """
        from .. import formats

        formats.write_weights(path, self.network, self.graph, self._parameters)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole model as `.keras`, which Keras 3 and this library load; `labels` too.

        An interrupted write leaves no file of this name, or the one that was there before.
        """
        from .. import formats

        stored = formats.StoredModel(
            self.graph, self._parameters, self.network, self.class_names, self.preprocessing
        )
        formats.write_model(path, stored)

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
