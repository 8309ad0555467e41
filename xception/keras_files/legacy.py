"""The layout of Keras 1 and 2, which Keras 3 still writes for `save("x.h5")`.

A `layer_names` attribute lists the groups, a layer each; a group's `weight_names` attribute
lists its arrays. Whole models keep all this under `model_weights/`.
"""

from __future__ import annotations

import numpy as np

from ..graph import Graph, GraphParameters
from . import arrays, hdf5
from .matching import StoredLayer

#: What files of all ages call a parameter, where it is not its present name.
OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # the name is wrong, the numbers are variances
}
NAMES = ("depthwise_kernel", "pointwise_kernel", "kernel", "bias", "gamma", "beta", "moving_mean",
         "moving_variance", *OLD_NAMES)  # fmt: skip


def recognises(file: hdf5.File) -> bool:
    return hdf5.has_names(_root(file), "layer_names")


def numbering(graph: Graph) -> list[str]:
    """The order by which Keras numbered these layers: that of their creation."""
    return list(graph.nodes)


def read(file: hdf5.File) -> list[StoredLayer]:
    """The layers that have weights, as the file names them. Reads no arrays yet."""
    root = _root(file)
    layers = []
    for name in hdf5.names(root, "layer_names"):
        group = hdf5.group(root, name)
        found: dict[str, arrays.StoredArray] = {}
        for path in hdf5.names(group, "weight_names"):
            parameter = parameter_name(path)
            if parameter in found:
                raise hdf5.WeightsFileError(
                    f"{name}: holds several arrays called {parameter!r}; a network within a "
                    "network is not read from a plain weights file"
                )
            found[parameter] = arrays.find(group, path)
        if found:
            layers.append(StoredLayer(name, found))
    return layers


def write(file: hdf5.File, graph: Graph, parameters: GraphParameters, rounded: bool = False) -> None:
    """As Keras 2 writes `save_weights("x.h5")`: groups and arrays in the order of its layers.

    rounded: kernels as compressed float16, for half the size. Vectors stay as they are: they
    take half a per cent of the space, and the variances of some channels are too small for it.
    """
    nodes = graph.topological_order()
    file.attrs["layer_names"] = np.array([node.name.encode() for node in nodes])
    file.attrs["backend"] = b"tensorflow"
    file.attrs["keras_version"] = b"2.15.0"  # the layout's; loaders convert what looks older
    for node in nodes:
        group = file.create_group(node.name)
        paths = [f"{node.name}/{parameter}:0" for parameter in node.parameters]
        group.attrs["weight_names"] = np.array([path.encode() for path in paths], dtype="S")
        for parameter, path in zip(node.parameters, paths, strict=True):
            array = parameters[node.name][parameter]
            if rounded and array.ndim > 1:
                group.create_dataset(
                    path, data=array, dtype=np.float16, chunks=array.shape,
                    compression="gzip", compression_opts=9, shuffle=True,
                )  # fmt: skip
            else:
                group.create_dataset(path, data=array)


def parameter_name(path: str) -> str:
    """What a path stands for: "block1_conv1/kernel:0", "convolution2d_1_W:0" -> "kernel"."""
    last = path.rsplit("/", 1)[-1].split(":")[0]
    for name in NAMES:
        if last == name or last.endswith(f"_{name}"):
            return OLD_NAMES.get(name, name)
    return last


def _root(file: hdf5.File) -> hdf5.Group:
    return hdf5.group(file, "model_weights") if "model_weights" in file else file
