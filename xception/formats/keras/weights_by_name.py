"""The layout of Keras 1 and 2, which Keras 3 still writes for `save("x.h5")`.

A `layer_names` attribute lists the groups, a layer each; a group's `weight_names` attribute
lists its arrays. Whole models keep all this under `model_weights/`. A network among the layers is
one group, which lists the arrays of all its layers: first those that training changes.

Names settle which layer is which where a layer has one of its own. Layers that Keras numbered are
matched within their kind: the lowest number of the file to the first such node, and so on. So the
counters may start anywhere (`conv2d_5 … 8`), and the published weights, in which every layer is
numbered (`convolution2d_1`, `batchnormalization_36`, `dense_2`), need no table.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import architecture
from ...errors import ModelFileError
from ...graph import Graph, GraphParameters
from ...graph.names import automatic_stem, is_automatic
from ...graph.network import Member, Network
from ..hdf5 import arrays
from ..hdf5 import file as hdf5
from ..hdf5.arrays import StoredArray
from ..matching import Match
from . import config_reader as config
from .layer_names import OLD_STEMS, number_of, stem_of

#: What files of all ages call a parameter, where it is not its present name.
OLD_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # the name is wrong, the numbers are variances
}
NAMES = ("depthwise_kernel", "pointwise_kernel", "kernel", "bias", "gamma", "beta", "moving_mean",
         "moving_variance", *OLD_NAMES)  # fmt: skip

NETWORK_STEMS = ("functional", "model", "sequential")


@dataclass(frozen=True)
class StoredLayer:
    """A layer in a file: its name there, and its arrays by their paths, not read yet."""

    name: str
    arrays: Mapping[str, StoredArray]

    @property
    def stem(self) -> str:
        """The name without its number: "convolution2d_1" -> "conv2d"."""
        return stem_of(self.name)

    @property
    def is_dense(self) -> bool:
        return [len(array.shape) for array in self.arrays.values()] in ([2], [2, 1], [1, 2])

    def inside(self) -> list[StoredLayer]:
        """The layers of the network that this group holds, by the folders of its arrays."""
        found: dict[str, dict[str, StoredArray]] = {}
        for path, array in self.arrays.items():
            folder, _, last = path.rpartition("/")
            found.setdefault(folder or last.removesuffix(f"_{last.rsplit('_', 1)[-1]}"), {})[path] = array
        return [StoredLayer(name.rpartition("/")[2], arrays) for name, arrays in found.items()]


def recognises(file: hdf5.File) -> bool:
    return hdf5.has_names(_root(file), "layer_names")


def match(network: Network, graph: Graph, file: hdf5.File, by_name: bool = False) -> Match:
    """Where the network's parameters are.

    by_name: layers of other names stay apart even if they alone are left, apart from those that
    Keras numbered in every Xception.
    """
    found = Match(graph)
    members = [(member.name, member) for member in network.in_order()]
    _pair(members, read(file), found, by_name)
    return found


def model_config(file: hdf5.File) -> dict[str, Any]:
    """What the file says of the model that its weights belong to."""
    if "model_config" not in file.attrs:
        raise ModelFileError(
            f"{hdf5.place(file)}: holds weights alone, no model; build one with Xception(…) and give it "
            "the file: model.load_weights(path)"
        )
    return config.parse(hdf5.text(file, "model_config"), f"{hdf5.place(file)}, model_config")


def keras_version(file: hdf5.File) -> int:
    """Which Keras wrote the file: 1, 2 or 3. The first did not say."""
    for holder in (file, _root(file)):
        if "keras_version" in holder.attrs:
            return config.version(hdf5.text(holder, "keras_version"))
    return 1


def listed(file: hdf5.File) -> list[str]:
    """The file's layers that have weights."""
    return [layer.name for layer in read(file)]


def count_classes(file: hdf5.File) -> int | None:
    """How many classes the one dense layer tells apart."""
    dense = [layer for layer in read(file) if layer.is_dense]
    shapes = [array.shape for array in dense[0].arrays.values() if len(array.shape) == 2] if dense else []
    return shapes[0][-1] if shapes else None


def parts(file: hdf5.File) -> Iterator[tuple[str, StoredLayer]]:
    """The networks among the file's layers."""
    for layer in read(file):
        if len(layer.inside()) > 1:
            yield layer.name, layer


def match_part(network: Network, graph: Graph, part: StoredLayer) -> Match:
    """Where the network's parameters are in a group that holds a whole network."""
    return _inside(network, "", part, graph)


def read(file: hdf5.File) -> list[StoredLayer]:
    """The layers that have weights, as the file names them. Reads no arrays yet."""
    root = _root(file)
    layers = []
    listed = hdf5.names(root, "layer_names")
    if len(set(listed)) != len(listed):
        raise ModelFileError(f"{hdf5.place(root)}: lists a layer twice")
    for name in listed:
        group = hdf5.group(root, name)
        paths = hdf5.names(group, "weight_names")
        if len(set(paths)) != len(paths):
            raise ModelFileError(f"{hdf5.place(group)}: lists an array twice")
        if paths:
            layers.append(StoredLayer(name, {path: arrays.find(group, path) for path in paths}))
    return layers


# --- which is which -------------------------------------------------------------------------


def _pair(
    members: Sequence[tuple[str, Member]], layers: Sequence[StoredLayer], found: Match, by_name: bool
) -> None:
    """Pair members (with their names in the graph) and stored layers, one for one."""
    without = {member.name for path, member in members if not _needs(path, member, found.graph)}
    left = {layer.name: layer for layer in layers if layer.name not in without}
    places = {path: member for path, member in members if member.name not in without}
    same = {member.name for member in places.values()} == set(left)
    pairs = {
        path: left.pop(member.name)
        for path, member in places.items()
        if member.name in left and (same or by_name or not _is_numbered(path, member, found.graph))
    }
    old = any(stem in layer.name for layer in left.values() for stem in OLD_STEMS)
    for stem in dict.fromkeys(_stem(member) for member in places.values()):
        open_places = [path for path in places if path not in pairs and _stem(places[path]) == stem]
        numbered = sorted((x for x in left.values() if _stem_of(x) == stem), key=lambda x: number_of(x.name))
        if len(open_places) == len(numbered) and (
            not by_name or old or stem in ("conv2d", "batch_normalization")
        ):
            for path, layer in zip(_by_creation(open_places, places), numbered, strict=False):
                pairs[path] = left.pop(layer.name)
    for path, member in places.items():
        if path not in pairs:
            found.missing += _needs(path, member, found.graph)
        elif isinstance(member.layer, Network):
            found.take(_inside(member.layer, f"{path}/", pairs[path], found.graph))
        else:
            found.pair(path, _by_parameter(pairs[path], member.kind), pairs[path].name)
    found.left += left
    found.left_classifier = [layer.is_dense for layer in left.values()] == [True]


def _by_parameter(layer: StoredLayer, kind: str) -> dict[str, StoredArray]:
    stored = {parameter_name(key): array for key, array in layer.arrays.items()}
    if kind == "DepthwiseConv2D" and "depthwise_kernel" in stored:  # as Keras 2 calls it
        stored = {"kernel" if key == "depthwise_kernel" else key: array for key, array in stored.items()}
    return stored


def _inside(network: Network, path: str, stored: StoredLayer, graph: Graph) -> Match:
    """A network's parameters in the one group that holds them all: by names if they tell the
    layers apart, else in the order in which Keras writes them."""
    leaves = list(network.leaves(path))
    named = Match(graph)
    layers = stored.inside()
    if len({layer.name for layer in layers}) == len(layers) and len({m.name for _, m in leaves}) == len(
        leaves
    ):
        _pair(leaves, layers, named, by_name=False)
        if named.complete:
            return named
    else:
        named.missing = _needs(path[:-1], Member(network.name, network, ()), graph)
    expected = list(training_order(network, graph, path))
    ordered = Match(graph)
    for (name, parameter), (key, array) in zip(expected, stored.arrays.items(), strict=False):
        called = parameter_name(key)
        if array.shape != graph.nodes[name].parameters[parameter].shape or (
            called in NAMES and called != parameter and parameter not in called
        ):
            return named
        ordered.found[name, parameter] = array
    return ordered if len(expected) == len(stored.arrays) else named


def training_order(network: Network, graph: Graph, path: str = "") -> Iterator[tuple[str, str]]:
    """(node, parameter) of a network in the order of such a group: all that training changes, then
    all else. What is frozen, be it one layer or the whole network, moves to the second half."""
    everything = [
        (name, parameter, graph.nodes[name].parameters[parameter].trainable and trainable)
        for name, trainable in _with_trainable(network, path, True)
        for parameter in graph.nodes[name].parameters
    ]
    for half in (True, False):
        yield from ((name, parameter) for name, parameter, trainable in everything if trainable == half)


def _with_trainable(network: Network, path: str, trainable: bool) -> Iterator[tuple[str, bool]]:
    for member in network.in_order():
        now = trainable and member.trainable
        if isinstance(member.layer, Network):
            yield from _with_trainable(member.layer, f"{path}{member.name}/", now)
        else:
            yield f"{path}{member.name}", now


def _needs(path: str, member: Member, graph: Graph) -> list[str]:
    """The nodes at a member's place that have parameters."""
    leaves = member.layer.leaves(f"{path}/") if isinstance(member.layer, Network) else [(path, member)]
    return [name for name, _ in leaves if graph.nodes[name].parameters]


def _stem(member: Member) -> str:
    return "network" if isinstance(member.layer, Network) else automatic_stem(member.kind)


def _stem_of(layer: StoredLayer) -> str:
    return "network" if layer.stem in NETWORK_STEMS else layer.stem


def _is_numbered(path: str, member: Member, graph: Graph) -> bool:
    """Whether a member bears a number of its kind rather than a name of its own."""
    if isinstance(member.layer, Network):
        return stem_of(member.name) in NETWORK_STEMS
    return is_automatic(member.name, member.kind)


def _by_creation(names: Sequence[str], places: Mapping[str, Member]) -> list[str]:
    """Nodes of one kind in the order in which they were created, by which Keras numbers them.

    Among Xception's own nodes that is the order of Keras's script; among others their numbers
    tell. Empty if it cannot be told.
    """
    kinds = {name: places[name].kind for name in names}
    numbered = {
        name: number_of(places[name].name) for name in names if is_automatic(places[name].name, kinds[name])
    }
    by_number = sorted(numbered, key=lambda name: numbered[name])
    if len(numbered) == len(names):
        return by_number
    script = _script()
    of_kind = [name for name, kind in script.items() if kind == kinds[names[0]]]
    automatic = [name for name in of_kind if is_automatic(name, script[name])]
    if len(automatic) != len(by_number) and by_number:
        return []
    order = {name: of_kind.index(known) for name, known in zip(by_number, automatic, strict=False)}
    for name in names:
        if name not in order:
            if places[name].name not in of_kind:
                return []
            order[name] = of_kind.index(places[name].name)
    return sorted(names, key=lambda name: order[name])


@functools.cache
def _script() -> dict[str, str]:
    """Xception's nodes in the order of Keras's script, with their kinds."""
    graph = architecture.xception()
    return {node.name: node.kind for node in graph.nodes.values()}


# --- writing --------------------------------------------------------------------------------


def write(
    file: hdf5.File, network: Network, graph: Graph, parameters: GraphParameters, rounded: bool = False
) -> None:
    """As Keras 2 writes `save_weights("x.h5")`: groups and arrays in the order of its layers.

    rounded: kernels as float16, for half the size. Vectors stay as they are: they take half a
    per cent of the space, and the variances of some channels are too small for it. Compressed,
    the file would be an eighth smaller, and a start with it would take a fifth longer.
    """
    members = network.in_order()
    file.attrs["layer_names"] = np.array([member.name.encode() for member in members])
    file.attrs["backend"] = b"tensorflow"
    file.attrs["keras_version"] = b"2.15.0"  # the layout's; loaders convert what looks older
    for member in members:
        group = file.create_group(member.name)
        if isinstance(member.layer, Network):
            places = list(training_order(member.layer, graph, f"{member.name}/"))
        else:
            places = [(member.name, parameter) for parameter in graph.nodes[member.name].parameters]
        paths = [f"{name.removeprefix(f'{member.name}/')}/{parameter}:0" for name, parameter in places]
        group.attrs["weight_names"] = np.array([path.encode() for path in paths], dtype="S")
        for (name, parameter), path in zip(places, paths, strict=True):
            array = parameters[name][parameter]
            group.create_dataset(path, data=array, dtype="<f2" if rounded and array.ndim > 1 else None)


def parameter_name(path: str) -> str:
    """What a path stands for: "block1_conv1/kernel:0", "convolution2d_1_W:0" -> "kernel"."""
    last = path.rsplit("/", 1)[-1].split(":")[0]
    for name in NAMES:
        if last == name or last.endswith(f"_{name}"):
            return OLD_NAMES.get(name, name)
    return last


def _root(file: hdf5.File) -> hdf5.Group:
    """What holds the layers: the file itself, or one group of it where it holds a whole model."""
    # `in file` would follow a link out of it
    within = not hdf5.has_names(file, "layer_names") and "model_weights" in file.keys()  # noqa: SIM118
    return hdf5.group(file, "model_weights") if within else file
