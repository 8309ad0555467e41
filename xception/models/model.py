"""A model: a graph with its parameters, with the interface of a Keras model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..console.progress import Verbose
from ..data.class_names import ClassNamesLike
from ..data.preprocessing import Preprocessing
from ..data.tasks import Task
from ..graph import Graph, GraphParameters, Network, Node
from ..graph.budget import check_names
from ..kernels import Array
from .batches import check_results, run_batches
from .feature_maps import Pooling, check_pooling, count_features, pool_maps
from .inputs import check_batch_size, check_inputs
from .layer import as_layer_names
from .parameters import ParameterStore, initial_parameters
from .record import ModelRecord
from .saving import SavableModel
from .structure import pack_outputs


class Model(SavableModel):
    """A network with its parameters: it predicts, gives features, and is saved and loaded.

    Most models come from `Xception(…)` or `load_model(path)`. The constructor makes one of a graph
    that was built by hand.

    Args:
        graph: The network. The model keeps a copy that cannot be changed.
        parameters: {node: {parameter: array}}, with exactly the parameters of the graph. float32 arrays
            are not copied: they become read-only. None draws random ones.
        network: The same network as Keras nests it. None if no network is nested in it.
        class_names: Names of the classes; see the property `class_names`.
        preprocessing: How photographs become input; see the property `preprocessing`.
        seed: Seed of random parameters.
        task: What the outputs mean; see the property `task`.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: Parameters are missing, unknown or of wrong shapes; the message names the first few.

    Examples:
        >>> import numpy as np, xception
        >>> from xception.layers import Conv2D, Dense, GlobalAveragePooling2D, Input
        >>> net = xception.Graph("small")
        >>> x = net.add(Input((32, 32, 3)))
        >>> x = net.add(Conv2D(8, 3, activation="relu"), x)
        >>> x = net.add(GlobalAveragePooling2D(), x)
        >>> x = net.add(Dense(5, "softmax"), x)
        >>> model = xception.Model(net, seed=0)
        >>> model
        <Model small: (None, 32, 32, 3) -> (None, 5), 269 parameters>
        >>> model.predict(np.zeros((2, 32, 32, 3))).shape
        (2, 5)
    """

    def __init__(
        self,
        graph: Graph,
        parameters: GraphParameters | None = None,
        network: Network | None = None,
        class_names: ClassNamesLike | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        seed: int | None = None,
        task: Task | None = None,
    ) -> None:
        if not isinstance(graph, Graph):
            raise TypeError(f"expected an xception.Graph, got a {type(graph).__name__}")
        graph = graph.frozen()
        store = ParameterStore(graph, initial_parameters(graph, seed) if parameters is None else parameters)
        super().__init__(graph, Network.from_graph(graph) if network is None else network, store)
        ModelRecord.__init__(self, class_names, preprocessing, task)

    # --- computing --------------------------------------------------------------------------

    def predict(self, x: Any, batch_size: int | None = 32, verbose: Verbose = "auto") -> Any:
        """Compute the outputs of the network.

        Args:
            x: Images (n, height, width, 3) of any real dtype, scaled as in training: for Xception to
                −1…1, as by `preprocess_input`. Pixels 0…255 raise a warning, unless the model scales
                them itself. A model with `TimeDistributed` takes videos (n, frames, height, width, 3).
                For several inputs a list of arrays, or a dict by name.
            batch_size: Images, or videos, per batch; None for 32. It does not affect the outputs, and
                barely the memory used, since each thread computes one image at a time.
            verbose: Progress bar: "auto" shows one if the call takes long, 0 never, 1 at once.

        Returns:
            The outputs, float32: (n, classes) with a classifier, (n, h', w', 2048) without,
            (n, 2048) with pooling. A list or a dict of arrays if the model has several outputs.

        Raises:
            TypeError: `x` is not an array, but for example a generator or a path.
            ValueError: `x` has the wrong shape or dtype or holds NaN or infinity, or another argument
                is invalid.
            LimitError: It would take more memory or work than the limits allow; see `set_limits`.

        Examples:
            >>> import numpy as np, xception
            >>> model = xception.Xception(weights=None, input_shape=(71, 71, 3), classes=5)
            >>> model.predict(np.zeros((2, 71, 71, 3))).shape
            (2, 5)
        """
        names = self.graph.outputs
        y: dict[str, Array] = {}
        for part, count, values in self._run(x, names, batch_size, verbose, keeps_all=True):
            for name in names:
                if name not in y:
                    y[name] = np.empty((count, *values[name].shape[1:]), np.float32)
                y[name][part] = values[name]
        return pack_outputs(self.network, [y[name] for name in names])

    def activations(
        self,
        x: Any,
        names: str | Iterable[str],
        batch_size: int | None = 32,
        verbose: Verbose = 0,
    ) -> dict[str, Array]:
        """Compute the activations of layers. Layers after the last of them are not computed.

        Args:
            x: The input, as for `predict`.
            names: One or more names of layers, as for `get_layer`.
            batch_size: Images per batch; None for 32.
            verbose: Progress bar, as for `predict`.

        Returns:
            {name: activation}: (n, h, w, c) or (n, c), float32.

        Raises:
            TypeError: As for `predict`; or `names` is not a name or a list of names.
            ValueError: As for `predict`; or there is no such layer.
        """
        nodes = {name: self.output_node(name) for name in as_layer_names(names)}
        run = self._run(x, tuple(nodes.values()), batch_size, verbose, keeps_all=True)
        parts = [values for _, _, values in run]
        return {name: np.concatenate([part[node] for part in parts]) for name, node in nodes.items()}

    def features(
        self,
        x: Any,
        layers: str | Iterable[str] | None = None,
        pooling: Pooling = "avg",
        batch_size: int | None = 8,
        verbose: Verbose = "auto",
    ) -> Array:
        """Compute features: activations of layers, pooled over space, one row per image.

        All are computed in one pass, which ends with the last of these layers. Only one batch of maps is
        in memory at a time.

        Args:
            x: The input, as for `predict`.
            layers: One or more names of layers, as for `get_layer`. By default the last layer that
                gives maps. The features of several layers are concatenated in this order.
            pooling: Pooling of maps (h, w, c): "avg", "max", "min" or "sum" over space gives (c,),
                "none" keeps (h·w·c,). Vectors (c,) stay as they are. Of a video, the features of all
                frames follow each other.
            batch_size: Images per batch; None for 32.
            verbose: Progress bar, as for `predict`.

        Returns:
            (n, features), float32.

        Raises:
            TypeError: As for `predict`; or `layers` is not a name or a list of names.
            ValueError: As for `predict`; or there is no such layer, or `layers` is empty.

        Examples:
            >>> import numpy as np, xception
            >>> base = xception.Xception(include_top=False)
            >>> x = np.zeros((1, 96, 96, 3))
            >>> base.features(x).shape
            (1, 2048)
            >>> base.features(x, ["block4_pool", "block13_pool"]).shape
            (1, 1752)
        """
        check_pooling(pooling)
        nodes = self.feature_nodes(layers)
        rows = [
            np.concatenate([pool_maps(values[node], pooling) for node in nodes], axis=1)
            for _, _, values in self._run(x, tuple(dict.fromkeys(nodes)), batch_size, verbose)
        ]
        return np.concatenate(rows)

    def feature_names(
        self, layers: str | Iterable[str] | None, pooling: Pooling, size: tuple[int, int]
    ) -> list[str]:
        """Return a name for each column of `features`: "block4_pool_0", or "feature_0" by default.

        Args:
            layers: As for `features`.
            pooling: As for `features`.
            size: (height, width) of the images.
        """
        check_pooling(pooling)
        names = ["feature"] if layers is None else as_layer_names(layers)
        channels = self.graph.nodes[self.graph.inputs[0]].output_shape[-1] or 3
        shapes = self.plan.shapes((*size, channels))
        counts = [count_features(shapes[node], pooling) for node in self.feature_nodes(layers)]
        check_names(self.name, sum(counts))
        return [f"{name}_{i}" for name, count in zip(names, counts, strict=True) for i in range(count)]

    def _run(
        self, x: Any, nodes: tuple[str, ...], batch_size: int | None, verbose: Verbose,
        keeps_all: bool = False,
    ) -> Iterator[tuple[slice, int, dict[str, Array]]]:  # fmt: skip
        """Check the input and return an iterator over batches.

        `keeps_all` means that the caller keeps the activations of all batches.

        Yields:
            The slice of the input, the length of the whole input, and the activations by node.
        """
        arrays = check_inputs(self.graph, x, stacklevel=4)
        if keeps_all:
            check_results(self.plan, arrays, nodes)
        return run_batches(self.plan, arrays, nodes, check_batch_size(batch_size), verbose)

    # --- weights ----------------------------------------------------------------------------

    def get_weights(self) -> list[Array]:
        """Return copies of all arrays, in the order of Keras's `get_weights()`."""
        return self.parameter_store.get(self._nodes_in_order())

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all arrays.

        Args:
            weights: Arrays in the order and of the shapes of `get_weights()`. They are copied.

        Raises:
            TypeError: `weights` is not a list or tuple.
            ValueError: An array is missing, or has another shape. The model is unchanged then.
        """
        self.parameter_store.set(self._nodes_in_order(), weights)

    def _nodes_in_order(self) -> list[Node]:
        """Return the nodes of all layers, in the order of Keras's weights."""
        return [self.graph.nodes[path] for path, _ in self.network.leaves()]

    def load_weights(
        self, path: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> None:
        """Load weights that Keras (1, 2 or 3) or this library saved.

        A warning names everything that was not loaded; without one, everything was.

        Args:
            path: A weights file or a whole model, `.h5`, `.weights.h5` or `.keras`.
            by_name: Load only the layers whose names are in the file. The others are unchanged.
            skip_mismatch: Skip layers whose arrays in the file have other shapes.

        Raises:
            FileNotFoundError: There is no such file.
            IsADirectoryError: `path` is a folder.
            ModelFileError: The file is damaged, malicious or does not fit. The model is unchanged then.
                It is a ValueError.
        """
        from .. import formats  # imports h5py: only where a file is read

        self.parameter_store.update(
            formats.read_weights(path, self.network, self.graph, by_name, skip_mismatch)
        )
