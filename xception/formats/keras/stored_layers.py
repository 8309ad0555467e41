"""Stored layers: the groups of Keras's HDF5 layout that `layer_names` lists.

The root has an attribute `layer_names`, which lists one group per layer. Each group has an attribute
`weight_names`, which lists the paths of its arrays. Files of whole models keep all this in the group
`model_weights`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ModelFileError
from ...graph import Node
from ...version import __version__
from ..hdf5.arrays import StoredArray, find_array
from ..hdf5.attributes import has_names, read_names, read_text
from ..hdf5.file import File, Group, location, open_group
from .json_reader import read_json_object

#: What files say of the program that wrote them.
AUTHOR = f"xception {__version__}"
#: Names of parameters in files of Keras 1.
OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # the name is wrong: the numbers are variances
}
PARAMETER_NAMES = ("depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "kernel", "bias", "gamma",
                   "beta", "moving_mean", "moving_variance", *OLD_NAMES)  # fmt: skip


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file.

    Attributes:
        name: Its name in the file.
        arrays: Its arrays by their paths, in the order of the file, not read yet.
    """

    name: str
    arrays: Mapping[str, StoredArray]

    @property
    def is_dense(self) -> bool:
        """Whether the shapes are those of a dense layer: a matrix, with or without a bias."""
        return [len(array.shape) for array in self.arrays.values()] in ([2], [2, 1], [1, 2])

    def by_parameter(self, node: Node) -> dict[str, StoredArray]:
        """Return the arrays by parameter name, for this node.

        Arrays of layers inside a layer ("bidirectional/forward_lstm/lstm_cell/kernel:0") do not say
        which parameter they are: the names of the groups are not those of the parameters. They are
        taken in the order in which Keras writes them, trainable ones first.
        """
        if any("/" in name for name in node.parameters):
            names = sorted(node.parameters, key=lambda name: not node.parameters[name].trainable)
            if len(names) == len(self.arrays) and all(map(may_hold, self.arrays, names)):
                return dict(zip(names, self.arrays.values(), strict=True))
            return dict(self.arrays)
        arrays = {parameter_name(path): array for path, array in self.arrays.items()}
        if "depthwise_kernel" in arrays and "depthwise_kernel" not in node.parameters:
            arrays["kernel"] = arrays.pop("depthwise_kernel")  # as Keras 2 calls it in DepthwiseConv2D
        if len(arrays) == len(node.parameters) == 1 and re.fullmatch(r"variable(_\d+)?", next(iter(arrays))):
            return dict(zip(node.parameters, arrays.values(), strict=True))  # Keras 3 did not name it
        return arrays

    def inner_layers(self) -> list[StoredLayer]:
        """Split a network that is stored as one layer into its layers, by the folders of the arrays."""
        folders: dict[str, dict[str, StoredArray]] = {}
        for path, array in self.arrays.items():
            folder, _, last = path.rpartition("/")
            folder = folder or last.removesuffix(f"_{last.rsplit('_', 1)[-1]}")
            folders.setdefault(folder, {})[path] = array
        return [StoredLayer(folder.rpartition("/")[2], arrays) for folder, arrays in folders.items()]


def parameter_name(path: str) -> str:
    """Return the name of the parameter that an array holds, from the array's path.

    Examples:
        >>> parameter_name("block1_conv1/kernel:0"), parameter_name("convolution2d_1_W:0")
        ('kernel', 'kernel')
    """
    last = path.rsplit("/", 1)[-1].split(":")[0]
    for name in PARAMETER_NAMES:
        if last == name or last.endswith(f"_{name}"):
            return OLD_NAMES.get(name, name)
    return last


def may_hold(path: str, parameter: str) -> bool:
    """Return True unless the name of an array says that it holds another parameter.

    A parameter "kernel" may be called "depthwise_kernel", or be "forward_layer/kernel".

    Args:
        path: Path of the array.
        parameter: Name of the parameter.
    """
    name = parameter_name(path)
    return name not in PARAMETER_NAMES or parameter.rpartition("/")[2] in name


def has_stored_layers(file: File) -> bool:
    """Return True if a file has this layout: it, or its group `model_weights`, lists `layer_names`."""
    return has_names(_layers_group(file), "layer_names")


def read_stored_layers(file: File) -> list[StoredLayer]:
    """Return the layers in a file that have weights, in the order of the file. No array is read.

    Raises:
        ModelFileError: The lists and the groups do not agree, or an array is damaged or hostile.
    """
    root = _layers_group(file)
    layers = []
    layer_names = read_names(root, "layer_names")
    if len(set(layer_names)) != len(layer_names):
        raise ModelFileError(f"{location(root)}: lists a layer twice")
    for name in layer_names:
        group = open_group(root, name)
        paths = read_names(group, "weight_names")
        if len(set(paths)) != len(paths):
            raise ModelFileError(f"{location(group)}: lists an array twice")
        if paths:
            layers.append(StoredLayer(name, {path: find_array(group, path) for path in paths}))
    return layers


def read_model_config(file: File) -> dict[str, Any]:
    """Return the config of the model that a file holds.

    Raises:
        ModelFileError: The file holds weights alone, or the config is not valid JSON.
    """
    if "model_config" not in file.attrs:
        raise ModelFileError(
            f"{location(file)}: holds weights alone, no model; build the model, for example with "
            "Xception(…), and load the file with model.load_weights(path); or give the architecture that "
            f"model.to_json() has written too: load_model('model.json', weights={location(file)!r}), or "
            f"--model model.json --weights {location(file)}"
        )
    return read_json_object(read_text(file, "model_config"), f"{location(file)}, model_config")


def read_keras_version(file: File) -> str | None:
    """Return the version of the Keras that wrote a file; None if it does not say, as Keras 1 did not."""
    for holder in (file, _layers_group(file)):
        if "keras_version" in holder.attrs:
            return read_text(holder, "keras_version")
    return None


def sign(file: File) -> None:
    """Record in a file that this library writes it: the attribute `keras_version` is that of the layout."""
    file.attrs["written_by"] = AUTHOR


def read_author(file: File) -> str | None:
    """Return the program that wrote a file, if that is not Keras."""
    return read_text(file, "written_by") if "written_by" in file.attrs else None


def _layers_group(file: File) -> Group:
    """Return the group that lists the layers: the root, or `model_weights` of a whole model."""
    # `in file` would follow a link out of the file.
    is_inside = not has_names(file, "layer_names") and "model_weights" in file.keys()  # noqa: SIM118
    return open_group(file, "model_weights") if is_inside else file
